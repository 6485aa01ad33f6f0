"""Which events are the first content: before it another attempt may answer, after it none may.

Client dialects and translated vendor streams agree on what content is; passthrough bytes hold more kinds, and
unknown ones count as content.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nexus.conversation.events import has_content
from nexus.errors import VendorError
from nexus.protocols import loader
from nexus.protocols.answer_relay import Tap
from nexus.protocols.chat.passthrough import ChatPassthrough
from nexus.protocols.dialect import AnswerRelay
from nexus.protocols.messages.passthrough import MessagesPassthrough
from nexus.protocols.responses.passthrough import ResponsesPassthrough
from nexus.protocols.sse import DONE, Frame, FrameDecoder
from tests.laws.kit import origin, stream_of

PASSES: dict[str, Callable[[], AnswerRelay]] = {
    "chat": lambda: ChatPassthrough({"stream": True}, "v/m", Tap()),
    "messages": lambda: MessagesPassthrough("v/m", Tap()),
    "responses": lambda: ResponsesPassthrough("v/m", Tap()),
}
"""Passthrough relays of the client dialects."""

Wire = dict[str, Any]


def chunk(**delta: Any) -> Wire:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def called(**function: Any) -> Wire:
    return chunk(tool_calls=[{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f"} | function}])


def block(type: str, **members: Any) -> Wire:
    return {"type": "content_block_start", "index": 0, "content_block": {"type": type} | members}


def delta(type: str, **members: Any) -> Wire:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": type} | members}


def item(kind: str, type: str, **members: Any) -> Wire:
    return {"type": f"response.output_item.{kind}", "output_index": 0, "item": {"type": type, "id": "i_1"} | members}


def said(kind: str, **members: Any) -> Wire:
    return {"type": f"response.{kind}", "output_index": 0, "content_index": 0, "item_id": "i_1"} | members


def candidate(*parts: Wire, **members: Any) -> Wire:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}} | members]}


def converse(event: str, **payload: Any) -> Wire:
    """Its events are identified by their names alone."""
    return {"EVENT": event} | payload


def bedrock(**delta: Any) -> Wire:
    return converse("contentBlockDelta", contentBlockIndex=0, delta=delta)


MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {}}
RESPONSE = {"id": "resp_1", "object": "response", "model": "m", "output": [], "status": "in_progress"}
CALL = {"name": "f", "call_id": "call_1"}
TOOL = block("tool_use", id="toolu_1", name="f", input={})
NOVAS_TOOL = converse(
    "contentBlockStart", contentBlockIndex=0, start={"toolUse": {"toolUseId": "tooluse_1", "name": "f"}}
)

NOTHING: dict[str, dict[str, Any]] = {
    "chat": {
        "role": chunk(role="assistant"),
        "role and empty content": chunk(role="assistant", content="", refusal=None),
        "nulls": chunk(content=None, tool_calls=None, reasoning_content=None, reasoning_details=[]),
        "the name of a tool": called(arguments=""),
        "the name of an old function": chunk(function_call={"name": "f", "arguments": ""}),
        "no delta": chunk(),
        "no choices": {"id": "c", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        "usage": {"id": "c", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 0}},
    },
    "messages": {
        "start": {"type": "message_start", "message": MESSAGE},
        "ping": {"type": "ping"},
        "keepalive": {"type": "keepalive"},
        "empty text": block("text", text=""),
        "empty thinking": block("thinking", thinking="", signature=""),
        "a tool": TOOL,
        "the vendor's own tool": block("server_tool_use", id="srvtoolu_1", name="web_search", input={}),
        "empty text delta": delta("text_delta", text=""),
        "empty arguments": (TOOL, delta("input_json_delta", partial_json="")),
        "empty thinking delta": delta("thinking_delta", thinking=""),
        "the end of a block": {"type": "content_block_stop", "index": 0},
        "usage": {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 0}},
    },
    "responses": {
        "created": {"type": "response.created", "response": RESPONSE},
        "in progress": {"type": "response.in_progress", "response": RESPONSE},
        "queued": {"type": "response.queued", "response": RESPONSE},
        "keepalive": {"type": "keepalive", "sequence_number": 3},
        "empty message": item("added", "message", role="assistant", content=[], status="in_progress"),
        "empty reasoning": item("added", "reasoning", summary=[], encrypted_content="gAAAA"),
        "a function": item("added", "function_call", arguments="", status="in_progress", **CALL),
        "a custom tool": item("added", "custom_tool_call", input="", status="in_progress", **CALL),
        "a search": item("added", "web_search_call", status="in_progress", action={"type": "search", "query": ""}),
        "the search runs": said("web_search_call.searching"),
        "empty text": said("content_part.added", part={"type": "output_text", "text": "", "annotations": []}),
        "empty refusal": said("content_part.added", part={"type": "refusal", "refusal": ""}),
        "empty summary": said("reasoning_summary_part.added", part={"type": "summary_text", "text": ""}),
        "empty delta": said("output_text.delta", delta=""),
    },
    "gemini": {
        "nothing but usage": {"usageMetadata": {"promptTokenCount": 7}, "modelVersion": "m", "responseId": "r"},
        "an empty text": candidate({"text": ""}),
        "no parts": {"candidates": [{"index": 0, "content": {"role": "model"}}]},
    },
    "converse": {
        "start": converse("messageStart", role="assistant"),
        "a tool": NOVAS_TOOL,
        "empty text": bedrock(text=""),
        "empty arguments": (NOVAS_TOOL, bedrock(toolUse={"input": ""})),
        "the end of a block": converse("contentBlockStop", contentBlockIndex=0),
    },
}
"""By dialect: events that only announce that an answer began or continues."""

CONTENT: dict[str, dict[str, Any]] = {
    "chat": {
        "text": chunk(content="a"),
        "text with a role": chunk(role="assistant", content="a"),
        "a list of parts": chunk(content=[{"type": "text", "text": "a"}]),
        "refusal": chunk(refusal="no"),
        "reasoning_content": chunk(reasoning_content="hm"),
        "reasoning": chunk(reasoning="hm"),
        "reasoning_details": chunk(reasoning_details=[{"type": "reasoning.text", "text": "hm", "index": 0}]),
        "arguments": called(arguments="{"),
        "arguments as an object": called(arguments={"x": 1}),
        "arguments of an old function": chunk(function_call={"name": "f", "arguments": "{"}),
        "a whole message": {"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}}]},
    },
    "messages": {
        "text": delta("text_delta", text="a"),
        "thinking": delta("thinking_delta", thinking="hm"),
        "why it was stopped": {
            "type": "message_delta",
            "delta": {"stop_reason": "refusal", "stop_details": {"type": "refusal", "explanation": "no"}},
        },
        "signature": (delta("signature_delta", signature="c2ln"), {"type": "content_block_stop", "index": 0}),
        "arguments": (TOOL, delta("input_json_delta", partial_json="{")),
        "text at the start": block("text", text="a"),
        "redacted thinking": block("redacted_thinking", data="b3Bh"),
    },
    "responses": {
        "text": said("output_text.delta", delta="a"),
        "refusal": said("refusal.delta", delta="no"),
        "summary": said("reasoning_summary_text.delta", delta="hm", summary_index=0),
        "reasoning": said("reasoning_text.delta", delta="hm"),
        "a whole message": item("done", "message", role="assistant", content=[{"type": "output_text", "text": "a"}]),
        "a whole function call": item("done", "function_call", arguments="{}", **CALL),
        "a whole reasoning item": item(
            "done", "reasoning", summary=[{"type": "summary_text", "text": "hm"}], encrypted_content="gAAAA"
        ),
    },
    "gemini": {
        "text": candidate({"text": "a"}),
        "thought": candidate({"text": "hm", "thought": True}),
        "a call without arguments": candidate({"functionCall": {"name": "f"}}),
        "an image": candidate({"inlineData": {"mimeType": "image/png", "data": "aGk="}}),
    },
    "converse": {
        "text": bedrock(text="a"),
        "thinking": bedrock(reasoningContent={"text": "hm"}),
        "arguments": (NOVAS_TOOL, bedrock(toolUse={"input": "{"})),
    },
}
"""By dialect: events with content."""

NEW: dict[str, dict[str, Wire]] = {
    "chat": {"a member of a delta": chunk(role="assistant", hologram={"id": 1})},
    "messages": {
        "an event": {"type": "hologram", "id": 1},
        "a block": block("hologram"),
        "a delta": delta("hologram_delta", id=1),
        "the result of a search": block("web_search_tool_result", tool_use_id="srvtoolu_1", content=[]),
    },
    "responses": {
        "an event": {"type": "response.hologram", "id": 1},
        "an item": item("added", "hologram"),
        "a piece of an image": said("image_generation_call.partial_image", partial_image_b64="aGk="),
        "a whole search": item("done", "web_search_call", status="completed"),
    },
}
"""Passthrough events that Nexus does not know, or that no other dialect has."""


def cases(table: dict[str, dict[str, Any]]) -> Any:
    return [
        pytest.param(
            dialect, list(map(framed, wires if isinstance(wires, tuple) else (wires,))), id=f"{dialect}: {name}"
        )
        for dialect in table
        for name, wires in table[dialect].items()
    ]


def framed(wire: Wire) -> Frame:
    event, data = wire.get("EVENT", wire.get("type")), json.dumps({k: v for k, v in wire.items() if k != "EVENT"})
    name = f"event: {event}\n" if event else ""
    return Frame(f"{name}data: {data}\n\n".encode(), event, data)


def passes(dialect: str, frames: list[Frame]) -> bool:
    relay = PASSES[dialect]()
    for frame in frames:
        relay.frame(frame)
    return relay.content


def translates(dialect: str, frames: list[Frame]) -> bool:
    reader = loader.vendor(dialect).stream_reader(origin())
    return any(has_content(event) for frame in frames for event in reader.feed(frame.event, frame.data or ""))


@pytest.mark.parametrize(("dialect", "frames"), cases(NOTHING))
def test_events_without_content_are_not_content(dialect: str, frames: list[Frame]) -> None:
    assert not translates(dialect, frames)
    assert dialect not in PASSES or not passes(dialect, frames)


@pytest.mark.parametrize(("dialect", "frames"), cases(CONTENT))
def test_content_is_recognized(dialect: str, frames: list[Frame]) -> None:
    assert translates(dialect, frames)
    assert dialect not in PASSES or passes(dialect, frames)


@pytest.mark.parametrize(("dialect", "frames"), cases(NEW))
def test_unknown_events_are_content_on_passthrough(dialect: str, frames: list[Frame]) -> None:
    assert passes(dialect, frames)


@pytest.mark.parametrize("dialect", PASSES)
@pytest.mark.parametrize("raw", [b": hello\n\n", b"data: {broken\n\n", b"id: 1\n\n", b"data: [DONE]\n\n"], ids=repr)
def test_comments_and_invalid_frames_are_not_content(dialect: str, raw: bytes) -> None:
    assert not passes(dialect, FrameDecoder().feed(raw))


FIXTURES = [
    pytest.param(dialect, file, id=f"{dialect}: {file.parent.name}")
    for dialect in PASSES
    for file in sorted(Path("tests/fixtures", dialect).glob("*/upstream.sse"))
]


@pytest.mark.parametrize(("dialect", "file"), FIXTURES)
def test_content_of_real_streams_begins_at_one_place(dialect: str, file: Path) -> None:
    """On passthrough no later than on translation."""
    relay, reader = PASSES[dialect](), loader.vendor(dialect).stream_reader(origin())
    for frame in stream_of(file):
        relay.frame(frame)
        data = (frame.data or "").strip()
        try:
            told = any(map(has_content, reader.feed(frame.event, data))) if data else False
        except VendorError:
            assert relay.failure is not None
            return
        if relay.content or told:
            assert relay.content
            return
    assert relay.complete or relay.ended or data == DONE or not told, "the stream had no content"


ERRORS: dict[str, tuple[str, Wire, str, int]] = {
    "messages": (
        "messages",
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        "overloaded",
        529,
    ),
    "chat": ("chat", {"error": {"message": "Busy", "code": "server_overloaded"}}, "overloaded", 503),
    "chat, in words": ("chat", {"error": "Busy"}, "upstream", 502),
    "responses, flat": (
        "responses",
        {"type": "error", "code": "rate_limit_exceeded", "message": "x"},
        "rate_limit",
        429,
    ),
    "responses, failed": (
        "responses",
        {"type": "response.failed", "response": RESPONSE | {"error": {"code": "server_is_overloaded", "message": "x"}}},
        "overloaded",
        503,
    ),
}


@pytest.mark.parametrize(("dialect", "wire", "kind", "status"), ERRORS.values(), ids=ERRORS.keys())
def test_a_vendors_error_passes_and_is_recognized(dialect: str, wire: Wire, kind: str, status: int) -> None:
    relay, frame = PASSES[dialect](), framed(wire)
    assert relay.frame(frame) == frame.raw.replace(b'"model": "m"', b'"model": "v/m"')
    assert relay.failure is not None
    assert (relay.failure.kind, relay.failure.status, relay.content) == (kind, status, False)
