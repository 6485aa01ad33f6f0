"""A client's chat request is read into neutral form, or rejected with the exact path."""

import pytest

from nexus.conversation.parts import (
    Message,
    OutputFormat,
    Reasoning,
    Refusal,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
)
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.protocols.chat.read_request import read_request
from nexus.wire import Json
from tests.protocols.chat.asked import CLOCK, HI, PNG, WEATHER, ask, call

OPTIONS: dict[str, tuple[dict[str, Json], str, object]] = {
    "max_tokens": ({"max_tokens": 5}, "max_tokens", 5),
    "max_completion_tokens": ({"max_completion_tokens": 6}, "max_tokens", 6),
    "one stop word": ({"stop": "x"}, "stop", ("x",)),
    "stop words": ({"stop": ["x", "y"]}, "stop", ("x", "y")),
    "effort": ({"reasoning_effort": "xhigh"}, "thinking", Thinking(True, effort="xhigh")),
    "no effort": ({"reasoning_effort": "none"}, "thinking", Thinking(False)),
    "OpenRouter's effort": ({"reasoning": {"effort": "low"}}, "thinking", Thinking(True, effort="low")),
    "OpenRouter's budget": (
        {"reasoning": {"max_tokens": 2000, "exclude": True}},
        "thinking",
        Thinking(True, budget=2000, visible=False),
    ),
    "OpenRouter's switch": ({"reasoning": {"enabled": False}}, "thinking", Thinking(False)),
    "thinking with a budget": (
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        "thinking",
        Thinking(True, budget=2000),
    ),
    "thinking off": ({"thinking": {"type": "disabled"}}, "thinking", Thinking(False)),
    "thinking with an effort": (
        {"thinking": {"type": "enabled"}, "reasoning_effort": "max"},
        "thinking",
        Thinking(True, effort="max"),
    ),
    "text format": ({"response_format": {"type": "text"}}, "output_format", None),
    "object format": ({"response_format": {"type": "json_object"}}, "output_format", OutputFormat()),
    "schema format": (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"},
            }
        },
        "output_format",
        OutputFormat({"type": "object"}, "n", "d", True),
    ),
    "choice auto": ({"tools": [WEATHER], "tool_choice": "auto"}, "tool_choice", ToolChoice("auto")),
    "choice none": ({"tools": [WEATHER], "tool_choice": "none"}, "tool_choice", ToolChoice("none")),
    "Mistral's choice": ({"tools": [WEATHER], "tool_choice": "any"}, "tool_choice", ToolChoice("required")),
    "choice required": ({"tools": [WEATHER], "tool_choice": "required"}, "tool_choice", ToolChoice("required")),
    "choice named": (
        {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
        "tool_choice",
        ToolChoice("tool", "weather"),
    ),
    "allowed tools": (
        {
            "tools": [WEATHER, CLOCK],
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "clock"}}]},
            },
        },
        "tools",
        (Tool("clock"),),
    ),
    "tools": (
        {
            "tools": [
                {
                    "type": "function",
                    "name": "f",
                    "function": {"name": "f", "description": "d", "parameters": {"a": 1}, "strict": False},
                    "cache_control": {"type": "ephemeral"},
                }
            ]
        },
        "tools",
        (Tool("f", "d", {"a": 1}, False, "5m"),),
    ),
    "usage asked for": ({"stream": True, "stream_options": {"include_usage": True}}, "include_usage", True),
    "n of one": ({"n": 1}, "messages", (Message("user", (Text("hi"),)),)),
    "text modality": ({"modalities": ["text"]}, "messages", (Message("user", (Text("hi"),)),)),
    "empty functions": ({"functions": []}, "tools", ()),
    "null everything": ({"temperature": None, "tools": None, "stop": None, "audio": None}, "temperature", None),
    "whole number temperature": ({"temperature": 1}, "temperature", 1.0),
    "metadata": ({"metadata": {"a": "b"}}, "metadata", {"a": "b"}),
    "logit bias": ({"logit_bias": {"50256": -100}}, "logit_bias", {"50256": -100}),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_are_read(case: str) -> None:
    fields, name, expected = OPTIONS[case]
    read = read_request(ask(**fields))
    assert getattr(read.request, name) == expected
    assert read.dropped == ()


DROPPED: dict[str, tuple[dict[str, Json], tuple[str, ...]]] = {
    "thinking of an unknown kind": ({"thinking": {"type": "new"}}, ("thinking",)),
    "unknown field": ({"shiny": 1}, ("shiny",)),
    "unknown null field": ({"shiny": None}, ()),
    "two limits": ({"max_tokens": 5, "max_completion_tokens": 6}, ("max_tokens",)),
    "two equal limits": ({"max_tokens": 5, "max_completion_tokens": 5}, ()),
    "obfuscation": ({"stream_options": {"include_obfuscation": True}}, ("stream_options.include_obfuscation",)),
    "tool extras": ({"tools": [{**WEATHER, "defer_loading": True}]}, ("tools.defer_loading",)),
    "custom tool extras": ({"tools": [{"type": "custom", "custom": {"name": "f"}, "later": 1}]}, ("tools.later",)),
    "message extras": ({"messages": [{**HI, "mood": "good", "annotations": []}]}, ("messages.mood",)),
    "the name of a tool": ({"messages": [HI, {"role": "tool", "tool_call_id": "c", "name": "n", "content": ""}]}, ()),
    "system name": ({"messages": [{"role": "system", "content": "s", "name": "n"}, HI]}, ("messages.name",)),
    "the name of a later system message": ({"messages": [HI, {"role": "system", "content": "s", "name": "n"}]}, ()),
}


@pytest.mark.parametrize("case", DROPPED)
def test_unsupported_options_are_reported_as_dropped(case: str) -> None:
    fields, expected = DROPPED[case]
    assert read_request(ask(**fields)).dropped == expected


PART, CALL = "messages.0.content.0", "messages.0.tool_calls.0"


def user(part: Json) -> dict[str, Json]:
    return {"messages": [{"role": "user", "content": [part]}]}


def part(kind: str, value: Json) -> Json:
    return {"type": kind, kind: value}


def calling(call: Json) -> dict[str, Json]:
    return {"messages": [{"role": "assistant", "tool_calls": [call]}]}


REFUSED: dict[str, tuple[dict[str, Json], str]] = {
    "n": ({"n": 2}, "n"),
    "audio modality": ({"modalities": ["text", "audio"]}, "modalities.1"),
    "unknown tool": ({"tools": [{"type": "new", "new": {"name": "x"}}]}, "tools.0.type"),
    "unknown choice": ({"tool_choice": {"type": "new", "new": {"name": "x"}}}, "tool_choice"),
    "grammar format": ({"response_format": {"type": "grammar"}}, "response_format.type"),
    "stored file": (user(part("file", {"file_id": "f"})), f"{PART}.file.file_id"),
    "zip file": (user(part("file", {"file_data": "data:application/zip;base64,QQ=="})), f"{PART}.file.file_data"),
    "video": (user(part("video_url", {})), PART),
    "odd audio": (user(part("input_audio", {"data": "QQ==", "format": "tune"})), f"{PART}.input_audio.format"),
    "image in system text": (
        {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]},
        PART,
    ),
    "spoken history": ({"messages": [HI, {"role": "assistant", "audio": {"id": "a"}}]}, "messages.1.audio"),
    "unknown call": (calling({"id": "c", "type": "new", "new": {}}), f"{CALL}.type"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unsupported_features_are_rejected_by_name(case: str) -> None:
    fields, param = REFUSED[case]
    with pytest.raises(UnsupportedFeature) as caught:
        read_request(ask(**fields))
    assert caught.value.param == param
    assert caught.value.message


WRONG: dict[str, tuple[dict[str, Json], str]] = {
    "data without base64": (user(part("image_url", {"url": "data:image/png,QQ=="})), f"{PART}.image_url.url"),
    "messages missing": ({"messages": None}, "messages"),
    "no messages": ({"messages": []}, "messages"),
    "a message that is not an object": ({"messages": ["hi"]}, "messages.0"),
    "no role": ({"messages": [{"content": "hi"}]}, "messages.0.role"),
    "odd role": ({"messages": [HI, {"role": "robot"}]}, "messages.1.role"),
    "odd content": ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
    "odd part": (user("x"), PART),
    "no type": (user({"text": "x"}), f"{PART}.type"),
    "text that is not a string": (user({"type": "text", "text": 4}), f"{PART}.text"),
    "image without url": (user(part("image_url", {})), f"{PART}.image_url.url"),
    "image with odd url": (user(part("image_url", {"url": "ftp://x"})), f"{PART}.image_url.url"),
    "odd ttl": (
        user({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "9h"}}),
        f"{PART}.cache_control.ttl",
    ),
    "text file of no text": (
        user(part("file", {"file_data": "data:text/plain;base64,/w=="})),
        f"{PART}.file.file_data",
    ),
    "an image of no image": (
        {
            "messages": [
                HI,
                {"role": "assistant", "images": [part("image_url", {"url": "data:text/plain;base64,QQ=="})]},
            ]
        },
        "messages.1.images.0",
    ),
    "result without id": ({"messages": [{"role": "tool", "content": ""}]}, "messages.0.tool_call_id"),
    "call without id": (calling({"function": {"name": "f"}}), f"{CALL}.id"),
    "call without name": (calling({"id": "c", "function": {}}), f"{CALL}.function.name"),
    "function without call": ({"messages": [{"role": "function", "name": "f", "content": ""}]}, "messages.0.name"),
    "temperature word": ({"temperature": "hot"}, "temperature"),
    "temperature high": ({"temperature": 2.5}, "temperature"),
    "temperature true": ({"temperature": True}, "temperature"),
    "top_p": ({"top_p": 2}, "top_p"),
    "presence_penalty": ({"presence_penalty": 3}, "presence_penalty"),
    "frequency_penalty": ({"frequency_penalty": -3}, "frequency_penalty"),
    "max_tokens": ({"max_tokens": 0}, "max_tokens"),
    "seed": ({"seed": 1.5}, "seed"),
    "n": ({"n": 0}, "n"),
    "stop": ({"stop": 5}, "stop"),
    "stop word": ({"stop": ["a", 5]}, "stop.1"),
    "effort": ({"reasoning_effort": "huge"}, "reasoning_effort"),
    "format": ({"response_format": "json"}, "response_format"),
    "format without name": (
        {"response_format": {"type": "json_schema", "json_schema": {}}},
        "response_format.json_schema.name",
    ),
    "tools": ({"tools": {}}, "tools"),
    "tool without name": ({"tools": [{"type": "function", "function": {}}]}, "tools.0.function.name"),
    "odd parameters": (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": "x"}}]},
        "tools.0.function.parameters",
    ),
    "choice": ({"tool_choice": "perhaps"}, "tool_choice"),
    "choice of an unknown tool": (
        {"tools": [CLOCK], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        "tool_choice",
    ),
    "logit_bias": ({"logit_bias": {"1": "x"}}, "logit_bias.1"),
    "metadata": ({"metadata": {"a": 1}}, "metadata.a"),
    "stream": ({"stream": "yes"}, "stream"),
    "stream_options": ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    "user": ({"user": 5}, "user"),
    "top_logprobs": ({"top_logprobs": 21}, "top_logprobs"),
    "an unknown mode of allowed tools": (
        {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "none", "tools": []}}},
        "tool_choice.allowed_tools.mode",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_invalid_values_are_rejected_with_their_path(case: str) -> None:
    fields, param = WRONG[case]
    with pytest.raises(InvalidRequest) as caught:
        read_request(ask(**fields))
    assert caught.value.param == param
    assert caught.value.message


TURNS: dict[str, tuple[list[Json], tuple[Message, ...]]] = {
    "refusals": (
        [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "refusal": "never"}],
        (Message("assistant", (Refusal("no"), Refusal("never"))),),
    ),
    "thinking in the content": (
        [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "2+"}, {"type": "text", "text": "2"}]},
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "sum"}]},
                    {"type": "text", "text": "4"},
                ],
            }
        ],
        (Message("assistant", (Reasoning("2+2"), Reasoning("sum"), Text("4"))),),
    ),
    "a system message in the middle": (
        [HI, {"role": "developer", "content": "now in French"}, HI],
        (Message("user", (Text("hi"),)), Message("system", (Text("now in French"),)), Message("user", (Text("hi"),))),
    ),
    "a cache hint on a whole message": (
        [{"role": "user", "content": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        (Message("user", (Text("a", "1h"),)),),
    ),
    "a signature of an answer without text": (
        [
            {
                "role": "assistant",
                "content": None,
                "extra_content": {"google": {"thought_signature": "s"}},
                "tool_calls": [call("f")],
            }
        ],
        (Message("assistant", (Text("", signature=Signature("gemini", "s")), ToolCall("c1", "f", "{}"))),),
    ),
    "thinking between texts and calls": (
        [
            {
                "role": "assistant",
                "content": "abcd",
                "reasoning_content": "onetwo",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "one", "signature": "nexus.messages.s1", "index": 0},
                    {"type": "reasoning.encrypted", "data": "nexus.messages.s2", "index": 1, "position": [2, 0]},
                    {"type": "reasoning.text", "text": "two", "index": 2, "position": [4, 1]},
                ],
                "tool_calls": [call("f", "c1"), call("g", "c2")],
            }
        ],
        (
            Message(
                "assistant",
                (
                    Reasoning("one", Signature("messages", "s1")),
                    Text("ab"),
                    Reasoning("", Signature("messages", "s2"), redacted=True),
                    Text("cd"),
                    ToolCall("c1", "f", "{}"),
                    Reasoning("two"),
                    ToolCall("c2", "g", "{}"),
                ),
            ),
        ),
    ),
}


@pytest.mark.parametrize("case", TURNS)
def test_turns_are_read(case: str) -> None:
    wire, expected = TURNS[case]
    read = read_request(ask(*wire))
    assert (read.request.messages, read.dropped) == (expected, ())


def test_a_body_without_messages_is_rejected() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request({"model": "m"})
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    ("wire", "named"),
    [
        ({"thinking": {"type": "enabled"}}, "thinking"),
        ({"reasoning": {"enabled": True}}, "reasoning"),
        ({"thinking": True}, "thinking"),
        ({"thinking": {"type": "disabled", "keep": "all"}}, "thinking.keep"),
    ],
)
def test_fields_that_contradict_the_effort_are_reported_as_dropped(wire: dict[str, Json], named: str) -> None:
    read = read_request(ask(**{"reasoning_effort": "none"} | wire))
    assert read.request.thinking == Thinking(False)
    assert read.dropped == (named,)
