"""Neutral answers as chat clients get them, whole and streamed, and what clients send back in the next turn."""

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

from nexus.conversation.events import (
    ContentDropped,
    Event,
    PartDelta,
    PartEnd,
    PartStart,
    Ping,
    ResponseEnd,
    ResponseStart,
)
from nexus.conversation.fold import unfold
from nexus.conversation.parts import Reasoning, Refusal, Response, Signature, Stop, StreamPart, Text, ToolCall
from nexus.conversation.usage import Usage
from nexus.protocols.chat.read_request import read_request
from nexus.protocols.chat.write_response import write_response
from nexus.protocols.chat.write_stream import StreamWriter
from nexus.protocols.sse import FrameDecoder
from nexus.wire import Json, decode
from tests.protocols.kit import envelope

from .kit import check_chunks, check_response, write_stream

END = Stop("end")
USAGE = Usage(input=8, cache_read=8, cache_write_5m=4, output=4, reasoning=5)
SIGNED = Reasoning("why", Signature("messages", "sig"))
REDACTED = Reasoning("", Signature("messages", "enc"), redacted=True)
CALL = ToolCall("toolu_1", "f", '{"a":1}')
GEMINI = Signature("gemini", "ts")


def answer(*parts: StreamPart, stop: Stop = END, usage: Usage = USAGE) -> Response:
    return Response("r1", "m", parts, stop, usage)


def test_a_whole_answer_has_the_exact_shape() -> None:
    whole = write_response(answer(Text("hi")), envelope())
    assert whole == {
        "id": "r1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hi", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 20,
            "completion_tokens": 9,
            "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
    }
    check_response(whole)


MESSAGES: dict[str, tuple[Response, dict[str, Json]]] = {
    "nothing": (answer(), {"content": "", "refusal": None}),
    "texts are joined": (answer(Text("a"), Text("b")), {"content": "ab", "refusal": None}),
    "a refusal": (answer(Refusal("no"), stop=Stop("refusal")), {"content": None, "refusal": "no"}),
    "a call without arguments": (
        answer(ToolCall("c", "f", ""), stop=Stop("tool_use")),
        {
            "content": None,
            "refusal": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
    ),
    "Gemini's signature on a call": (
        answer(ToolCall("c", "f", "{}", GEMINI), stop=Stop("tool_use")),
        {
            "content": None,
            "refusal": None,
            "tool_calls": [
                {
                    "id": "c",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "ts"}},
                }
            ],
        },
    ),
    "unsigned reasoning": (
        answer(Reasoning("t"), Text("x")),
        {"content": "x", "refusal": None, "reasoning_content": "t"},
    ),
    "signed reasoning": (
        answer(SIGNED, REDACTED, Text("x")),
        {
            "content": "x",
            "refusal": None,
            "reasoning_content": "why",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "why", "index": 0, "signature": "nexus.messages.sig"},
                {"type": "reasoning.encrypted", "data": "nexus.messages.enc", "index": 1},
            ],
        },
    ),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_messages_whole_and_streamed(case: str) -> None:
    response, expected = MESSAGES[case]
    whole = write_response(response, envelope())
    check_response(whole)
    assert whole["choices"][0]["message"] == {"role": "assistant", **expected}
    assert _accumulated(response) == {"role": "assistant", **expected}


def _accumulated(response: Response) -> dict[str, Json]:
    """The message that the official SDK puts together from the stream."""
    state = ChatCompletionStreamState()
    for chunk in check_chunks(write_stream(unfold(response))):
        state.handle_chunk(chunk)
    message: dict[str, Json] = state.get_final_completion().choices[0].message.model_dump(mode="json")
    for call in message.get("tool_calls") or []:
        call["function"].pop("parsed_arguments", None)
        call.pop("index", None)
    optional = {"annotations", "audio", "function_call", "tool_calls", "parsed"}
    return {name: value for name, value in message.items() if value is not None or name not in optional} | (
        {} if message["content"] or not (response.parts and _wordless(response)) else {"content": None}
    )


def _wordless(response: Response) -> bool:
    """The first chunk says "" before it is known whether text will follow."""
    return any(isinstance(part, ToolCall | Refusal) for part in response.parts)


ECHOES: dict[str, tuple[StreamPart, ...]] = {
    "signed, text, call": (SIGNED, Text("x"), CALL),
    "redacted first": (REDACTED, SIGNED, Text("x")),
    "thought between": (
        SIGNED,
        Text("one"),
        CALL,
        Reasoning("more", Signature("messages", "s2")),
        ToolCall("c2", "g", "{}"),
    ),
    "signatures on calls": (
        ToolCall("c1", "f", "{}", GEMINI),
        ToolCall("c2", "g", "{}"),
        ToolCall("c3", "h", "{}", GEMINI),
    ),
    "a foreign signature on a call": (ToolCall("c1", "f", "{}", Signature("converse", "x")),),
    "a signature on text": (Text("x", signature=GEMINI),),
    "an empty signature": (Reasoning("t", Signature("gemini", "")), Text("x")),
    "an empty signed text": (Text("", signature=GEMINI), CALL),
    "own signatures": (
        Reasoning("t", Signature("chat", "")),
        ToolCall("c", "f", "{}", Signature("chat", '{"google":{"a":1}}')),
    ),
    "signed and unsigned": (Reasoning("t"), SIGNED, Text("x")),
    "signed without text": (Reasoning("", Signature("messages", "s")), Text("x")),
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("case", ECHOES)
def test_an_answer_sent_back_gives_the_same_parts(case: str, streamed: bool) -> None:
    parts = ECHOES[case]
    response = answer(*parts)
    message = _accumulated(response) if streamed else write_response(response, envelope())["choices"][0]["message"]
    read = read_request({"messages": [{"role": "user", "content": "q"}, message]})
    assert read.request.messages[1].parts == parts
    assert read.dropped == ()


STOPS = {
    "end": (Stop("end"), {"finish_reason": "stop"}),
    "max_tokens": (Stop("max_tokens"), {"finish_reason": "length"}),
    "stop_sequence": (Stop("stop_sequence", "X"), {"finish_reason": "stop", "stop_reason": "X"}),
    "unnamed stop_sequence": (Stop("stop_sequence"), {"finish_reason": "stop"}),
    "tool_use": (Stop("tool_use"), {"finish_reason": "tool_calls"}),
    "refusal": (Stop("refusal"), {"finish_reason": "content_filter"}),
    "content_filter": (Stop("content_filter"), {"finish_reason": "content_filter"}),
    "pause": (Stop("pause"), {"finish_reason": "length"}),
    "context_window": (Stop("context_window"), {"finish_reason": "length"}),
    "unknown": (Stop("unknown", raw="weird"), {"finish_reason": "length", "native_finish_reason": "weird"}),
    "unknown without a vendor's reason": (Stop("unknown"), {"finish_reason": "length"}),
    "a filter by the vendor's name": (
        Stop("content_filter", raw="SAFETY"),
        {"finish_reason": "content_filter", "native_finish_reason": "SAFETY"},
    ),
    "the vendor's exact reason": (Stop("content_filter", raw="content_filter"), {"finish_reason": "content_filter"}),
}


@pytest.mark.parametrize("case", STOPS)
def test_stop_reasons_are_written(case: str) -> None:
    stop, expected = STOPS[case]
    choice = write_response(answer(Text("x"), stop=stop), envelope())["choices"][0]
    assert {name: choice[name] for name in expected} == expected
    written = write_stream([ResponseStart("r1", "m"), ResponseEnd(stop)])
    last = [decode(frame.data) for frame in FrameDecoder().feed(written) if frame.data not in (None, "[DONE]")][-2]
    assert {name: last["choices"][0][name] for name in expected} == expected


def test_the_usage_chunk_is_sent_only_on_request() -> None:
    events = list(unfold(answer(Text("hi"))))
    with_usage, without = write_stream(events), write_stream(events, include_usage=False)
    assert with_usage.endswith(b"data: [DONE]\n\n") and without.endswith(b"data: [DONE]\n\n")
    chunks = check_chunks(with_usage)
    assert chunks[-1].choices == [] and chunks[-1].usage is not None and chunks[-1].usage.total_tokens == 29
    assert all(chunk.usage is None for chunk in chunks[:-1]) and with_usage.count(b'"usage":null') == len(chunks) - 1
    assert b"usage" not in without
    assert [chunk.choices[0].finish_reason for chunk in check_chunks(without)][-1] == "stop"


def test_a_stream_has_one_role_one_finish_reason_and_constant_ids() -> None:
    chunks = check_chunks(
        write_stream(unfold(answer(SIGNED, Text("x"), CALL, stop=Stop("tool_use"))), include_usage=False)
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    assert all(chunk.choices[0].delta.role is None for chunk in chunks[1:])
    assert [chunk.choices[0].finish_reason for chunk in chunks].count("tool_calls") == 1
    assert {(chunk.id, chunk.model, chunk.created) for chunk in chunks} == {("r1", "m", 7)}


def test_pings_and_dropped_content_write_nothing() -> None:
    writer = StreamWriter(envelope())
    assert writer.write(ResponseStart("i", "m")) != b""
    assert writer.write(Ping()) == writer.write(ContentDropped("annotations")) == b""


def test_signatures_at_the_end_of_a_part_are_written() -> None:
    events: list[Event] = [
        ResponseStart("i", "m"),
        PartStart(0, Reasoning("")),
        PartDelta(0, "t"),
        PartEnd(0, Signature("messages", "late")),
        PartStart(1, ToolCall("c", "f", "")),
        PartEnd(1, GEMINI),
        ResponseEnd(Stop("tool_use")),
    ]
    state = ChatCompletionStreamState()
    for chunk in check_chunks(write_stream(events)):
        state.handle_chunk(chunk)
    message = state.get_final_completion().choices[0].message.model_dump(mode="json")
    read = read_request({"messages": [message]}).request.messages[0].parts
    assert read == (Reasoning("t", Signature("messages", "late")), ToolCall("c", "f", "{}", GEMINI))
