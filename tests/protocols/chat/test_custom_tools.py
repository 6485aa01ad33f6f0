"""A chat client's custom tools: vendors see functions with one string argument, the client gets custom calls back."""

from typing import Any

import pytest

from nexus.conversation.events import Event, PartDelta, PartEnd, PartStart, ResponseEnd, ResponseStart
from nexus.conversation.parts import Response, Signature, Stop, ToolCall, ToolChoice
from nexus.errors import InvalidRequest
from nexus.protocols.chat.read_request import read_request
from nexus.protocols.chat.write_response import write_response
from nexus.protocols.chat.write_stream import StreamWriter
from nexus.protocols.sse import FrameDecoder
from nexus.protocols.tool_calls import PARAMETERS
from nexus.wire import decode
from tests.protocols.kit import envelope

from .kit import check_response

GRAMMAR = {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "a"'}}
SQL = {"type": "custom", "custom": {"name": "sql", "description": "Asks.", "format": GRAMMAR}}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
QUERY = "select 'x'"
CALL = {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": QUERY}}


def read(**more: Any) -> Any:
    return read_request(
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": [SQL, FUNCTION]} | more
    )


def test_a_custom_tool_becomes_a_function_with_its_grammar_in_the_description() -> None:
    result = read(tool_choice={"type": "custom", "custom": {"name": "sql"}})
    tool, other = result.request.tools
    assert (tool.name, tool.parameters, other.name, result.dropped) == ("sql", PARAMETERS, "f", ())
    assert tool.description == 'Asks.\n\nThe input must match this lark grammar:\nstart: "a"'
    assert result.request.tool_choice == ToolChoice("tool", "sql")


def test_a_call_returns_as_a_custom_call_and_is_read_from_the_history() -> None:
    call = ToolCall("c1", "sql", '{"input":"select \'x\'"}')
    whole = write_response(Response("r1", "m", (call,), Stop("tool_use")), envelope(read().request))
    check_response(whole)
    message = whole["choices"][0]["message"]
    assert message["tool_calls"] == [CALL]
    history = [message, {"role": "tool", "tool_call_id": "c1", "content": "1"}]
    assert read(messages=history).request.messages[0].parts == (call,)


def test_a_stream_sends_the_input_once_it_is_complete() -> None:
    writer = StreamWriter(envelope(read().request, usage=False))
    signature = Signature("gemini", "s")
    pieces = ['{"input":"sel', "ect 'x'\"}"]
    events: list[Event] = [
        ResponseStart("r", "m"),
        PartStart(0, ToolCall("c1", "sql", "", signature)),
        *(PartDelta(0, piece) for piece in pieces),
        PartEnd(0),
        PartStart(1, ToolCall("c2", "f", "{}")),
        PartEnd(1),
        ResponseEnd(Stop("tool_use")),
    ]
    frames = FrameDecoder().feed(b"".join(map(writer.write, events)))
    chunks = [decode(frame.data) for frame in frames if frame.data not in (None, "[DONE]")]
    calls = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", ())]
    extra = {"extra_content": {"google": {"thought_signature": "s"}}}
    assert calls == [
        {"index": 0, "id": "c1", "type": "custom", "custom": {"name": "sql", "input": ""}} | extra,
        {"index": 0, "custom": {"input": QUERY}},
        {"index": 1, "id": "c2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    ]


def test_choosing_an_unknown_tool_is_rejected() -> None:
    with pytest.raises(InvalidRequest, match="no tool named other"):
        read(tool_choice={"type": "custom", "custom": {"name": "other"}})
