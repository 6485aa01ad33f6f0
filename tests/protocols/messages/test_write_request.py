"""Writing to an Anthropic vendor: every body is checked against the SDK's own types."""

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

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
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from nexus.errors import InvalidRequest, NexusError, UnsupportedFeature
from nexus.models.claude import Claude, profile
from nexus.protocols.codec import Cut, Target, VendorRequest
from nexus.protocols.messages.write_parts import NO_WORDS
from nexus.protocols.messages.write_request import write_count, write_request
from nexus.providers.bedrock.claude import profile as profile_at_bedrock
from nexus.providers.google.claude import profile as profile_at_vertex
from nexus.wire import encode

from .kit import check_count, check_request

OLD, FORTY_FIVE, FORTY_SIX = "claude-3-5-haiku-latest", "claude-sonnet-4-5-20250929", "claude-opus-4-6"
ADAPTIVE, NEWEST, SONNET = "claude-opus-5", "claude-opus-5-5", "claude-sonnet-5-5"
COMPATIBLE = "kimi-k2"


def user(*parts: Part | str) -> Message:
    return Message("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def assistant(*parts: Part | str) -> Message:
    return Message("assistant", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def system(words: str) -> Message:
    return Message("system", (Text(words),))


def ask(*messages: Message, **members: Any) -> Request:
    return Request(messages=messages or (user("hi"),), **members)


def write(request: Request, model: str = ADAPTIVE, **members: Any) -> VendorRequest:
    written = write_request(request, Target(model, claude=profile(model), **members))
    check_request(written.body)
    return written


def turns(*messages: Message, model: str = ADAPTIVE) -> list[tuple[str, list[Any]]]:
    """The wire messages in short form: text as itself, other blocks as (type, id)."""
    return [(turn["role"], [_short(block) for block in turn["content"]]) for turn in _wire(*messages, model=model)]


def _wire(*messages: Message, model: str = ADAPTIVE) -> list[Any]:
    wire: list[Any] = write(ask(*messages), model).body["messages"]
    return wire


def _short(block: dict[str, Any]) -> Any:
    if block["type"] == "text":
        return block["text"]
    return (block["type"], block.get("id") or block.get("tool_use_id") or block.get("signature") or block.get("data"))


CALL_A, CALL_B = ToolCall("a", "f", '{"x":1}'), ToolCall("b", "f", "")
TOOLS = (Tool("f", "does", {"type": "object", "properties": {"x": {"type": "integer"}}}),)
OWN = Reasoning("t", Signature("messages", "sig"))


def test_a_minimal_request() -> None:
    assert write(ask(), model=COMPATIBLE).body == {
        "model": "kimi-k2",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


TURNS: dict[str, tuple[tuple[Message, ...], list[tuple[str, list[Any]]]]] = {
    "empty text and empty messages are removed": (
        (user("a", "", " \n"), assistant(), user(""), assistant("b"), user("c")),
        [("user", ["a"]), ("assistant", ["b"]), ("user", ["c"])],
    ),
    "text after the calls in its own message": (
        (user("go"), assistant(CALL_A), assistant("so"), user(ToolResult("a"))),
        [("user", ["go"]), ("assistant", ["so", ("tool_use", "a")]), ("user", [("tool_result", "a")])],
    ),
    "only our own reasoning": (
        (
            user("go"),
            assistant(
                OWN,
                Reasoning("", Signature("messages", "red"), redacted=True),
                Reasoning("x", Signature("gemini", "g")),
                Reasoning("y"),
                Reasoning("z", Signature("messages", "")),
                "a",
            ),
            user("b"),
        ),
        [("user", ["go"]), ("assistant", [("thinking", "sig"), ("redacted_thinking", "red"), "a"]), ("user", ["b"])],
    ),
    "an assistant turn does not end in thinking": (
        (user("go"), assistant("a", OWN), user("b"), assistant(OWN), user("c")),
        [("user", ["go"]), ("assistant", ["a"]), ("user", ["b", "c"])],
    ),
    "system after the user": (
        (user("go"), system("be brief"), system("really"), assistant("a"), user("b"), system("last")),
        [
            ("user", ["go"]),
            ("system", ["be brief", "really"]),
            ("assistant", ["a"]),
            ("user", ["b"]),
            ("system", ["last"]),
        ],
    ),
    "system message in a position that the API rejects": (
        (user("go"), assistant(CALL_A), system("s"), user(ToolResult("a")), system("t"), user("b")),
        [
            ("user", ["go"]),
            ("assistant", [("tool_use", "a")]),
            ("user", [("tool_result", "a"), "<system>\ns\n</system>", "<system>\nt\n</system>", "b"]),
        ],
    ),
}


@pytest.mark.parametrize("case", TURNS)
def test_turns_are_written(case: str) -> None:
    messages, expected = TURNS[case]
    assert turns(*messages) == expected


def test_system_messages_move_for_models_without_the_role() -> None:
    messages = (system("first"), user("go"), system("later"), assistant("a"), user("b"))
    written = write(ask(*messages, system=(Text("zero", cache="1h"), Text(""))), FORTY_FIVE)
    assert [block["text"] for block in written.body["system"]] == ["zero", "first"]
    assert turns(*messages, model=FORTY_FIVE)[0] == ("user", ["go", "<system>\nlater\n</system>"])


def test_a_system_message_is_user_text_if_only_thinking_came_between_it_and_the_next_user() -> None:
    messages = (user("go"), system("later"), assistant(OWN), user("b"))
    assert turns(*messages) == [("user", ["go", "<system>\nlater\n</system>", "b"])]


def test_an_assistant_never_ends_in_thinking_even_over_several_messages() -> None:
    messages = (user("go"), assistant("a", OWN), assistant(OWN), user("b"))
    assert turns(*messages) == [("user", ["go"]), ("assistant", ["a"]), ("user", ["b"])]


def test_a_breakpoint_on_empty_text_moves_back() -> None:
    wire = _wire(user("a", Text("", cache="1h")))
    assert wire[0]["content"] == [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]


def test_only_the_last_four_breakpoints_are_kept() -> None:
    request = ask(
        user(*(Text(word, cache="5m") for word in "abc")),
        system=(Text("s", cache="5m"),),
        tools=(replace(TOOLS[0], cache="5m"),),
    )
    written = write(request)
    assert written.dropped == ("cache",)
    assert "cache_control" not in written.body["tools"][0]
    assert all("cache_control" in block for block in written.body["messages"][0]["content"] + written.body["system"])


def test_a_breakpoint_of_an_hour_after_one_of_five_minutes_is_shortened() -> None:
    """The API rejects that order; a client of OpenAI's breakpoints cannot know it."""
    request = ask(user(Text("a", cache="5m"), Text("b", cache="1h")), system=(Text("s", cache="1h"),))
    written = write(request)
    assert written.dropped == ("cache_ttl",)
    assert written.body["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    blocks = written.body["messages"][0]["content"]
    assert [block["cache_control"] for block in blocks] == [{"type": "ephemeral"}] * 2


def test_media_are_written() -> None:
    text = base64.b64encode("déjà".encode()).decode()
    parts = (
        Image(Inline("image/jpg", "AA==")),
        Image(Link("https://e.org/a.png"), detail="high", cache="5m"),
        Document(Inline("application/pdf", "AA=="), title="T", context="C"),
        Document(Inline("text/csv", text)),
        Document(Link("https://e.org/a.pdf")),
        Document(Text("plain")),
    )
    request = ask(user("see", *parts), assistant(CALL_A), user(ToolResult("a", (Text("r"), *parts))))
    written = write(request)
    first, _, last = written.body["messages"]
    assert [block.get("source", {}).get("media_type") for block in first["content"]] == [
        None,
        "image/jpeg",
        None,
        "application/pdf",
        "text/plain",
        None,
        "text/plain",
    ]
    assert first["content"][4]["source"]["data"] == "déjà"
    inside = [{name: block[name] for name in block if name != "cache_control"} for block in first["content"][1:]]
    assert last["content"][0]["content"][1:] == inside
    # A breakpoint cannot stand inside a result; it goes at the end of the result.
    assert last["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert "image.detail" in written.dropped


@pytest.mark.parametrize("at_host", [profile_at_bedrock, profile_at_vertex], ids=["Bedrock", "Vertex AI"])
def test_a_link_is_refused_by_path_on_hosts_that_fetch_none(at_host: Callable[[str], Claude]) -> None:
    """So another target can answer; the host's own 400 would end the call."""
    target = Target("claude-sonnet-4-5", claude=at_host("claude-sonnet-4-5"))
    image = Image(Link("https://e.org/a.png"))
    for linked in (image, Document(Link("https://e.org/a.pdf"))):
        with pytest.raises(UnsupportedFeature) as refusal:
            write_request(ask(user("see", linked)), target)
        assert refusal.value.param == "messages.0.content.1"
    with pytest.raises(UnsupportedFeature) as refusal:
        write_request(ask(user("a"), assistant(CALL_A), user(ToolResult("a", (image,)))), target)
    assert refusal.value.param == "messages.2.content.0.content.0"


def test_a_failed_result_holds_text_only_and_its_media_follow() -> None:
    image = Image(Inline("image/png", "AA=="))
    failed = ToolResult("a", (Text("boom"), image), is_error=True)
    wire = _wire(user("a"), assistant(CALL_A, CALL_B), user(failed, ToolResult("b", is_error=True), "so?"))
    first, second, picture, words = wire[2]["content"]
    assert (first["is_error"], first["content"]) == (True, [{"type": "text", "text": "boom"}])
    assert (second["tool_use_id"], second["content"]) == ("b", [{"type": "text", "text": NO_WORDS}])
    assert (picture["type"], words["text"]) == ("image", "so?")


THINKING: dict[str, tuple[str, dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    # model, request members, expected body members (None: absent), dropped
    "no thinking requested": (ADAPTIVE, {}, {"thinking": None, "max_tokens": 4096 + 20480}, ()),
    "no thinking requested, none by default": (FORTY_SIX, {}, {"thinking": None, "max_tokens": 4096}, ()),
    "adaptive": (
        ADAPTIVE,
        {"thinking": Thinking(True, effort="xhigh"), "max_tokens": 100},
        {
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": "xhigh"},
            "max_tokens": 100,
        },
        (),
    ),
    "adaptive, hidden": (
        ADAPTIVE,
        {"thinking": Thinking(True, visible=False)},
        {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": None, "max_tokens": 4096 + 20480},
        (),
    ),
    "no xhigh before 4.7": (
        FORTY_SIX,
        {"thinking": Thinking(True, effort="xhigh")},
        {"effort": "high"},
        ("thinking.effort",),
    ),
    "minimal becomes low": (
        FORTY_SIX,
        {"thinking": Thinking(True, effort="minimal")},
        {"effort": "low"},
        ("thinking.effort",),
    ),
    "a budget on 4.6": (
        FORTY_SIX,
        {"thinking": Thinking(True, budget=2000)},
        {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 6096},
        (),
    ),
    "a budget below the least": (
        FORTY_FIVE,
        {"thinking": Thinking(True, budget=512)},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 5120},
        ("thinking.budget",),
    ),
    "no budget fits": (
        FORTY_FIVE,
        {"thinking": Thinking(True, budget=200), "max_tokens": 500},
        {"thinking": None, "max_tokens": 500},
        ("thinking",),
    ),
    "a budget on adaptive only": (
        ADAPTIVE,
        {"thinking": Thinking(True, budget=31999)},
        {"thinking": {"type": "adaptive", "display": "summarized"}, "effort": "high"},
        (),
    ),
    "an effort becomes a budget": (
        FORTY_FIVE,
        {"thinking": Thinking(True, effort="high")},
        {"thinking": {"type": "enabled", "budget_tokens": 20480}, "max_tokens": 24576, "output_config": None},
        (),
    ),
    "the budget is reduced to fit max_tokens": (
        FORTY_FIVE,
        {"thinking": Thinking(True, effort="high"), "max_tokens": 5000},
        {"thinking": {"type": "enabled", "budget_tokens": 2500}, "max_tokens": 5000},
        (),
    ),
    "the budget is left out if max_tokens is too small": (
        FORTY_FIVE,
        {"thinking": Thinking(True, effort="high"), "max_tokens": 2000},
        {"thinking": None, "max_tokens": 2000},
        ("thinking",),
    ),
    "model without thinking": (OLD, {"thinking": Thinking(True, effort="low")}, {"thinking": None}, ("thinking",)),
    "off": (ADAPTIVE, {"thinking": Thinking(False, effort="max")}, {"thinking": {"type": "disabled"}}, ()),
    "off keeps a low effort": (ADAPTIVE, {"thinking": Thinking(False, effort="low")}, {"effort": "low"}, ()),
    "off on a model that always thinks": (
        NEWEST,
        {"thinking": Thinking(False)},
        {"thinking": None, "effort": "low"},
        ("thinking",),
    ),
    "off becomes between_tools": (SONNET, {"thinking": Thinking(False)}, {"thinking": {"type": "between_tools"}}, ()),
    "forced tool with a budget": (
        FORTY_FIVE,
        {"thinking": Thinking(True, budget=2000), "tools": TOOLS, "tool_choice": ToolChoice("required")},
        {"thinking": None, "tool_choice": {"type": "any"}},
        ("thinking",),
    ),
    "forced tool, adaptive": (
        ADAPTIVE,
        {"thinking": Thinking(True), "tools": TOOLS, "tool_choice": ToolChoice("tool", "f")},
        {"tool_choice": {"type": "tool", "name": "f"}, "thinking": {"type": "adaptive", "display": "summarized"}},
        (),
    ),
    "prefill with a budget": (
        FORTY_FIVE,
        {"messages": (user("a"), assistant("b \n")), "thinking": Thinking(True, budget=2000)},
        {"thinking": None},
        ("thinking",),
    ),
    "open tool turn without its thinking": (
        FORTY_FIVE,
        {
            "messages": (user("a"), assistant(CALL_A), user(ToolResult("a"))),
            "thinking": Thinking(True, budget=2000),
            "tools": TOOLS,
        },
        {"thinking": None},
        ("thinking",),
    ),
    "open tool turn with its thinking": (
        FORTY_FIVE,
        {
            "messages": (user("a"), assistant(OWN, CALL_A), user(ToolResult("a")), system("s")),
            "thinking": Thinking(True, budget=2000),
            "tools": TOOLS,
        },
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        (),
    ),
    "open tool turn, adaptive": (
        ADAPTIVE,
        {"messages": (user("a"), assistant(CALL_A), user(ToolResult("a"))), "thinking": Thinking(True), "tools": TOOLS},
        {"thinking": {"type": "adaptive", "display": "summarized"}},
        (),
    ),
    "closed turns need none": (
        FORTY_FIVE,
        {
            "messages": (user("a"), assistant(CALL_A), user(ToolResult("a")), assistant("b"), user("c")),
            "thinking": Thinking(True, budget=2000, visible=False),
            "tools": TOOLS,
        },
        {"thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"}},
        (),
    ),
    "sampling with thinking": (
        FORTY_SIX,
        {"thinking": Thinking(True), "temperature": 0.5, "top_p": 0.99, "top_k": 4},
        {"temperature": None, "top_p": 0.99, "top_k": None},
        ("temperature", "top_k"),
    ),
    "sampling": (COMPATIBLE, {"temperature": 1, "top_p": 0.2, "top_k": 4}, {"temperature": 1, "top_p": 0.2}, ()),
    "temperature without top_p": (
        FORTY_FIVE,
        {"temperature": 0.5, "top_p": 0.2},
        {"temperature": 0.5, "top_p": None},
        ("top_p",),
    ),
    "no sampling": (
        ADAPTIVE,
        {"temperature": 0.5, "top_p": 0.2, "top_k": 1},
        {"temperature": None, "top_p": None, "top_k": None},
        ("temperature", "top_p", "top_k"),
    ),
}


@pytest.mark.parametrize("case", THINKING)
def test_thinking_and_sampling_are_fitted_to_the_model(case: str) -> None:
    model, members, expected, dropped = THINKING[case]
    written = write(Request(**({"messages": (user("hi"),)} | members)), model)
    seen = {"effort": written.body.get("output_config", {}).get("effort")} | written.body
    assert {name: seen.get(name) for name in expected} == expected
    assert set(written.dropped) == set(dropped)


def test_trailing_white_space_of_a_prefill_is_removed() -> None:
    assert turns(user("a"), assistant("b \n"), model=FORTY_FIVE)[-1] == ("assistant", ["b"])


SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
CLOSED = {"additionalProperties": False}
BARE: dict[str, Any] = {"type": "object", "properties": {}}


def test_an_output_format_is_native_on_models_that_support_it() -> None:
    written = write(ask(output_format=OutputFormat(SCHEMA, "n", "d")), NEWEST)
    assert written.body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA | CLOSED}}
    assert (written.answer_tool, written.dropped) == (None, ("output_format.description",))


@pytest.mark.parametrize(
    ("members", "names", "choice", "answer"),
    [
        ({}, ["answer"], {"type": "tool", "name": "answer", "disable_parallel_tool_use": True}, "answer"),
        ({"tools": TOOLS}, ["f", "answer"], {"type": "any"}, "answer"),
        (
            {"tools": (Tool("answer"),), "tool_choice": ToolChoice("none")},
            ["answer", "answer_"],
            {"type": "tool", "name": "answer_", "disable_parallel_tool_use": True},
            "answer_",
        ),
        ({"tools": TOOLS, "tool_choice": ToolChoice("required")}, ["f"], {"type": "any"}, None),
    ],
)
@pytest.mark.parametrize("schema", [None, SCHEMA])
def test_an_output_format_becomes_an_answer_tool(
    members: dict[str, Any], names: list[str], choice: dict[str, Any], answer: str | None, schema: Any
) -> None:
    written = write(ask(output_format=OutputFormat(schema), **members), COMPATIBLE)
    assert [tool["name"] for tool in written.body["tools"]] == names
    assert written.body["tool_choice"] == choice
    assert written.answer_tool == answer
    strict = write(ask(output_format=OutputFormat(schema, strict=True), **members), COMPATIBLE)
    assert strict.dropped == (*written.dropped, "output_format.strict" if answer else "output_format")[-1:]
    if answer:
        assert written.body["tools"][-1]["input_schema"] == (schema or BARE | {"additionalProperties": True})


NEWEST_AT_HOME = Target("opus", claude=profile(NEWEST), host="home")
NEWEST_AT_BEDROCK = Target("opus", claude=profile_at_bedrock(NEWEST), host="Bedrock")
FREE = OutputFormat({"type": "object", "additionalProperties": {"type": "integer"}})
STRICT = replace(FREE, strict=True)
BOUND: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "integer", "minimum": 1}}}

IN_WORDS: dict[str, tuple[Target, OutputFormat]] = {
    "any JSON": (NEWEST_AT_HOME, OutputFormat()),
    "any JSON at Bedrock": (NEWEST_AT_BEDROCK, OutputFormat()),
    "a schema at Bedrock": (NEWEST_AT_BEDROCK, OutputFormat(SCHEMA, "n", "A number.")),
    "a schema that no format can express": (NEWEST_AT_HOME, FREE),
}


@pytest.mark.parametrize("case", IN_WORDS)
@pytest.mark.parametrize("tools", [(), TOOLS], ids=["no tools", "tools"])
def test_an_output_format_becomes_an_instruction_if_nothing_else_works(case: str, tools: tuple[Tool, ...]) -> None:
    target, format = IN_WORDS[case]
    request = replace(ask(tools=tools, output_format=format), system=(Text("Be kind.", cache="5m"),))
    written = write_request(request, target)
    check_request(written.body)
    kind, asked = written.body["system"]
    assert kind == {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}
    assert "JSON" in asked["text"] and (format.schema is None or encode(format.schema).decode() in asked["text"])
    assert format.description is None or format.description in asked["text"]
    assert ("output_config" in written.body, "tool_choice" in written.body) == (False, False)
    assert (written.dropped, written.answer_tool, written.answer_call) == (("output_format",), None, None)


@pytest.mark.parametrize(
    ("target", "format"), [(NEWEST_AT_BEDROCK, replace(OutputFormat(SCHEMA), strict=True)), (NEWEST_AT_HOME, STRICT)]
)
def test_a_strict_schema_that_cannot_be_enforced_is_rejected_naming_model_and_host(
    target: Target, format: OutputFormat
) -> None:
    with pytest.raises(UnsupportedFeature) as refusal:
        write_request(ask(output_format=format), target)
    assert f"{target.model} on {target.host}" in refusal.value.message
    assert "send a JSON schema" not in refusal.value.message


@pytest.mark.parametrize("choice", [ToolChoice("tool", "f"), ToolChoice("required")], ids=["by name", "the only one"])
def test_a_single_tool_that_cannot_be_forced_becomes_an_output_format(choice: ToolChoice) -> None:
    tools = (replace(TOOLS[0], parameters=BOUND),)
    request = ask(tools=tools, tool_choice=choice, stop=("END",), output_format=OutputFormat(SCHEMA))
    written = write_request(request, NEWEST_AT_HOME)
    check_request(written.body)
    assert written.answer_call == "f"
    assert written.body["tool_choice"] == {"type": "none"}
    assert written.body["output_config"]["format"]["schema"]["properties"]["x"]["type"] == "integer"
    assert "the tool f" in written.body["system"][0]["text"]
    assert "stop_sequences" not in written.body
    assert written.dropped == ("tools.0.parameters.properties.x.minimum",)


def test_a_call_without_arguments_has_an_empty_object() -> None:
    written = write(ask(tools=(Tool("f"),), tool_choice=ToolChoice("tool", "f")), NEWEST)
    assert written.body["output_config"] == {"format": {"type": "json_schema", "schema": BARE | CLOSED}}


ASKED_FOR: dict[str, tuple[Target, Tool]] = {
    "at a host without formats": (NEWEST_AT_BEDROCK, TOOLS[0]),
    "a tool whose schema no format can express": (NEWEST_AT_HOME, Tool("f", parameters=FREE.schema)),
}


@pytest.mark.parametrize("case", ASKED_FOR)
def test_a_single_tool_that_nothing_can_force_is_requested_in_the_instructions(case: str) -> None:
    target, tool = ASKED_FOR[case]
    written = write_request(ask(tools=(tool, Tool("g")), tool_choice=ToolChoice("tool", "f")), target)
    check_request(written.body)
    assert written.body["tool_choice"] == {"type": "auto"}
    assert "Call the tool f" in written.body["system"][-1]["text"]
    assert (written.dropped, written.answer_call) == (("tool_choice",), None)


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("required"), True, {"type": "any", "disable_parallel_tool_use": False}),
        (ToolChoice("tool", "f"), False, {"type": "tool", "name": "f", "disable_parallel_tool_use": True}),
        (ToolChoice("none"), False, {"type": "none"}),
    ],
)
def test_a_tool_choice_is_written(choice: ToolChoice | None, parallel: bool | None, expected: Any) -> None:
    written = write(ask(tools=TOOLS, tool_choice=choice, parallel_tools=parallel))
    assert written.body.get("tool_choice") == expected


def test_tools_are_written() -> None:
    tools = (Tool("a"), Tool("b", parameters={}, strict=True), Tool("c", parameters={"type": "object"}, strict=False))
    written = write(ask(tools=tools))
    assert written.body["tools"] == [
        {"name": "a", "input_schema": BARE},
        {"name": "b", "input_schema": BARE | CLOSED, "strict": True},
        {"name": "c", "input_schema": BARE, "strict": False},
    ]
    old = write(ask(tools=tools), OLD)
    assert old.dropped == ("tools.strict",)
    assert "strict" not in old.body["tools"][1]


def test_a_history_with_calls_but_no_tools_gets_stub_tools() -> None:
    written = write(ask(user("a"), assistant(CALL_A), user(ToolResult("a")), tool_choice=ToolChoice("auto")))
    assert [tool["name"] for tool in written.body["tools"]] == ["f"]
    assert written.body["tool_choice"] == {"type": "none"}


def test_the_answer_is_cut_at_stop_sequences_that_claude_rejects() -> None:
    written = write(ask(stop=("END", "\n")))
    assert (written.body["stop_sequences"], written.cut, written.dropped) == (["END"], Cut(("\n",)), ())


Unsupported, Invalid = UnsupportedFeature, InvalidRequest
REFUSED: dict[str, tuple[Request, type[NexusError], str]] = {
    "audio": (ask(user(Audio(Inline("audio/wav", "")))), Unsupported, "messages.0.content.0"),
    "document of the assistant": (
        ask(user("a"), assistant(Document(Link("https://e.org")))),
        Unsupported,
        "messages.1.content.0",
    ),
    "tiff": (ask(user("a", Image(Inline("image/tiff", "")))), Unsupported, "messages.0.content.1"),
    "docx": (ask(user(Document(Inline("application/x", "")))), Unsupported, "messages.0.content.0"),
    "broken text": (ask(user(Document(Inline("text/csv", "?")))), Invalid, "messages.0.content.0"),
    "nothing": (ask(user("")), Invalid, "messages"),
    "prefill": (ask(user("a"), assistant("b")), Unsupported, "messages.1"),
    "hot": (ask(temperature=1.5), Unsupported, "temperature"),
    "one of several tools that cannot be forced": (
        ask(tools=(*TOOLS, Tool("g")), tool_choice=ToolChoice("required")),
        Unsupported,
        "tool_choice",
    ),
    "array answer": (ask(output_format=OutputFormat({"type": "array"})), Unsupported, "output_format.schema"),
    "parameters": (ask(tools=(Tool("f", parameters=[]),)), Invalid, "tools.0.parameters"),
    "array tool": (ask(tools=(Tool("f", parameters={"type": "array"}),)), Unsupported, "tools.0.parameters"),
    "budget over the limit": (ask(thinking=Thinking(True, budget=2000), max_tokens=2000), Invalid, "thinking"),
}
OTHER_MODELS = {
    "hot": COMPATIBLE,
    "array answer": COMPATIBLE,
    "one of several tools that cannot be forced": NEWEST,
    "budget over the limit": FORTY_FIVE,
}


@pytest.mark.parametrize("case", REFUSED)
def test_unsupported_content_is_rejected_with_its_path(case: str) -> None:
    request, error, param = REFUSED[case]
    with pytest.raises(error) as refusal:
        write(request, OTHER_MODELS.get(case, ADAPTIVE))
    assert refusal.value.param == param
    assert type(refusal.value) is error


LENGTHS = {
    "of a model that is known": (ask(), 32000, None),
    "of an older one": (ask(), 8192, None),
    "with a thinking budget of our own": (ask(thinking=Thinking(True, effort="max")), 32000, 27648),
    "with the client's small budget": (ask(thinking=Thinking(True, budget=2048)), 32000, 2048),
    "with the client's large budget": (ask(thinking=Thinking(True, budget=40000)), 44096, 40000),
    "that the client limits": (ask(max_tokens=100), 100, None),
}


@pytest.mark.parametrize("case", LENGTHS)
def test_the_default_max_tokens_depends_on_the_request_and_model(case: str) -> None:
    request, most, budget = LENGTHS[case]
    model = "claude-3-5-sonnet-20241022" if "older" in case else FORTY_FIVE
    target = Target(model, max_output=profile(model).max_output, claude=profile(model))
    written = write_request(request, target).body
    assert written["max_tokens"] == most
    assert written.get("thinking", {}).get("budget_tokens") == budget
    check_request(written)


FAMILIES = {
    "claude-3-opus-20240229": 4096,
    "claude-3-5-haiku-20241022": 8192,
    "claude-opus-4-1": 32000,
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": 32000,
    "claude-something-new": 32000,
    "gpt-4": None,
}


@pytest.mark.parametrize(("model", "most"), FAMILIES.items(), ids=list(FAMILIES))
def test_each_family_has_its_output_limit(model: str, most: int | None) -> None:
    assert profile(model).max_output == most


def test_writing_is_repeatable_and_leaves_the_request_unchanged() -> None:
    request = ask(user("a"), assistant(CALL_A), user(ToolResult("a")), tools=(replace(TOOLS[0], cache="5m"),))
    assert write(request) == write(request)
    assert TOOLS[0].parameters == {"type": "object", "properties": {"x": {"type": "integer"}}}


def test_a_token_count_request_is_written() -> None:
    request = ask(tools=TOOLS, stream=True, temperature=0.1, user="u", thinking=Thinking(True), stop=("x",))
    written = write_count(request, Target(ADAPTIVE, claude=profile(ADAPTIVE)))
    check_count(written)
    assert set(written) == {"model", "messages", "tools", "thinking"}


@pytest.mark.parametrize(("tier", "sent"), [("auto", "auto"), ("default", "standard_only"), ("flex", None)])
def test_a_service_tier_is_written(tier: str, sent: str | None) -> None:
    written = write(ask(service_tier=tier), COMPATIBLE)
    assert written.body.get("service_tier") == sent
    assert written.dropped == (() if sent else ("service_tier",))
