"""Frames around the content that servers repeat or omit: the answer is the same, on both lanes.

A stream without an end and without a stop reason stays broken, and half a call is never sent as complete.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from nexus.conversation.events import Event, Order
from nexus.conversation.fold import fold
from nexus.conversation.parts import Response, Stop, Text, ToolCall
from nexus.protocols import loader
from nexus.protocols.answer_relay import Tap
from nexus.protocols.loader import DIALECTS
from nexus.protocols.sse import Frame

from .kit import CLIENTS, check_stream, origin, stream_of
from .test_fixtures import STREAMS, lane

Frames = list[Frame]

BASES = {
    "messages": "messages/thinking_and_tools",
    "converse": "converse/tools",
    "responses": "responses/reasoning_and_tools",
    "chat": "chat/openai-tools",
}

AROUND: Mapping[str, tuple[str, ...]] = {
    "messages": ("message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"),
    "converse": ("messageStart", "contentBlockStart", "contentBlockStop", "messageStop", "metadata"),
    "responses": (
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.added",
        "response.content_part.done",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_part.done",
        "response.output_text.done",
        "response.function_call_arguments.done",
        "response.completed",
    ),
    "chat": ("role", "end", "[DONE]"),
}
"""Frames without any of the content."""

NEEDED: Mapping[str, tuple[str, ...]] = {
    "messages": ("tool_use", "message_delta"),
    "converse": ("toolUseId", "messageStop"),
    "responses": ("response.completed",),
    "chat": (),
}
"""Substrings of the frames without which an answer is incomplete."""


def kind(vendor: str, frame: Frame) -> str:
    if vendor != "chat":
        return frame.event or ""
    if frame.data == "[DONE]":
        return "[DONE]"
    (choice, *_) = json.loads(frame.data or "{}")["choices"] or [{}]
    if choice.get("finish_reason"):
        return "end"
    return "role" if choice.get("delta", {}).keys() <= {"role", "content", "refusal"} else ""


def base(vendor: str) -> Frames:
    return [frame for frame in stream_of(STREAMS[BASES[vendor]]) if frame.data is not None]


def repeated() -> Iterator[Any]:
    for vendor in BASES:
        found = base(vendor)
        for at, frame in enumerate(found):
            if kind(vendor, frame) in AROUND[vendor]:
                yield pytest.param(vendor, [*found[: at + 1], *found[at:]], id=f"{vendor} {at} {kind(vendor, frame)}")


def missing(*, needed: bool) -> Iterator[Any]:
    for vendor in BASES:
        found = base(vendor)
        for at, frame in enumerate(found):
            is_needed = any(mark in f"{frame.event} {frame.data}" for mark in NEEDED[vendor])
            if kind(vendor, frame) in AROUND[vendor] and is_needed is needed:
                rest = [*found[:at], *found[at + 1 :]]
                yield pytest.param(vendor, rest, id=f"{vendor} {at} {kind(vendor, frame)}")


def read(vendor: str, frames: Frames) -> Response | None:
    """The answer of a stream; None if the stream is broken."""
    reader, order = loader.vendor(vendor).stream_reader(origin()), Order()
    events: list[Event] = []
    try:
        for frame in frames:
            events += reader.feed(frame.event, frame.data or "")
    except ValueError:
        return None
    events += reader.finish()
    for event in events:
        order.check(event)
    return fold(events) if reader.complete else None


def same(vendor: str, frames: Frames) -> None:
    found, whole = read(vendor, frames), read(vendor, base(vendor))
    assert found is not None and whole is not None
    assert found.parts == whole.parts
    assert found.stop.reason == whole.stop.reason
    for client in CLIENTS:
        relay = lane(client, BASES[vendor], stream=True)
        check_stream(client, b"".join(map(relay.frame, frames)) + relay.finish())


@pytest.mark.parametrize(("vendor", "frames"), list(repeated()))
def test_a_repeated_frame_changes_nothing(vendor: str, frames: Frames) -> None:
    same(vendor, frames)


@pytest.mark.parametrize(("vendor", "frames"), list(missing(needed=False)))
def test_a_missing_frame_changes_nothing(vendor: str, frames: Frames) -> None:
    same(vendor, frames)


@pytest.mark.parametrize(("vendor", "frames"), list(missing(needed=True)))
def test_a_stream_without_a_calls_name_or_an_end_is_broken(vendor: str, frames: Frames) -> None:
    if vendor == "messages" and frames[-1].event == "message_stop" and frames[-2].event != "message_delta":
        frames = frames[:-1]
    assert read(vendor, frames) is None


def passthrough(client: str, frames: Frames) -> tuple[bool, bool]:
    """Whether passthrough reports that the stream is complete, and that it may end here."""
    relay = DIALECTS[client].passing.passthrough({"stream": True}, "alias", Tap())
    for frame in frames:
        relay.frame(frame)
    return relay.complete, relay.ended


@pytest.mark.parametrize(("vendor", "frames"), [*repeated(), *missing(needed=False)])
def test_passthrough_accepts_repeated_and_missing_frames(vendor: str, frames: Frames) -> None:
    if vendor in CLIENTS:
        assert any(passthrough(vendor, frames))


def test_passthrough_reports_a_stream_without_an_end() -> None:
    for client in CLIENTS:
        last = {"messages": "message_delta", "responses": "response.completed", "chat": "end"}[client]
        found = base(client)
        cut = next(at for at, frame in enumerate(found) if kind(client, frame) == last)
        assert not any(passthrough(client, found[:cut]))


# Half a call


def event(kind: str, **members: Any) -> Frame:
    return Frame(b"", kind, json.dumps({"type": kind, **members}))


def converse(kind: str, **members: Any) -> Frame:
    return Frame(b"", kind, json.dumps(members))


CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
ITEM = {"type": "function_call", "call_id": "t", "name": "f", "arguments": ""}


def halves(arguments: str) -> Mapping[str, Frames]:
    """An answer that just ended, with a call that the vendor did not finish."""
    piece = {"type": "input_json_delta", "partial_json": arguments}
    use = {"toolUse": {"input": arguments}}
    return {
        "messages": [
            event("message_start", message={"id": "m"}),
            event("content_block_start", index=0, content_block=CALL),
            event("content_block_delta", index=0, delta=piece),
            event("content_block_start", index=1, content_block={"type": "text", "text": ""}),
            event("content_block_stop", index=1),
            event("message_delta", delta={"stop_reason": "tool_use"}),
            event("message_stop"),
        ],
        "converse": [
            converse("contentBlockStart", contentBlockIndex=0, start={"toolUse": {"toolUseId": "t", "name": "f"}}),
            converse("contentBlockDelta", contentBlockIndex=0, delta=use),
            converse("contentBlockDelta", contentBlockIndex=1, delta={"text": "x"}),
            converse("messageStop", stopReason="tool_use"),
        ],
        "responses": [
            event("response.created", response={"id": "r"}),
            event("response.output_item.added", output_index=0, item=ITEM),
            event("response.function_call_arguments.delta", output_index=0, delta=arguments),
            event("response.completed", response={"id": "r"}),
        ],
        "chat": [
            Frame(
                b"",
                None,
                json.dumps(
                    {
                        "choices": [
                            {"delta": {"tool_calls": [{"id": "t", "function": {"name": "f", "arguments": arguments}}]}}
                        ]
                    }
                ),
            ),
            Frame(b"", None, "[DONE]"),
        ],
    }


@pytest.mark.parametrize(("arguments", "reason"), [('{"a":1}', "tool_use"), ('{"a":', "unknown")])
@pytest.mark.parametrize("vendor", BASES)
def test_half_a_call_is_not_sent_as_complete(vendor: str, arguments: str, reason: str) -> None:
    answer = read(vendor, halves(arguments)[vendor])
    assert answer is not None
    (call,) = [part for part in answer.parts if isinstance(part, ToolCall)]
    assert call == ToolCall(call.id, "f", arguments)
    assert (answer.stop.reason == "unknown") is (reason == "unknown")
    for client in CLIENTS:
        relay = lane(client, BASES[vendor], stream=True)
        written = b"".join(map(relay.frame, halves(arguments)[vendor])) + relay.finish()
        done = {"chat": b'"finish_reason":"tool_calls"', "messages": b'"stop_reason":"tool_use"'}
        assert (done.get(client, b"event: response.completed") in written) is (reason == "tool_use")
        assert client != "responses" or (b'"arguments":"{\\"a\\":","status":"completed"' not in written)


def test_half_a_call_at_the_end_of_the_connection_is_a_broken_stream() -> None:
    assert read("messages", halves('{"a":')["messages"][:-1]) is None
    assert read("messages", halves('{"a":1}')["messages"][:-1]) is not None


# Specific to one dialect


def test_a_second_answer_in_one_stream_is_broken() -> None:
    begins = {"messages": ("message_start", "message"), "responses": ("response.created", "response")}
    for vendor, (kind, name) in begins.items():
        frames, begun = base(vendor), event(kind, **{name: {"id": "another"}})
        assert read(vendor, [*frames[:8], begun, *frames[8:]]) is None
        assert read(vendor, [begun, *frames[1:]]) is not None


@pytest.mark.parametrize("vendor", ["messages", "responses", "chat"])
def test_done_ends_streams_of_every_dialect(vendor: str) -> None:
    """Compatible servers write it in all dialects; alone it is not an answer."""
    last = {"messages": "message_delta", "responses": "response.completed", "chat": "end"}[vendor]
    frames = base(vendor)
    cut = next(at for at, frame in enumerate(frames) if kind(vendor, frame) == last)
    ended = [*frames[:cut], Frame(b"data: [DONE]\n\n", None, "[DONE]")]
    answer = read(vendor, ended)
    assert answer is not None and answer.stop.reason in ("end", "tool_use")
    assert any(passthrough(vendor, ended))


def test_responses_items_that_are_sent_only_when_done_are_read() -> None:
    for told in ("response.output_item.done", "response.completed"):
        same("responses", [frame for frame in base("responses") if frame.event in (told, "response.completed")])


def test_text_without_deltas_is_read() -> None:
    part = {"type": "output_text", "text": "all", "annotations": []}
    added = event("response.content_part.added", output_index=0, content_index=0, part={**part, "text": ""})
    done = event("response.content_part.done", output_index=0, content_index=0, part=part)
    item = event(
        "response.output_item.done", output_index=0, item={"type": "message", "role": "assistant", "content": [part]}
    )
    completed = event("response.completed", response={"status": "completed"})
    for frames in ([added, done, item], [added, done], [added, item], [item], [done, item]):
        answer = read("responses", [*frames, completed])
        assert answer is not None and answer.parts == (Text("all"),)


@pytest.mark.parametrize("word", ["", "null", None])
def test_an_empty_or_null_finish_reason_in_every_chunk_is_no_end(word: Any) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": word}]}
    frames = [Frame(b"data", None, json.dumps(chunk))] * 2
    assert read("chat", frames) is None
    assert passthrough("chat", frames) == (False, False)
    answer = read("chat", [*frames, Frame(b"", None, "[DONE]")])
    assert answer is not None and (answer.parts, answer.stop) == ((Text("aa"),), Stop("end"))


def test_a_last_event_without_its_blank_line_is_read() -> None:
    from nexus.protocols.sse import FrameDecoder

    ends: Mapping[bytes, bool] = {b"data: [DONE]": True, b'data: {"a":1}\n': True, b'data: {"a"': False, b": x": False}
    for raw, is_whole in ends.items():
        decoder = FrameDecoder()
        assert decoder.feed(raw) == []
        last = decoder.last()
        assert (last is not None) == is_whole
        assert last is None or last.raw.endswith(b"\n\n")
