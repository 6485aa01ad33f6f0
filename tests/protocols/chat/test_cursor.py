"""Chat requests with parts of other dialects, as Cursor sends them with a user's own key."""

from typing import Any

import pytest

from nexus.errors import InvalidRequest, NexusError, UnsupportedFeature
from nexus.protocols.chat.cursor import as_chat_request
from nexus.protocols.dialect import ClientRequest
from nexus.wire import decode, encode

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FLAT = {"type": "function", "name": "weather", "description": "d", "parameters": CITY, "strict": False}
NESTED = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": CITY, "strict": False}}
PATCH = {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}}
ANTHROPIC = {"name": "weather", "description": "d", "input_schema": CITY}
PNG = "iVBORw0KGgo="


def turned(**body: Any) -> dict[str, Any]:
    raw = encode(body)
    asked = as_chat_request(ClientRequest(raw, body, {}, "", "chat"))
    assert decode(asked.body) == asked.document
    return dict(asked.document)


TOOLS: dict[str, tuple[Any, Any]] = {
    "flat": (FLAT, NESTED),
    "Anthropic's": (
        ANTHROPIC,
        {"type": "function", "function": {"name": "weather", "description": "d", "parameters": CITY}},
    ),
    "Anthropic's own kind": (
        ANTHROPIC | {"type": "custom", "cache_control": {"type": "ephemeral"}},
        {
            "type": "function",
            "function": {"name": "weather", "description": "d", "parameters": CITY},
            "cache_control": {"type": "ephemeral"},
        },
    ),
    "custom": (
        PATCH,
        {
            "type": "custom",
            "custom": {
                "name": "patch",
                "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}},
            },
        },
    ),
    "nested": (NESTED, NESTED),
    "unknown": ({"type": "web_search"}, {"type": "web_search"}),
}


@pytest.mark.parametrize("case", TOOLS)
def test_tools_of_other_dialects_become_chat_tools(case: str) -> None:
    given, taken = TOOLS[case]
    assert turned(messages=[{"role": "user", "content": "hi"}], tools=[given, FLAT])["tools"] == [taken, NESTED]


CHOICES: list[tuple[Any, Any]] = [
    ("required", "required"),
    ({"type": "auto"}, "auto"),
    ({"type": "any"}, "required"),
    ({"type": "tool", "name": "weather"}, {"type": "function", "function": {"name": "weather"}}),
    ({"type": "function", "name": "weather"}, {"type": "function", "function": {"name": "weather"}}),
    ({"type": "custom", "name": "patch"}, {"type": "custom", "custom": {"name": "patch"}}),
    ({"type": "function", "function": {"name": "w"}}, {"type": "function", "function": {"name": "w"}}),
]


@pytest.mark.parametrize(("given", "taken"), CHOICES)
def test_tool_choices_of_other_dialects_become_chat_choices(given: Any, taken: Any) -> None:
    assert turned(messages=[{"role": "user", "content": "hi"}], tools=[FLAT], tool_choice=given)["tool_choice"] == taken


def test_a_whole_responses_request_becomes_a_chat_request() -> None:
    body = turned(
        model="m",
        instructions="Be brief.",
        input=[
            {"role": "system", "content": "You code."},
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "hi"}, {"type": "input_image", "image_url": "u"}],
            },
            {"type": "reasoning", "summary": [], "encrypted_content": "x"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Well."}]},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Rome"}'},
            {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "a"},
            {"type": "function_call_output", "call_id": "c1", "output": "19"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "done"}]},
        ],
        tools=[FLAT],
        max_output_tokens=9,
        reasoning={"effort": "high", "summary": "auto"},
        text={"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
        include=["reasoning.encrypted_content"],
        stream=True,
        store=False,
        user="u",
    )
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}},
        {"id": "c2", "type": "custom", "custom": {"name": "patch", "input": "a"}},
    ]
    assert body.pop("messages") == [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "You code."},
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "u"}}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Well."}]},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "19"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "done"}]},
    ]
    assert body == {
        "model": "m",
        "tools": [NESTED],
        "max_completion_tokens": 9,
        "reasoning_effort": "high",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
        "verbosity": "low",
        "stream": True,
        "store": False,
        "user": "u",
    }


def test_a_string_input_and_trailing_calls_are_converted() -> None:
    assert turned(input="hi", messages=[])["messages"] == [{"role": "user", "content": "hi"}]
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    assert turned(input=[call])["messages"][-1]["tool_calls"][0]["id"] == "c"


def test_anthropic_blocks_become_chat_messages() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    body = turned(
        messages=[
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Rome"}},
                    {"type": "tool_use", "id": "t2", "name": "now", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "19"}]},
                    {"type": "tool_result", "tool_use_id": "t2"},
                    {"type": "text", "text": "And?", "cache_control": {"type": "ephemeral"}},
                    image,
                ],
            },
            {"role": "assistant", "content": "", "tool_calls": [{"id": "x"}]},
        ]
    )
    function = {"name": "weather", "arguments": '{"city":"Rome"}'}
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "I look."}],
            "tool_calls": [
                {"id": "t1", "type": "function", "function": function},
                {"id": "t2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "t1", "content": [{"type": "text", "text": "19"}]},
        {"role": "tool", "tool_call_id": "t2", "content": ""},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "And?", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            ],
        },
        {"role": "assistant", "content": "", "tool_calls": [{"id": "x"}]},
    ]


def test_chat_messages_among_others_are_left_unchanged() -> None:
    part = {"type": "text", "text": "hi", "prompt_cache_breakpoint": {"mode": "explicit"}}
    own = [{"role": "user", "content": [part]}, {"role": "assistant", "content": []}]
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "19"}
    body = turned(messages=[*own, {"role": "user", "content": [result]}])
    assert body["messages"] == [*own, {"role": "tool", "tool_call_id": "t1", "content": "19"}]


PLAIN: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "hi"}], "tools": [NESTED]},
    {"messages": [{"role": "user", "content": 'what is "tools"?'}], "input": "left alone"},
    {"messages": [], "input": []},
    {"tools": [{"type": "function", "name": "weather", "function": {"name": "weather"}}], "messages": [{}]},
    {"messages": "nonsense", "tools": "nonsense"},
    {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "tools": [{"type": "function", "function": {"name": "log", "parameters": {"enum": ["tool_use"]}}}],
        "tool_choice": {"type": "function", "function": {"name": "log"}},
    },
]


@pytest.mark.parametrize("body", PLAIN)
def test_other_requests_are_left_unchanged(body: dict[str, Any]) -> None:
    asked = ClientRequest(encode(body), body, {}, "", "chat")
    assert as_chat_request(asked) is asked


BAD: list[tuple[dict[str, Any], type[NexusError], str]] = [
    ({"input": "hi", "previous_response_id": "resp_1"}, UnsupportedFeature, "previous_response_id"),
    ({"input": [{"type": "item_reference", "id": "i"}]}, UnsupportedFeature, "input.0"),
    ({"input": {"a": 1}}, InvalidRequest, "input"),
    ({"input": ["hi"]}, InvalidRequest, "input.0"),
    ({"messages": [{"role": "user", "content": "hi"}], "tools": [FLAT, 7]}, InvalidRequest, "tools.1"),
]


@pytest.mark.parametrize(("body", "error", "param"), BAD)
def test_invalid_mixtures_are_rejected(body: dict[str, Any], error: type[NexusError], param: str) -> None:
    with pytest.raises(error) as caught:
        turned(**body)
    assert getattr(caught.value, "param", None) == param
