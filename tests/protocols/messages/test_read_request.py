"""Reading a Messages client's request: what Claude Code and the SDKs send, and what is rejected with its path."""

import json
from typing import Any

import pytest

from nexus.conversation.parts import (
    Document,
    Image,
    Inline,
    Link,
    Message,
    OutputFormat,
    Part,
    Reasoning,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from nexus.errors import InvalidRequest, NexusError, UnsupportedFeature
from nexus.protocols.messages.read_request import read_request
from tests.laws.test_fixtures import FIXTURES

USER = {"role": "user", "content": "hi"}


def body(**members: Any) -> dict[str, Any]:
    return {"model": "openai/gpt-5", "max_tokens": 100, "messages": [USER]} | members


def read_parts(*blocks: Any, role: str = "user") -> tuple[Part, ...]:
    messages = [{"role": role, "content": list(blocks)}]
    return read_request(body(messages=messages)).request.messages[0].parts


def test_a_request_of_claude_code_is_read() -> None:
    read = read_request(json.loads((FIXTURES / "requests/claude_code.json").read_text()))
    request = read.request
    assert set(read.dropped) == {"context_management", "tools.defer_loading"}
    assert request.system == (Text("billing"), Text("You are", cache="5m"), Text("rules", cache="1h"))
    assert request.messages == (
        Message("user", (Text("go", cache="5m"),)),
        Message("system", (Text("be brief"),)),
        Message(
            "assistant",
            (Reasoning("hm"), Text(""), ToolCall("toolu_1", "Read", '{"path":"/a"}'), ToolCall("toolu_2", "Now", "")),
        ),
        Message("user", (ToolResult("toolu_2", (Text("12:00"),), is_error=True), ToolResult("toolu_1"))),
    )
    assert request.tools == (
        Tool("Read", "reads", {"$schema": "x", "type": "object"}),
        Tool("Now", None, {"type": "object"}, strict=True),
    )
    assert request.thinking == Thinking(True, effort="high")
    assert (request.max_tokens, request.user, request.stream, request.include_usage) == (32000, "{}", True, True)


PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
PARTS: dict[str, tuple[dict[str, Any], Part]] = {
    "image": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
        Image(Inline("image/png", "iVBO")),
    ),
    "image url": (
        {"type": "image", "source": {"type": "url", "url": "https://e.org/a.png"}, "cache_control": None},
        Image(Link("https://e.org/a.png")),
    ),
    "pdf": (
        {"type": "document", "source": PDF, "title": "T", "context": "C", "citations": {"enabled": False}},
        Document(Inline("application/pdf", "JVBE"), title="T", context="C"),
    ),
    "text document": (
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        Document(Text("words")),
    ),
    "document by url": (
        {"type": "document", "source": {"type": "url", "url": "https://e.org/a.pdf"}},
        Document(Link("https://e.org/a.pdf")),
    ),
    "document of blocks": (
        {
            "type": "document",
            "source": {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        },
        Document(Text("a\n\nb")),
    ),
    "search result": (
        {"type": "search_result", "source": "https://e.org", "title": "T", "content": [{"type": "text", "text": "a"}]},
        Document(Text("a"), title="T", context="https://e.org"),
    ),
    "result of blocks": (
        {
            "type": "tool_result",
            "tool_use_id": "t",
            "cache_control": {"type": "ephemeral"},
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
                {"type": "document", "source": PDF},
                {"type": "search_result", "source": "s", "title": "T", "content": []},
                {"type": "tool_reference", "tool_name": "Glob"},
            ],
        },
        ToolResult(
            "t",
            (
                Text("see"),
                Image(Inline("image/png", "iVBO")),
                Document(Inline("application/pdf", "JVBE")),
                Document(Text(""), title="T", context="s"),
                Text("Found tool: Glob"),
            ),
            cache="5m",
        ),
    ),
}


@pytest.mark.parametrize("case", PARTS)
def test_user_blocks_are_read(case: str) -> None:
    wire, part = PARTS[case]
    assert read_parts(wire) == (part,)


ASSISTANT: dict[str, tuple[list[dict[str, Any]], tuple[Part, ...]]] = {
    "own signature": (
        [{"type": "thinking", "thinking": "t", "signature": "Eq=="}],
        (Reasoning("t", Signature("messages", "Eq==")),),
    ),
    "foreign signature": (
        [{"type": "thinking", "thinking": "t", "signature": "nexus.responses.gAAA"}],
        (Reasoning("t", Signature("responses", "gAAA")),),
    ),
    "redacted": (
        [{"type": "redacted_thinking", "data": "Zz"}],
        (Reasoning("", Signature("messages", "Zz"), redacted=True),),
    ),
    "signature before a call": (
        [
            {"type": "thinking", "thinking": "", "signature": "nexus.next.gemini.sig.1"},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        ],
        (ToolCall("a", "f", '{"x":1}', signature=Signature("gemini", "sig.1")),),
    ),
    "joined with the thinking before it": (
        [
            {"type": "thinking", "thinking": "t", "signature": "nexus.gemini.a=nexus.next.gemini.b="},
            {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        ],
        (Reasoning("t", Signature("gemini", "a=")), ToolCall("a", "f", "", signature=Signature("gemini", "b="))),
    ),
    "a call whose arguments are not an object": (
        [{"type": "tool_use", "id": "a", "name": "f", "input": [1]}],
        (ToolCall("a", "f", "[1]"),),
    ),
    "a call whose arguments are a string": (
        [{"type": "tool_use", "id": "a", "name": "f", "input": "x"}],
        (ToolCall("a", "f", '"x"'),),
    ),
    "signature after a text": (
        [{"type": "text", "text": "a"}, {"type": "thinking", "thinking": "", "signature": "nexus.prev.gemini.s"}],
        (Text("a", signature=Signature("gemini", "s")),),
    ),
    "signature without a part": ([{"type": "thinking", "thinking": "", "signature": "nexus.next.gemini.s"}], ()),
}


@pytest.mark.parametrize("case", ASSISTANT)
def test_assistant_blocks_are_read(case: str) -> None:
    wire, parts = ASSISTANT[case]
    assert read_parts(*wire, role="assistant") == parts


@pytest.mark.parametrize(
    ("thinking", "config", "expected"),
    [
        ({"type": "enabled", "budget_tokens": 31999}, None, Thinking(True, budget=31999)),
        ({"type": "adaptive", "display": "omitted"}, {"effort": "max"}, Thinking(True, effort="max", visible=False)),
        ({"type": "disabled"}, None, Thinking(False)),
        ({"type": "between_tools"}, {"effort": None}, Thinking(False)),
        (None, {"effort": "high"}, Thinking(None, effort="high")),
        ({"block_binding": {"prefix_mismatch_behavior": "drop_block"}}, None, None),
        (None, None, None),
    ],
)
def test_thinking_is_read(thinking: Any, config: Any, expected: Thinking | None) -> None:
    assert read_request(body(thinking=thinking, output_config=config)).request.thinking == expected


@pytest.mark.parametrize(
    ("wire", "choice", "parallel"),
    [
        ({"type": "auto"}, ToolChoice("auto"), None),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("required"), False),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, ToolChoice("tool", "f"), True),
        ({"type": "none"}, ToolChoice("none"), None),
        (None, None, None),
    ],
)
def test_a_tool_choice_is_read(wire: Any, choice: ToolChoice | None, parallel: bool | None) -> None:
    request = read_request(body(tool_choice=wire)).request
    assert (request.tool_choice, request.parallel_tools) == (choice, parallel)


@pytest.mark.parametrize("place", ["output_config", "output_format"])
def test_an_output_format_is_read(place: str) -> None:
    format = {"type": "json_schema", "schema": {"type": "object"}}
    wire = {"output_config": {"format": format}} if place == "output_config" else {"output_format": format}
    assert read_request(body(**wire)).request.output_format == OutputFormat({"type": "object"})


def test_top_level_cache_control_marks_the_last_block() -> None:
    read = read_request(body(cache_control={"type": "ephemeral", "ttl": "1h"}))
    assert read.request.messages[-1].parts == (Text("hi", cache="1h"),)


def test_a_token_count_request_needs_no_max_tokens() -> None:
    assert read_request({"model": "m", "messages": [USER], "tools": []}).request.max_tokens is None


REFUSED: dict[str, tuple[dict[str, Any], type[NexusError], str]] = {
    "no messages": ({"messages": None}, InvalidRequest, "messages"),
    "message not an object": ({"messages": ["x"]}, InvalidRequest, "messages.0"),
    "role": ({"messages": [{"role": "tool", "content": ""}]}, InvalidRequest, "messages.0.role"),
    "no content": ({"messages": [{"role": "user"}]}, InvalidRequest, "messages.0.content"),
    "no content of an answer": ({"messages": [USER, {"role": "assistant"}]}, InvalidRequest, "messages.1.content"),
    "an image from elsewhere": (
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "ftp"}}]}]},
        UnsupportedFeature,
        "messages.0.content.0.source.type",
    ),
    "a result of another kind": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "video"}]}],
                }
            ]
        },
        UnsupportedFeature,
        "messages.0.content.0.content.0",
    ),
    "an output format": (
        {"output_config": {"format": {"type": "regex"}}},
        UnsupportedFeature,
        "output_config.format.type",
    ),
    "content number": ({"messages": [{"role": "user", "content": 1}]}, InvalidRequest, "messages.0.content"),
    "block number": ({"messages": [{"role": "user", "content": [1]}]}, InvalidRequest, "messages.0.content.0"),
    "no type": ({"messages": [{"role": "user", "content": [{}]}]}, InvalidRequest, "messages.0.content.0.type"),
    "text null": (
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        InvalidRequest,
        "messages.0.content.0.text",
    ),
    "call by the user": (
        {"messages": [{"role": "user", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}]},
        InvalidRequest,
        "messages.0.content.0",
    ),
    "system image": (
        {"messages": [USER, {"role": "system", "content": [{"type": "image"}]}]},
        UnsupportedFeature,
        "messages.1.content.0",
    ),
    "bad cache": (
        {"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "2h"}}]},
        InvalidRequest,
        "system.0.cache_control",
    ),
    "bad top-level cache": ({"cache_control": {"type": "forever"}}, InvalidRequest, "cache_control"),
    "tool without a name": ({"tools": [{"input_schema": {}}]}, InvalidRequest, "tools.0.name"),
    "tool_choice type": ({"tool_choice": {"type": "maybe"}}, InvalidRequest, "tool_choice.type"),
    "tool_choice name": ({"tool_choice": {"type": "tool"}}, InvalidRequest, "tool_choice.name"),
    "thinking type": ({"thinking": {"type": "loud"}}, InvalidRequest, "thinking.type"),
    "no budget": ({"thinking": {"type": "enabled"}}, InvalidRequest, "thinking.budget_tokens"),
    "effort": ({"output_config": {"effort": "huge"}}, InvalidRequest, "output_config.effort"),
    "stops": ({"stop_sequences": ["a", 1]}, InvalidRequest, "stop_sequences.1"),
    "temperature": ({"temperature": "hot"}, InvalidRequest, "temperature"),
    "max_tokens": ({"max_tokens": -1}, InvalidRequest, "max_tokens"),
    "stream": ({"stream": "yes"}, InvalidRequest, "stream"),
    "container": ({"container": "c"}, UnsupportedFeature, "container"),
    "mcp servers": ({"mcp_servers": [{"type": "url"}]}, UnsupportedFeature, "mcp_servers"),
}
for _kind in ("container_upload", "new"):
    REFUSED[_kind] = (
        {"messages": [USER, {"role": "assistant", "content": [{"type": _kind}]}]},
        UnsupportedFeature,
        "messages.1.content.0",
    )
for _kind, _block in {
    "image file": {"type": "image", "source": {"type": "file", "file_id": "f"}},
    "document file": {"type": "document", "source": {"type": "file", "file_id": "f"}},
}.items():
    REFUSED[_kind] = (
        {"messages": [{"role": "user", "content": [_block]}]},
        UnsupportedFeature,
        "messages.0.content.0.source",
    )
REFUSED["citations"] = (
    {"messages": [{"role": "user", "content": [{"type": "document", "source": PDF, "citations": {"enabled": True}}]}]},
    UnsupportedFeature,
    "messages.0.content.0.citations",
)


@pytest.mark.parametrize(
    "kind",
    ["code_execution_20250825", "bash_code_execution_20250825", "web_fetch_20250910", "browser_toolset_20260801"],
)
def test_offers_of_anthropics_server_tools_are_dropped_and_reported(kind: str) -> None:
    read = read_request(body(tools=[{"type": kind, "name": "x"}, {"name": "f", "input_schema": {"type": "object"}}]))
    assert [tool.name for tool in read.request.tools] == ["f"]
    assert read.dropped == (f"tools.{kind}",)


def test_a_marker_of_a_fallback_to_another_claude_is_dropped_and_reported() -> None:
    mark = {"type": "fallback", "from": {"model": "claude-opus-5"}, "to": {"model": "claude-sonnet-5"}}
    said = {"role": "assistant", "content": [mark, {"type": "text", "text": "Hello."}]}
    read = read_request(body(messages=[{"role": "user", "content": "Hi"}, said]))
    assert read.request.messages[1].parts == (Text("Hello."),)
    assert read.dropped == ("messages.content.fallback",)


def test_claude_codes_billing_header_in_the_system_prompt_is_removed() -> None:
    note = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.332.4f2; cch=00000;"}
    read = read_request(body(system=[note, {"type": "text", "text": "Be brief."}]))
    assert [text.text for text in read.request.system] == ["Be brief."]
    assert read.dropped == ()


@pytest.mark.parametrize("case", REFUSED)
def test_invalid_requests_are_rejected_with_their_path(case: str) -> None:
    wire, error, param = REFUSED[case]
    with pytest.raises(error) as refusal:
        read_request(body(**wire))
    assert refusal.value.param == param
    assert type(refusal.value) is error
