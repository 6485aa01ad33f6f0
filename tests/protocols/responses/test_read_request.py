"""Reading items and tools, with what Codex really sends."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from nexus.conversation.fold import unfold
from nexus.conversation.parts import (
    Audio,
    Document,
    Image,
    Inline,
    Link,
    Message,
    OutputFormat,
    Part,
    Reasoning,
    Request,
    Response,
    Signature,
    Stop,
    StreamPart,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.protocols.responses.read_request import read_request
from nexus.protocols.responses.tools import ClientCalls, ClientTool, qualify
from nexus.protocols.responses.write_response import write_response
from tests.laws.test_fixtures import FIXTURES
from tests.protocols.kit import envelope

from .kit import told

CODEX: dict[str, Any] = json.loads((FIXTURES / "requests/codex.json").read_text())


def test_a_request_of_codex_is_read() -> None:
    read = read_request(CODEX)
    request = read.request
    assert request.system == (Text("rules"), Text("more"))
    assert request.messages == (
        Message("user", (Text("env"),)),
        Message("user", (Text("do it"),)),
        Message(
            "assistant",
            (
                Reasoning("think", Signature("messages", "sig")),
                Text("I will."),
                ToolCall("c1", "exec_command", '{"cmd":"ls"}'),
                ToolCall("c2", "multi_agent_v1__spawn_agent", "{}"),
                ToolCall("c3", "apply_patch", '{"input":"*** Begin"}'),
            ),
        ),
        Message(
            "user",
            (
                ToolResult("c1", (Text("a.txt"),)),
                ToolResult("c2"),
                ToolResult("c3", (Text("done"), Image(Inline("image/png", "AA==")))),
            ),
        ),
        Message("system", (Text("now hurry"),)),
    )
    assert [tool.name for tool in request.tools] == ["exec_command", "apply_patch", "multi_agent_v1__spawn_agent"]
    assert request.tools[0] == Tool("exec_command", "runs", CODEX["tools"][0]["parameters"], False)
    assert request.tools[1].description == "patches\n\nThe input must match this lark grammar:\nstart: x"
    assert request.tools[1].parameters["required"] == ["input"]
    assert (request.tool_choice, request.parallel_tools) == (ToolChoice("auto"), True)
    assert (request.thinking, request.stream, request.include_usage) == (Thinking(True), True, True)
    assert request.prompt_cache_key == CODEX["prompt_cache_key"]
    assert read.dropped == ("client_metadata", "tools.web_search", "input.phase")


def test_codex_gets_its_own_tools_in_the_answer() -> None:
    request = read_request(CODEX).request
    response = told(unfold(Response("x", "m", (), Stop("end"))), request)[-1]["response"]
    assert response["tools"] == CODEX["tools"][:3]


def test_tools_in_an_input_item_are_read() -> None:
    item = {"type": "additional_tools", "role": "developer", "tools": CODEX["tools"][:1]}
    body = {"model": "m", "input": [item, item, {"role": "user", "content": "x"}], "tool_choice": "required"}
    request = read_request(body).request
    assert [tool.name for tool in request.tools] == ["exec_command"]
    assert request.messages == (Message("user", (Text("x"),)),)


def parts_of(*content: dict[str, Any]) -> tuple[Part, ...]:
    return read_request({"model": "m", "input": [{"role": "user", "content": list(content)}]}).request.messages[0].parts


@pytest.mark.parametrize(
    ("wire", "part"),
    [
        ({"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}, Text("x", "5m")),
        (
            {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
            Text("x", "1h"),
        ),
        (
            {"type": "input_image", "image_url": "https://e.org/x", "detail": "low"},
            Image(Link("https://e.org/x"), "low"),
        ),
        (
            {"type": "input_image", "image_url": "data:application/pdf;base64,AA=="},
            Document(Inline("application/pdf", "AA==")),
        ),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
            Document(Inline("application/pdf", "AA=="), "a.pdf"),
        ),
        (
            {"type": "input_file", "filename": "a.PDF", "file_data": "AA=="},
            Document(Inline("application/pdf", "AA=="), "a.PDF"),
        ),
        ({"type": "input_file", "file_url": "https://e.org/x"}, Document(Link("https://e.org/x"))),
        (
            {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aGk="},
            Document(Text("hi"), "a.txt"),
        ),
        ({"type": "input_file", "file_data": "data:image/png;base64,AA=="}, Image(Inline("image/png", "AA=="))),
        (
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
            Audio(Inline("audio/mpeg", "AA==")),
        ),
    ],
)
def test_content_is_read(wire: dict[str, Any], part: Part) -> None:
    assert parts_of(wire) == (part,)


def test_empty_content_gives_no_parts() -> None:
    assert parts_of({"type": "input_text", "text": ""}) == ()
    body = {"model": "m", "input": [{"role": "user", "content": ""}, {"role": "assistant", "content": None}]}
    assert read_request(body).request.messages == (Message("user", ()),)


def test_instructions_come_before_leading_system_messages() -> None:
    system = {"role": "system", "content": "b"}
    request = read_request({"model": "m", "instructions": "a", "input": [system]}).request
    assert (request.system, request.messages) == ((Text("a"), Text("b")), ())


def test_citations_of_an_earlier_answer_are_dropped_and_reported() -> None:
    cited = {"type": "output_text", "text": "b", "annotations": [{"type": "url_citation"}]}
    read = read_request({"model": "m", "input": [{"role": "assistant", "content": [cited]}]})
    assert read.dropped == ("input.content.annotations",)


def test_the_last_configuration_update_applies() -> None:
    """As Codex sends it with ``reasoning_effort_override``."""
    hi, format = {"role": "user", "content": "hi"}, {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
    updates = [
        {"type": "configuration_update", "reasoning": {"effort": "low"}, "text": {"format": format}},
        {"type": "configuration_update", "reasoning": {"effort": "high", "mode": "pro"}},
    ]
    body = {
        "model": "m",
        "input": [hi, updates[0], hi, updates[1]],
        "reasoning": {"effort": "medium", "summary": "auto"},
    }
    read = read_request(body)
    assert read.request.thinking == Thinking(True, effort="high")
    assert read.request.output_format == OutputFormat({"type": "object"}, "n")
    assert [message.role for message in read.request.messages] == ["user", "user"]
    assert read.dropped == ("input.reasoning.mode",)


def test_a_web_search_of_an_earlier_answer_is_dropped_and_reported() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
    assert read_request({"model": "m", "input": [search]}).dropped == ("input.web_search_call",)


@pytest.mark.parametrize(
    ("refused", "param", "named"),
    [
        ({"input": [{"type": "future"}]}, "input.0", "future"),
        ({"input": [{"name": "x"}]}, "input.0", "None"),
        ({"input": [{"role": "user", "content": [{"type": "future"}]}]}, "input.0.content.0", "future"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input.0.content.0.file_id",
            "stored at OpenAI",
        ),
        ({"tools": [{"type": "mcp"}], "tool_choice": {"type": "mcp", "server_label": "x"}}, "tool_choice", "mcp"),
        (
            {"tools": [{"type": "image_generation"}], "tool_choice": {"type": "image_generation"}},
            "tool_choice",
            "image_generation",
        ),
        ({"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search_preview"}}, "tool_choice", "web_sea"),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp", "name": "x"}]}]},
            "tools.0.tools.0",
            "mcp",
        ),
        ({"previous_response_id": "resp_1"}, "previous_response_id", "store: false"),
        ({"store": True}, "store", "response_store"),
        ({"conversation": "conv_1"}, "conversation", "whole conversation"),
        ({"prompt": {"id": "x"}}, "prompt", "text"),
    ],
)
def test_errors_name_the_feature_and_its_path(refused: dict[str, Any], param: str, named: str) -> None:
    with pytest.raises(UnsupportedFeature, match=named) as refusal:
        read_request({"model": "m", "input": "x"} | refused)
    assert refusal.value.param == param


CHOICES = CODEX["tools"]


@pytest.mark.parametrize(
    ("choice", "expected", "left"),
    [
        ("none", ToolChoice("none"), 3),
        ("required", ToolChoice("required"), 3),
        ({"type": "function", "name": "exec_command"}, ToolChoice("tool", "exec_command"), 3),
        ({"type": "custom", "name": "apply_patch"}, ToolChoice("tool", "apply_patch"), 3),
        ({"type": "function", "name": "spawn_agent"}, ToolChoice("tool", "multi_agent_v1__spawn_agent"), 3),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "custom", "name": "apply_patch"}, {"type": "web_search"}],
            },
            ToolChoice("required"),
            1,
        ),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]}, ToolChoice("auto"), 0),
    ],
)
def test_a_tool_choice_is_read(choice: Any, expected: ToolChoice, left: int) -> None:
    request = read_request({"model": "m", "input": "x", "tools": CHOICES, "tool_choice": choice}).request
    assert (request.tool_choice, len(request.tools)) == (expected, left)


def test_a_tool_choice_does_not_select_a_tool_of_another_namespace() -> None:
    choice = {"type": "function", "namespace": "browser", "name": "spawn_agent"}
    with pytest.raises(InvalidRequest, match="spawn_agent"):
        read_request({"model": "m", "input": "x", "tools": CHOICES, "tool_choice": choice})


def test_long_names_are_shortened_to_the_vendors_limits() -> None:
    name = qualify("n" * 40, "f" * 40)
    assert len(name) == 64
    assert name != qualify("n" * 40, "f" * 41)
    wire = {"type": "namespace", "name": "n" * 40, "tools": [{"type": "function", "name": "f" * 40}]}
    request = read_request({"model": "m", "input": "x", "tools": [wire]}).request
    item = ClientCalls(request).call_item(ToolCall("c", name, "{}"))
    assert (item["namespace"], item["name"]) == ("n" * 40, "f" * 40)


def test_tool_fields_without_a_counterpart_are_reported_as_dropped() -> None:
    tool = {"type": "function", "name": "f", "defer_loading": True, "async": False, "output_schema": {"a": 1}}
    read = read_request({"model": "m", "input": "x", "tools": [tool]})
    assert read.dropped == ("tools.defer_loading", "tools.output_schema")
    assert not isinstance(read.request.tools[0], ClientTool)


SIGNED: tuple[StreamPart, ...] = (
    Reasoning("think", Signature("messages", "a+/=.b")),
    Reasoning("", Signature("messages", "data"), redacted=True),
    Reasoning("", None, redacted=True),
    Reasoning("", Signature("messages", "only a signature")),
    Reasoning("bare", Signature("chat", "")),
    Reasoning("own", Signature("responses", "gAAAA")),
    Reasoning("none"),
    Text("words", signature=Signature("gemini", "t1")),
    ToolCall("c1", "exec_command", '{"a":1}', Signature("gemini", "t2")),
    ToolCall("c2", "apply_patch", '{"input":"x"}', Signature("gemini", "t3")),
    ToolCall("c3", "multi_agent_v1__spawn_agent", "{}"),
    Text("", signature=Signature("gemini", "t4")),
)


def echoed(items: Sequence[Mapping[str, Any]], *, as_codex: bool) -> Request:
    """The next turn: the SDK sends items unchanged, Codex without ids and null members."""
    if as_codex:
        items = [{name: value for name, value in item.items() if name != "id" and value is not None} for item in items]
    given = [{"role": "user", "content": "q"}, *items, {"role": "user", "content": "more"}]
    read = read_request(CODEX | {"input": given})
    assert not any(name.startswith("input") for name in read.dropped)
    return read.request


@pytest.mark.parametrize("as_codex", [True, False])
def test_signed_content_returns_complete_in_the_next_turn(as_codex: bool) -> None:
    request = read_request(CODEX).request
    response = write_response(Response("resp_1", "m", SIGNED, Stop("tool_use")), envelope(request, id="resp_1"))
    messages = echoed(response["output"], as_codex=as_codex).messages
    assert messages[1] == Message("assistant", SIGNED)


def test_a_signature_without_its_part_is_ignored() -> None:
    response = write_response(Response("resp_1", "m", SIGNED[7:9], Stop("end")), envelope(id="resp_1"))
    carriers = [item for item in response["output"] if item["type"] == "reasoning"]
    request = echoed(carriers, as_codex=True)
    assert request.messages[1].parts == (
        Text("", signature=Signature("gemini", "t1")),
        Text("", signature=Signature("gemini", "t2")),
    )


def test_a_late_signature_returns_to_the_part_before_it() -> None:
    items: list[dict[str, Any]] = [
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "reasoning", "summary": [], "encrypted_content": "nexus.prev.gemini.s"},
    ]
    assert echoed(items, as_codex=True).messages[1].parts == (ToolCall("c", "f", "{}", Signature("gemini", "s")),)


SEARCHES: dict[str, tuple[list[dict[str, Any]], list[str], tuple[str, ...]]] = {
    "a web search": ([{"type": "web_search"}], ["web_search"], ()),
    "an older one": ([{"type": "web_search_preview"}], ["web_search"], ()),
    "of OpenAI's stored data": ([{"type": "web_search", "external_web_access": False}], [], ("tools.web_search",)),
    "twice": ([{"type": "web_search"}, {"type": "web_search_preview"}], ["web_search"], ("tools.web_search_preview",)),
    "with a function of the same name": (
        [{"type": "web_search"}, {"type": "function", "name": "web_search", "parameters": None, "strict": False}],
        ["web_search"],
        ("tools.web_search",),
    ),
}


@pytest.mark.parametrize("case", SEARCHES)
def test_web_searches_are_read_or_dropped(case: str) -> None:
    tools, names, dropped = SEARCHES[case]
    read = read_request({"model": "m", "input": "Hi", "tools": tools})
    assert ([tool.name for tool in read.request.tools], read.dropped) == (names, dropped)
    assert isinstance(read.request.tools[0], WebSearch) == ("function" not in case) if names else True


def test_a_web_search_lists_the_fields_that_would_be_lost() -> None:
    tool = {"type": "web_search", "filters": {"allowed_domains": ["x.test"]}, "search_context_size": "low"}
    (search,) = read_request({"model": "m", "input": "Hi", "tools": [tool]}).request.tools
    assert isinstance(search, WebSearch)
    assert (search.offered, search.lost) == (True, ("tools.filters", "tools.search_context_size"))


@pytest.mark.parametrize("kind", ["image_generation", "code_interpreter", "file_search", "mcp", "future"])
def test_offers_of_openais_server_tools_are_dropped_and_reported(kind: str) -> None:
    function = {"type": "function", "name": "f"}
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": kind}, function]}
    for asked in ({}, {"tool_choice": "auto"}, {"tool_choice": choice}):
        read = read_request({"model": "m", "input": "x", "tools": [{"type": kind}, function], **asked})
        assert [tool.name for tool in read.request.tools] == ["f"]
        assert f"tools.{kind}" in read.dropped
