"""Results of Anthropic's server tools in a conversation that continues at another vendor."""

from typing import Any

import anthropic
import pytest

from nexus.conversation.parts import Message, Text, ToolCall, ToolResult
from nexus.errors import InvalidRequest
from nexus.protocols.codec import ReadRequest
from nexus.protocols.messages.hosted_server_tools import without_foreign_calls, without_server_tools
from nexus.protocols.messages.read_request import read_request
from nexus.protocols.messages.server_tools import Summary
from nexus.wire import decode, encode
from tests.server.vendors import LANES, Stand

ASKED: Any = {"role": "user", "content": "What is new?"}
GO_ON: Any = {"role": "user", "content": "Go on."}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "news"}}
PAGE = {
    "type": "web_search_result",
    "url": "https://example.com/a",
    "title": "Today",
    "encrypted_content": "opaque",
    "page_age": "1 day",
}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [PAGE, PAGE]}


def read(*blocks: Any, before: tuple[Any, ...] = (ASKED,)) -> ReadRequest:
    messages = [*before, {"role": "assistant", "content": list(blocks)}, GO_ON]
    return read_request({"max_tokens": 9, "messages": messages})


def words_of(content: Any, kind: str = "web_fetch_tool_result") -> tuple[str, bool]:
    call = {"type": "server_tool_use", "id": "s", "name": "any", "input": {}}
    result = read(call, {"type": kind, "tool_use_id": "s", "content": content}).request.messages[2].parts[0]
    assert isinstance(result, ToolResult)
    return "".join(part.text for part in result.parts if isinstance(part, Text)), result.is_error


def test_a_search_becomes_a_call_and_its_result_between_two_turns() -> None:
    said = read({"type": "text", "text": "I look."}, SEARCH, FOUND, {"type": "text", "text": "It rains."})
    assert said.request.messages == (
        Message("user", (Text("What is new?"),)),
        Message("assistant", (Text("I look."), ToolCall("srvtoolu_1", "web_search", '{"query":"news"}'))),
        Message(
            "user",
            (ToolResult("srvtoolu_1", (Text("- Today: https://example.com/a\n- Today: https://example.com/a"),)),),
        ),
        Message("assistant", (Text("It rains."),)),
        Message("user", (Text("Go on."),)),
    )
    assert said.dropped == ("messages.content.server_tool_use", "messages.content.web_search_tool_result")


PRINTED = {"type": "code_execution_result", "stdout": "42\n", "stderr": "", "return_code": 0, "content": []}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}}
READABLE = {
    "type": "document",
    "title": "Today",
    "source": {"type": "text", "media_type": "text/plain", "data": "Rain."},
}
RESULTS: dict[str, tuple[Any, str, bool]] = {
    "a page": (
        {"type": "web_fetch_result", "url": "https://example.com", "content": READABLE, "retrieved_at": "now"},
        "https://example.com\nToday\nRain.",
        False,
    ),
    "a file": (
        {"type": "web_fetch_result", "url": "https://example.com", "content": PDF},
        "https://example.com\n(application/pdf)",
        False,
    ),
    "printed output": (PRINTED, "stdout: 42\n\nreturn_code: 0", False),
    "sealed": ({"type": "encrypted_code_execution_result", "encrypted_stdout": "opaque"}, "", False),
    "an error": (
        {"type": "web_fetch_tool_result_error", "error_code": "url_not_accessible"},
        "error_code: url_not_accessible",
        True,
    ),
    "texts": ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb", False),
    "a string": ("plain", "plain", False),
    "nothing": (None, "", False),
}


@pytest.mark.parametrize("case", RESULTS)
def test_the_readable_text_of_a_result_is_kept(case: str) -> None:
    content, words, failed = RESULTS[case]
    assert words_of(content) == (words, failed)


def test_a_failed_mcp_call_becomes_a_failed_result() -> None:
    call = {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "find", "server_name": "wiki", "input": {"q": 1}}
    result = {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": True, "content": "down"}
    messages = read(call, result).request.messages
    assert messages[1].parts == (ToolCall("mcptoolu_1", "find", '{"q":1}'),)
    assert messages[2].parts == (ToolResult("mcptoolu_1", (Text("down"),), is_error=True),)


def test_a_tool_search_is_left_out_for_other_models() -> None:
    search = {"type": "server_tool_use", "id": "s", "name": "tool_search_tool_regex", "input": {"pattern": "x"}}
    result = {"type": "tool_search_tool_result", "tool_use_id": "s", "content": {"tool_references": []}}
    said = read({"type": "text", "text": "Well."}, search, result)
    assert [message.parts for message in said.request.messages[1:2]] == [(Text("Well."),)]
    assert len(said.request.messages) == 3 and "messages.content.tool_search_tool_result" in said.dropped


def test_server_tool_results_in_a_user_turn_are_rejected() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request({"max_tokens": 9, "messages": [{"role": "user", "content": [FOUND]}]})
    assert caught.value.param == "messages.0.content.0"


def test_a_result_must_name_its_call() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(SEARCH, {**FOUND, "tool_use_id": None})
    assert caught.value.param == "messages.1.content.1.tool_use_id"


SUMMED = {"type": "compaction", "content": "They spoke of rain.", "signature": "sig"}
SUMMARY = Summary("Summary of the conversation so far:\n\nThey spoke of rain.")


def test_a_compaction_replaces_everything_before_it() -> None:
    unreadable = {"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}
    said = read({"type": "text", "text": "before"}, SUMMED, {"type": "text", "text": "after"}, before=(unreadable,))
    assert said.request.messages == (
        Message("user", (SUMMARY,)),
        Message("assistant", (Text("after"),)),
        Message("user", (Text("Go on."),)),
    )
    assert said.dropped == ("messages.content.compaction",)


def test_the_last_compaction_applies_and_a_failed_one_does_not() -> None:
    older = {"role": "assistant", "content": [SUMMED | {"content": "older"}]}
    failed = {"type": "compaction", "content": None}
    said = read(
        failed, {"type": "text", "text": "after"}, before=(ASKED, older, ASKED, {"role": "user", "content": [SUMMED]})
    )
    assert said.request.messages[0].parts == (SUMMARY,)
    assert said.request.messages[1].parts == (Text("after"),)


def test_a_call_made_by_code_becomes_a_plain_call() -> None:
    caller = {"type": "code_execution_20260120", "tool_id": "srvtoolu_9"}
    said = read({"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": caller})
    assert said.request.messages[1].parts == (ToolCall("t", "f", ""),)
    assert said.dropped == ("tool_use.caller",)


TOOL: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}}


def test_claude_on_bedrock_gets_server_tool_results_as_text(stand: Stand) -> None:
    house = stand(next(lane for lane in LANES if lane.name == "bedrock claude"))
    cited = {"type": "web_search_result_location", "url": "u", "title": "t", "encrypted_index": "i", "cited_text": "c"}
    turn = [
        {"type": "thinking", "thinking": "Hm.", "signature": "EuYBCkQ="},
        SEARCH,
        FOUND | {"cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "It rains.", "citations": [cited]},
        CALL | {"caller": {"type": "code_execution_20260120", "tool_id": SEARCH["id"]}},
    ]
    messages: list[Any] = [
        ASKED,
        {"role": "assistant", "content": turn},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "19 degrees"}]},
        {"role": "assistant", "content": [SEARCH | {"id": "srvtoolu_3"}]},
        GO_ON,
        {"role": "assistant", "content": [FOUND | {"tool_use_id": "srvtoolu_3"}]},
        GO_ON,
    ]
    with anthropic.Anthropic(base_url=house.nexus.anthropic, api_key="unused", max_retries=0) as client:
        raw = client.messages.with_raw_response.create(model="v/m", max_tokens=99, messages=messages, tools=[TOOL])
    words = "- Today: https://example.com/a"
    told = f'Result of web_search for {{"query":"news"}}:\n{words}\n{words}'
    assert house.upstream.requests[-1].json["messages"][1::2] == [
        {
            "role": "assistant",
            "content": [
                turn[0],
                {"type": "text", "text": told, "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "It rains."},
                CALL,
            ],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "(A tool was called; there is no result.)"}]},
        {"role": "assistant", "content": [{"type": "text", "text": told}]},
    ]
    dropped = raw.headers["x-nexus-dropped"].split(", ")
    assert {"messages.content.server_tool_use", "messages.content.web_search_tool_result"} <= set(dropped)
    assert house.upstream.violations == []


def test_claude_on_bedrock_keeps_a_tool_search() -> None:
    search = {"type": "server_tool_use", "id": "s", "name": "tool_search_tool_regex", "input": {"pattern": "x"}}
    raw = encode({"messages": [{"role": "assistant", "content": [search]}]})
    assert without_server_tools(raw) == (raw, ())


BROKEN_IDS: dict[str, Any] = {
    "a call": {"type": "server_tool_use", "id": ["c"], "name": "web_search", "input": {}},
    "a result": {"type": "web_search_tool_result", "tool_use_id": {}, "content": []},
    "a caller": {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "caller": {"tool_id": [1]}},
}


@pytest.mark.parametrize("block", BROKEN_IDS.values(), ids=BROKEN_IDS)
def test_ids_of_another_type_are_left_to_claude(block: Any) -> None:
    foreign = {"type": "server_tool_use", "id": "call-1", "name": "web_search", "input": {}}
    raw = encode({"messages": [{"role": "assistant", "content": [foreign, block, {"type": "text", "text": "a"}]}]})
    for edit in (without_server_tools, without_foreign_calls):
        assert decode(edit(raw).body)["messages"][0]["content"][-1] == {"type": "text", "text": "a"}


@pytest.mark.parametrize("name", ["web_search", "tool_search_tool_regex"])
@pytest.mark.parametrize("lane", ["anthropic", "vertex claude", "bedrock claude"])
def test_claude_gets_another_vendors_server_tools_as_text(stand: Stand, lane: str, name: str) -> None:
    """A session that began at another vendor of the Messages API. Source: ding113/claude-code-hub#470."""
    house = stand(next(one for one in LANES if one.name == lane))
    foreign = {"type": "server_tool_use", "id": "call-8f2a", "name": name, "input": {"query": "news"}}
    kind = "tool_search_tool_result" if name.startswith("tool_search") else "web_search_tool_result"
    found = {"type": kind, "tool_use_id": "call-8f2a", "content": FOUND["content"]}
    messages: list[Any] = [
        ASKED,
        {"role": "assistant", "content": [foreign, found, {"type": "text", "text": "It rains."}]},
        GO_ON,
    ]
    with anthropic.Anthropic(base_url=house.nexus.anthropic, api_key="unused", max_retries=0) as client:
        raw = client.messages.with_raw_response.create(model="v/m", max_tokens=99, messages=messages)
        with client.messages.stream(model="v/m", max_tokens=99, messages=messages) as stream:
            stream.get_final_message()
    for request in house.upstream.requests[-2:]:
        told, said = request.json["messages"][1]["content"]
        assert f'Result of {name} for {{"query":"news"}}' in told["text"] and "https://example.com/a" in told["text"]
        assert said == {"type": "text", "text": "It rains."}
    assert {"messages.content.server_tool_use", f"messages.content.{kind}"} <= {
        *raw.headers["x-nexus-dropped"].split(", ")
    }
    assert house.upstream.violations == []
