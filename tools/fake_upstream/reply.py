"""Turns an Answer and a Behaviour into bytes and TCP events on a wire.

Sends the head and the first frame in one write unless a wait comes between them; passes all earlier data to the kernel
before a wait begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from itertools import chain, islice, repeat

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.vendors import Answer
from tools.fake_upstream.wire import PeerGone, Wire

JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"
NOT_HTTP = b"\x15\x03\x01\x00\x02\x02\x28 this is not HTTP\n\n"
NOT_JSON = b'{"id": "fake", "choices": [ this is not JSON'
NOT_SSE = (b"data: {this is not JSON\n\n", b"\x00\xff\xfe this is no field\n\n", b"event: \xc3\x28\ndata\n\n")
# Copies of an endless stream's delta per write.
BATCH = 64


def send_reply(
    wire: Wire, request: SeenRequest, behaviour: Behaviour, answer: Answer, identity: tuple[str, str], error: bytes
) -> bool:
    """Sends the answer; returns whether the connection can take another request.

    ``error`` is the in-band event for ``error_after``. Raises PeerGone.
    """
    if behaviour.hang:
        wire.pause(None)
    wire.pause(behaviour.delay)
    if behaviour.close_before_head:
        return False
    if behaviour.reset_after == 0:
        wire.reset()
        return False
    match behaviour.garbage:
        case "http":
            wire.send(NOT_HTTP)
            return False
        case "json":
            answer = Answer(NOT_JSON)
        case "sse":
            answer = replace(answer, frames=NOT_SSE, opening=0)
    if request.version == "HTTP/1.0":
        behaviour = replace(behaviour, chunked=False)
    if answer.frames is None:
        return _send_body(wire, request, behaviour, answer, identity)
    return _send_frames(wire, request, behaviour, answer, identity, error)


def _send_body(
    wire: Wire, request: SeenRequest, behaviour: Behaviour, answer: Answer, identity: tuple[str, str]
) -> bool:
    if behaviour.hold:
        wire.hold(behaviour.hold)
    about = (("content-type", answer.media_type or JSON), ("content-length", str(len(answer.body))), identity)
    head = _head(request, behaviour, about + answer.headers)
    limit = _first(behaviour.cut_after, behaviour.reset_after)
    wire.send(head + answer.body[:limit])
    if behaviour.reset_after is not None:
        wire.reset()
    return limit is None and request.keep_alive


def _send_frames(
    wire: Wire, request: SeenRequest, behaviour: Behaviour, answer: Answer, identity: tuple[str, str], error: bytes
) -> bool:
    framing = ("transfer-encoding", "chunked") if behaviour.chunked else ("connection", "close")
    about = (("content-type", answer.media_type or EVENTS), framing, identity)
    out = _Stream(wire, behaviour, _head(request, behaviour, about + answer.headers))
    limit = _first(behaviour.cut_after, behaviour.reset_after, behaviour.end_after, behaviour.error_after)
    for number, frame in enumerate(islice(_frames(behaviour, answer), limit)):
        _wait(wire, out, behaviour, number)
        out.add(frame)
        if behaviour.endless and number >= answer.opening and limit is None and out.can_batch:
            out.repeat(frame)
    if behaviour.error_after is not None:
        out.add(error)
    out.flush()
    if behaviour.reset_after is not None:
        wire.reset()
        return False
    if behaviour.cut_after is not None:
        return False
    try:
        out.finish()
    except PeerGone:
        # Not an error: the client has the last event, and only the end of the body is missing.
        return False
    return behaviour.chunked and request.keep_alive


def _frames(behaviour: Behaviour, answer: Answer) -> Iterator[bytes]:
    frames = behaviour.events if behaviour.events is not None else (answer.frames or ())
    if not behaviour.endless:
        return iter(frames)
    last = len(frames) - 1 if behaviour.events is not None else answer.opening
    return chain(frames[:last], repeat(frames[last]))


def _wait(wire: Wire, out: _Stream, behaviour: Behaviour, number: int) -> None:
    """Waits before the event of this number."""
    delay = behaviour.event_delay if behaviour.only_before in (None, number) else 0.0
    pause = delay if number else behaviour.first_event_delay
    holds = [behaviour.hold] if behaviour.hold and number == 0 else []
    holds += behaviour.steps[number : number + 1]
    if pause or holds:
        out.flush()
    for hold in holds:
        wire.hold(hold)
    if pause:
        wire.pause(pause)


class _Stream:
    """The body of a streamed reply: cuts pieces, frames chunks."""

    def __init__(self, wire: Wire, behaviour: Behaviour, head: bytes) -> None:
        self._wire = wire
        self._head = head
        self._buffer = bytearray()
        self._chunked = behaviour.chunked
        self._piece_size = behaviour.piece_size
        self.can_batch = not (behaviour.piece_size or behaviour.event_delay)

    def add(self, data: bytes) -> None:
        self._buffer += data
        size = self._piece_size or len(self._buffer)
        while len(self._buffer) >= size > 0:
            self._emit(bytes(self._buffer[:size]))
            del self._buffer[:size]

    def flush(self) -> None:
        if self._buffer or self._head:
            self._emit(bytes(self._buffer))
            self._buffer.clear()

    def repeat(self, frame: bytes) -> None:
        """Sends the frame for ever, as fast as the peer reads."""
        batch = self._framed(frame) * BATCH
        while True:
            self._wire.send(batch)

    def finish(self) -> None:
        if self._chunked:
            self._wire.send(b"0\r\n\r\n")

    def _emit(self, piece: bytes) -> None:
        self._wire.send(self._head + (self._framed(piece) if piece else b""))
        self._head = b""

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data


def _head(request: SeenRequest, behaviour: Behaviour, headers: tuple[tuple[str, str], ...]) -> bytes:
    if not request.keep_alive and ("connection", "close") not in headers:
        headers += (("connection", "close"),)
    own = {name.lower() for name, _ in behaviour.headers}
    lines = [f"HTTP/1.1 {behaviour.status} {_reason(behaviour.status)}"]
    lines += [f"{name}: {value}" for name, value in headers if name not in own]
    lines += [f"{name}: {value}" for name, value in behaviour.headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _reason(status: int) -> str:
    known = {int(entry): entry.phrase for entry in HTTPStatus}
    return known.get(status, "Unknown")


def _first(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
