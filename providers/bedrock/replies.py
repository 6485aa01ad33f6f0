"""Reads Bedrock's replies: event streams become server-sent events.

No event's JSON is changed. Both checksums of every message are verified, or the stream fails with an error; a stream
that ends inside a message never looks complete. Bedrock sends no pings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from nexus.errors import ProtocolError, Unreachable, VendorError
from nexus.headers.redaction import Redactor
from nexus.protocols import eventstream
from nexus.protocols.converse.read_error import is_failure, read_stream_error
from nexus.protocols.messages.write_error import write_error
from nexus.upstream.request import UpstreamReply
from nexus.wire import base64_bytes, decode, decode_object, mapping, text

EVENT_STREAM = "application/vnd.amazon.eventstream"
FIRST_BYTE = b"\0"
"""The first byte of a message's length, which is below 16 MiB in every stream seen."""

REQUEST_ID = "x-amzn-requestid"

Writer = Callable[[str, str, str], bytes]
"""Event name, JSON and request id -> one server-sent event, or nothing."""


class StreamReply(UpstreamReply):
    """An AWS event stream, read as server-sent events."""

    def __init__(self, inner: UpstreamReply, provider: str, write: Writer) -> None:
        self.status, self.secrets, self._inner = inner.status, inner.secrets, inner
        self.headers = {**inner.headers, "content-type": "text/event-stream"}
        self._provider = provider
        self._write = write
        self._decoder = eventstream.Decoder()
        self._redactor = Redactor.of(inner.secrets)
        self._broken: ProtocolError | None = None
        self._originals: deque[bytes] = deque()
        self._unsent = b""

    def begin_piece(self, within: float) -> None:
        self._inner.begin_piece(within)

    def end_within(self, seconds: float) -> None:
        self._inner.end_within(seconds)

    def close(self) -> None:
        self._inner.close()

    def original(self) -> bytes:
        return self._originals.popleft() if self._originals else b""

    def _next(self) -> bytes:
        """Raises ProtocolError if the bytes are not an event stream, Unreachable if it is incomplete.

        What precedes the fault is returned first, however the bytes were split.
        """
        written = b""
        while not written and self._broken is None and (piece := self._inner.read()):
            written = self._frames(piece)
        if written:
            return written
        if self._broken is not None:
            raise self._broken
        self._check_end()
        return b""

    def _frames(self, piece: bytes) -> bytes:
        frames: list[bytes] = []
        self._originals.clear()
        try:
            for message in self._decoder.feed(piece):
                name, payload = eventstream.named(message)
                original = message.raw
                if is_failure(name) and (shown := self._redactor.cut_text(payload)) != payload:
                    payload, original = shown, b""
                frames.append(self._write(name, payload, self.headers.get(REQUEST_ID, "")))
                self._unsent += original
                if frames[-1]:
                    self._originals.append(self._unsent if original else b"")
                    self._unsent = b""
        except ValueError as error:
            self._broken = ProtocolError(
                f"{self._provider}: the event stream is corrupt: {error}", provider=self._provider
            )
        return b"".join(frames)

    def _check_end(self) -> None:
        # The decoder reports a fault after good messages with the next piece, so feed it an empty one.
        self._frames(b"")
        if self._broken is not None:
            raise self._broken
        try:
            self._decoder.finish()
        except ValueError as error:
            raise Unreachable(f"{self._provider}: the connection was lost", provider=self._provider) from error


def write_invoke_event(name: str, payload: str, request_id: str) -> bytes:
    """A Messages event from a ``chunk``; an exception becomes the dialect's own ``error`` event."""
    wire = mapping(decode(payload)) if payload else {}
    if is_failure(name):
        return _sse("error", write_error(VendorError(read_stream_error(name, wire)), request_id))
    if name != "chunk":
        return b""
    if (raw := base64_bytes(text(wire.get("bytes")))) is None:
        raise ValueError("a chunk is not base64")
    kind = mapping(decode(raw)).get("type")
    if not isinstance(kind, str) or not kind.isprintable():
        raise ValueError("a chunk without a type")
    return _sse(kind, raw)


def write_converse_event(name: str, payload: str, request_id: str) -> bytes:
    """The event unchanged; the dialect's reader recognizes exceptions by name."""
    if not name.isprintable():
        raise ValueError("an event without a name")
    return _sse(name, payload.encode() or b"{}")


def _sse(name: str, data: bytes) -> bytes:
    """JSON may contain line breaks between its tokens; each line becomes a ``data`` line."""
    lines = b"".join(b"data: %b\n" % line for line in data.splitlines())
    return b"event: %b\n%b\n" % (name.encode(), lines)


def answered_in_dialect(body: bytes) -> bool:
    """Whether an error has Anthropic's format, and so comes from Claude's server rather than from AWS."""
    wire = decode_object(body)
    return wire.get("type") == "error" and bool(mapping(wire.get("error")))
