"""Neutral answers as chat clients get them, whole and streamed."""

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

from nexus.conversation.events import ResponseEnd, ResponseStart
from nexus.conversation.fold import unfold
from nexus.conversation.parts import Reasoning, Refusal, Response, Signature, Stop, StreamPart, Text, ToolCall
from nexus.conversation.usage import Usage
from nexus.protocols.chat.write_response import write_response
from nexus.protocols.sse import FrameDecoder
from nexus.wire import Json, decode
from tests.protocols.kit import envelope

from .kit import check_chunks, check_response, write_stream

END = Stop("end")
USAGE = Usage(input=8, cache_read=8, cache_write_5m=4, output=4, reasoning=5)
SIGNED = Reasoning("why", Signature("messages", "sig"))
REDACTED = Reasoning("", Signature("messages", "enc"), redacted=True)
GEMINI = Signature("gemini", "ts")


def answer(*parts: StreamPart, stop: Stop = END, usage: Usage = USAGE) -> Response:
    return Response("r1", "m", parts, stop, usage)


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
