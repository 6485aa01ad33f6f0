"""A neutral request's options are written as members that the SDK's published types accept, subject to quirks."""

from dataclasses import replace

import pytest

from nexus.conversation.parts import (
    Message,
    OutputFormat,
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
from nexus.errors import UnsupportedFeature
from nexus.models.chat_server import FACTS
from nexus.protocols.chat.passthrough import edit_request
from nexus.protocols.chat.write_request import write_request
from nexus.protocols.codec import Target
from nexus.wire import Json, decode_object, digest, encode

from .writing import HI, OWN, SYSTEM, assistant, server, text, tool, user, write

BARE: Json = {"type": "object", "properties": {}}
LISTED: Json = {"type": "object", "properties": {"a": {**BARE, "required": []}}, "required": []}
RULED: Json = {"type": "string", "description": "d", "pattern": "^.$", "maxLength": 2000}
PLAIN: Json = {"type": "string", "description": "d\n\n{pattern: ^.$, maxLength: 2000}"}
CLOSED: Json = {"type": "object", "properties": {}, "additionalProperties": False}

FUNCTION: Json = {"name": "f", "arguments": '{"invalid_json":"{\\"a\\": "}'}
THOUGHT: Json = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
WRAPPED: Json = {"id": "a", "type": "function", "function": FUNCTION}
QUIRKS: dict[str, tuple[Request, tuple[str, ...], str, Json, tuple[str, ...]]] = {
    "limit": (Request((HI,), max_tokens=5), (), "max_tokens", 5, ()),
    "max_completion_tokens": (Request((HI,), max_tokens=5), ("max_completion_tokens",), "max_completion_tokens", 5, ()),
    "developer_role": (
        replace(SYSTEM, system=(Text("s"),)),
        ("developer_role",),
        "messages",
        [{"role": "developer", "content": "s"}, {"role": "user", "content": "hi"}],
        (),
    ),
    "string_content": (
        SYSTEM,
        ("string_content",),
        "messages",
        [{"role": "system", "content": "one\n\ntwo"}, {"role": "user", "content": "hi"}],
        (),
    ),
    "system_first": (
        Request((HI, Message("system", (Text("s"),)))),
        ("system_first",),
        "messages",
        [{"role": "user", "content": "hi"}, {"role": "user", "content": [text("[system message] "), text("s")]}],
        (),
    ),
    "stream": (Request((HI,), stream=True), (), "stream_options", {"include_usage": True}, ()),
    "no_stream_usage": (Request((HI,), stream=True), ("no_stream_usage",), "stream_options", None, ()),
    "no_reasoning_effort": (
        Request((HI,), thinking=Thinking(True, effort="high")),
        ("no_reasoning_effort",),
        "reasoning_effort",
        None,
        ("thinking",),
    ),
    "no_effort_none": (
        Request((HI,), thinking=Thinking(False)),
        ("no_effort_none",),
        "reasoning_effort",
        "low",
        ("thinking",),
    ),
    "thinking_type, a forced tool": (
        Request((HI,), tools=(Tool("f"),), tool_choice=ToolChoice("required"), thinking=Thinking(True, effort="high")),
        ("thinking_type",),
        "thinking",
        {"type": "disabled"},
        ("thinking",),
    ),
    "always_thinks": (
        Request((HI,), thinking=Thinking(False)),
        ("thinking_type", "always_thinks"),
        "thinking",
        None,
        ("thinking",),
    ),
    "no_whole_thinking": (
        Request((HI,), thinking=Thinking(True, effort="high")),
        ("no_whole_thinking",),
        "enable_thinking",
        False,
        ("thinking",),
    ),
    "no_whole_thinking, nothing asked": (Request((HI,)), ("no_whole_thinking",), "enable_thinking", False, ()),
    "no_whole_thinking, a stream": (
        Request((HI,), thinking=Thinking(True, effort="high"), stream=True),
        ("no_whole_thinking",),
        "enable_thinking",
        None,
        (),
    ),
    "enable_thinking, a forced tool": (
        Request((HI,), tools=(Tool("f"),), tool_choice=ToolChoice("required"), thinking=Thinking(True, effort="high")),
        ("enable_thinking",),
        "enable_thinking",
        False,
        ("thinking",),
    ),
    "thinking_type, a forced answer": (
        Request((HI,), output_format=OutputFormat({"type": "object"})),
        ("thinking_type", "no_json_schema"),
        "thinking",
        {"type": "disabled"},
        (),
    ),
    "thinking_type, on": (
        Request((HI,), tools=(Tool("f"),), tool_choice=ToolChoice("auto"), thinking=Thinking(True, effort="high")),
        ("thinking_type",),
        "thinking",
        None,
        (),
    ),
    "no_reasoning_history": (
        Request((assistant(Reasoning("t", OWN), Text("x")),)),
        ("no_reasoning_history",),
        "messages",
        [{"role": "assistant", "content": "x"}],
        ("messages.reasoning",),
    ),
    "thinking_parts": (
        Request((assistant(Text("x"), Reasoning("hm", Signature("chat", "thinking")), Reasoning("t", OWN)),)),
        ("thinking_parts", "no_reasoning_history"),
        "messages",
        [{"role": "assistant", "content": [{"type": "text", "text": "x"}, THOUGHT]}],
        ("messages.reasoning",),
    ),
    "broken arguments": (
        Request((assistant(ToolCall("a", "f", '{"a": ')), user(ToolResult("a", (Text("x"),))))),
        ("json_arguments",),
        "messages",
        [{"role": "assistant", "content": None, "tool_calls": [WRAPPED]}, tool("a", "x")],
        ("messages.tool_call.arguments",),
    ),
    "no_sampling": (
        Request((HI,), temperature=0.0, top_p=0.5),
        ("no_sampling",),
        "temperature",
        None,
        ("temperature", "top_p"),
    ),
    "no_stop": (Request((HI,), stop=("x",)), ("no_stop",), "stop", None, ()),
    "no_metadata": (Request((HI,), metadata={"a": "b"}), ("no_metadata",), "metadata", None, ("metadata",)),
    "no_user": (Request((HI,), user="u"), ("no_user",), "user", None, ("user",)),
    "listed_required": (
        Request((HI,), tools=(Tool("f", parameters={"type": "object", "properties": {"a": BARE}}),)),
        ("listed_required",),
        "tools",
        [{"type": "function", "function": {"name": "f", "parameters": LISTED}}],
        (),
    ),
    "plain_tools": (
        Request((HI,), tools=(Tool("f", parameters={**CLOSED, "properties": {"a": RULED}}),)),
        ("plain_tools",),
        "tools",
        [{"type": "function", "function": {"name": "f", "parameters": {**CLOSED, "properties": {"a": PLAIN}}}}],
        ("tools.0.parameters.properties.a.pattern", "tools.0.parameters.properties.a.maxLength"),
    ),
    "no_strict": (
        Request((HI,), tools=(Tool("f", parameters=CLOSED, strict=True), Tool("g", strict=False))),
        ("no_strict",),
        "tools",
        [
            {"type": "function", "function": {"name": "f", "parameters": CLOSED}},
            {"type": "function", "function": {"name": "g", "parameters": BARE}},
        ],
        ("tools.strict",),
    ),
    "typed_schemas, an answer": (
        Request((HI,), output_format=OutputFormat({"type": "object", "properties": {"a": {}}}, "n")),
        ("typed_schemas",),
        "response_format",
        {
            "type": "json_schema",
            "json_schema": {
                "name": "n",
                "schema": {"type": "object", "properties": {"a": {"type": "string"}}, "required": []},
            },
        },
        ("output_format.schema.type",),
    ),
    "typed_schemas": (
        Request((HI,), tools=(Tool("1st", parameters={"type": "object", "properties": {"a": {}}}),)),
        ("typed_schemas",),
        "tools",
        [
            {
                "type": "function",
                "function": {
                    "name": "x1st_e01ddf65",
                    "parameters": {"type": "object", "properties": {"a": {"type": "string"}}, "required": []},
                },
            }
        ],
        ("tools.0.parameters.type",),
    ),
    "no_seed": (Request((HI,), seed=1), ("no_seed",), "seed", None, ("seed",)),
    "prompt_cache_key": (
        Request((HI,), prompt_cache_key="k", user="u"),
        ("prompt_cache_key",),
        "prompt_cache_key",
        "k",
        (),
    ),
    "prompt_cache_key, Claude Code": (
        Request((HI,), user="u"),
        ("prompt_cache_key", "no_user"),
        "prompt_cache_key",
        digest("u"),
        ("user",),
    ),
    "prompt_cache_key, neither": (Request((HI,)), ("prompt_cache_key",), "prompt_cache_key", None, ()),
    "prompt_cache_key, unknown": (
        Request((HI,), prompt_cache_key="k"),
        (),
        "prompt_cache_key",
        None,
        ("prompt_cache_key",),
    ),
    "cache dropped": (
        Request((user(Text("x", "5m")),)),
        (),
        "messages",
        [{"role": "user", "content": "x"}],
        ("cache",),
    ),
    "cache_breakpoint": (
        Request((user(Text("x", "1h")),)),
        ("cache_breakpoint",),
        "messages",
        [{"role": "user", "content": [text("x") | {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}]}],
        (),
    ),
    "cache_control": (
        Request((user(ToolResult("a", (Text("x"),), cache="5m")),)),
        ("cache_control",),
        "messages",
        [tool("a", [text("x") | {"cache_control": {"type": "ephemeral"}}])],
        (),
    ),
    "cache_control on tools": (
        Request((HI,), tools=(Tool("f", cache="1h"),)),
        ("cache_control",),
        "tools",
        [
            {
                "type": "function",
                "function": {"name": "f", "parameters": BARE},
                "cache_control": {"type": "ephemeral", "ttl": "1h"},
            }
        ],
        (),
    ),
    "mistral_tool_ids": (
        Request((user(ToolResult("abcDEF123")), user(ToolResult("toolu_1")))),
        ("mistral_tool_ids",),
        "messages",
        [tool("abcDEF123", ""), tool("8a9f3cb7b", "")],
        (),
    ),
}


@pytest.mark.parametrize("case", QUIRKS)
def test_quirks_change_what_is_written(case: str) -> None:
    request, quirks, member, expected, dropped = QUIRKS[case]
    written = write_request(request, Target("m", chat=server(*quirks)))
    if case != "mistral_tool_ids":
        assert written.body.get(member) == expected
    else:
        ids = [one["tool_call_id"] for one in written.body["messages"]]
        assert ids[0] == "abcDEF123" and len(ids[1]) == 9 and ids[1].isalnum()
    assert written.dropped == dropped


OPTIONS: dict[str, tuple[Request, str, Json]] = {
    "effort": (Request((HI,), thinking=Thinking(True, effort="minimal")), "reasoning_effort", "minimal"),
    "off": (Request((HI,), thinking=Thinking(False)), "reasoning_effort", "none"),
    "adaptive": (Request((HI,), thinking=Thinking(True)), "reasoning_effort", None),
    "small budget": (Request((HI,), thinking=Thinking(True, 4095)), "reasoning_effort", "low"),
    "middle budget": (Request((HI,), thinking=Thinking(True, 4096)), "reasoning_effort", "medium"),
    "large budget": (Request((HI,), thinking=Thinking(True, 16384)), "reasoning_effort", "high"),
    "json": (Request((HI,), output_format=OutputFormat()), "response_format", {"type": "json_object"}),
    "schema": (
        Request((HI,), output_format=OutputFormat({"type": "object"}, strict=True)),
        "response_format",
        {"type": "json_schema", "json_schema": {"name": "answer", "schema": CLOSED, "strict": True}},
    ),
    "tool choice without tools": (Request((HI,), tool_choice=ToolChoice("auto")), "tool_choice", None),
    "parallel without tools": (Request((HI,), parallel_tools=False), "parallel_tool_calls", None),
    "parallel": (Request((HI,), tools=(Tool("f"),), parallel_tools=False), "parallel_tool_calls", False),
    "forced tool": (
        Request((HI,), tools=(Tool("f"),), tool_choice=ToolChoice("tool", "f")),
        "tool_choice",
        {"type": "function", "function": {"name": "f"}},
    ),
    "tool": (
        Request((HI,), tools=(Tool("f", "d", {"type": "object"}, True),)),
        "tools",
        [{"type": "function", "function": {"name": "f", "description": "d", "parameters": CLOSED, "strict": True}}],
    ),
    "short user": (Request((HI,), user="u" * 64), "user", "u" * 64),
    "tier of another vendor": (Request((HI,), service_tier="standard_only"), "service_tier", "default"),
    "stop": (Request((HI,), stop=("a", "b")), "stop", ["a", "b"]),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_are_written(case: str) -> None:
    request, member, expected = OPTIONS[case]
    written = write(request)
    assert written.body.get(member) == expected
    assert written.dropped == ()


def test_every_quirk_has_a_case() -> None:
    tried = {quirk for _, quirks, *_ in QUIRKS.values() for quirk in quirks}
    in_messages = {"reasoning_with_calls", "no_user_after_tool", "output_images"}
    assert tried | in_messages | {"no_json_schema", "think_tags"} == set(FACTS)


CALLED = (HI, Message("assistant", (ToolCall("c", "f", "{}"),)), Message("user", (ToolResult("c"), Text("go on"))))


def test_answers_get_reasoning_content_with_that_quirk() -> None:
    history = (*CALLED, Message("assistant", (Text("done"),)), HI, Message("assistant", ()), HI)
    messages = write(Request(history), "reasoning_with_calls").body["messages"]
    assert [message.get("reasoning_content") for message in messages] == [None, " ", None, None, " ", None, None]


def test_an_answer_separates_results_from_the_user_with_that_quirk() -> None:
    messages = write(Request((*CALLED, HI)), "no_user_after_tool").body["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant", "user"]
    assert [message["content"] for message in messages[3:]] == ["OK.", [text("go on"), text("hi")]]


def test_kimi_k2_reads_the_names_of_calls_in_their_ids() -> None:
    """Its own ids stay, however long, and no other call gets one of them."""
    own = ("functions.f:2", "functions.mcp__a_server_with_a_long_name__f:7")
    ids = ("call_1", *own, "toolu_1")
    pairs = [(Message("assistant", (ToolCall(one, "f", "{}"),)), user(ToolResult(one))) for one in ids]
    request = Request((HI, *(message for pair in pairs for message in pair)))
    target = Target("moonshotai/Kimi-K2.7-Code")
    written = write_request(request, target).body
    raw = encode(written).replace(b"functions.f:0", b"call_1").replace(b"functions.f:3", b"toolu_1")
    passed = decode_object(edit_request(raw, decode_object(raw), target).body)
    for messages in (written["messages"], passed["messages"]):
        told = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
        assert told == ["functions.f:0", *own, "functions.f:3"]
        assert [call["id"] for message in messages for call in message.get("tool_calls", ())] == told


def test_a_long_user_is_hashed() -> None:
    one, two = (write(Request((HI,), user="u" * 65 + end)).body["user"] for end in "ab")
    assert len(one) == 64 and one != two


def test_an_unknown_service_tier_is_dropped() -> None:
    written = write(Request((HI,), service_tier="warp"))
    assert written.dropped == ("service_tier",) and "service_tier" not in written.body


def test_a_forced_tool_replaces_an_unsupported_schema() -> None:
    request = Request((HI,), output_format=OutputFormat({"type": "object"}))
    written = write(request, "no_json_schema")
    assert written.answer_tool == "answer"
    assert written.body["tool_choice"] == {"type": "function", "function": {"name": "answer"}}
    with pytest.raises(UnsupportedFeature):
        write(replace(request, tools=(Tool("f"),)), "no_json_schema")
