"""Binary ``application/vnd.amazon.eventstream`` messages: bytes in any chunking -> whole messages, and back.

The messages that come out never depend on how the bytes were cut, and whatever breaks the framing is
CorruptMessage, once and for all. botocore reads them, both checksums and all lengths included; it is imported with the
first stream. Source: the event-stream specification of the AWS SDKs (Smithy, "Amazon Event Stream").

    message = total length u32 | headers length u32 | CRC32 of these 8 bytes | headers | payload | CRC32 of all before
    header  = name length u8 | name | type u8 | value
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

from nexus.dataclasses import dataclass, field
from nexus.wire import encode as encode_json

MAX_PAYLOAD = 24 * 1024 * 1024
"""Limit of the format itself."""

_OVERHEAD = 16
_STRING = b"\x07"


class CorruptMessage(ValueError):
    """The bytes are not an event stream, or not the one that was sent."""


@dataclass(frozen=True, slots=True)
class EventMessage:
    """``headers`` that are not strings have whatever value botocore reads; ``raw`` are a read message's own bytes."""

    payload: bytes
    headers: Mapping[str, Any] = field(default_factory=dict)
    raw: bytes = field(default=b"", compare=False, repr=False)


class Decoder:
    """Feed it bytes; it returns the messages that became complete.

    A corrupt message is raised only after the good ones before it were returned: by the next ``feed`` or by
    ``finish``, which also refuses a stream that ends inside a message.
    """

    def __init__(self) -> None:
        from botocore.eventstream import EventStreamBuffer  # type: ignore[import-untyped]

        self._buffer = EventStreamBuffer()
        self._unread = bytearray()
        self._broken: CorruptMessage | None = None

    def feed(self, piece: bytes) -> list[EventMessage]:
        """Raises CorruptMessage."""
        if self._broken is not None:
            raise self._broken
        self._buffer.add_data(piece)
        self._unread += piece
        messages: list[EventMessage] = []
        try:
            for message in self._buffer:
                length = message.prelude.total_length
                messages.append(EventMessage(message.payload, message.headers, bytes(self._unread[:length])))
                del self._unread[:length]
        except Exception as error:
            self._broken = CorruptMessage(str(error) or type(error).__name__)
            if not messages:
                raise self._broken from error
        return messages

    def finish(self) -> None:
        """Raises CorruptMessage unless the bytes ended where a message ended."""
        if self._broken is not None:
            raise self._broken
        if self._unread:
            raise CorruptMessage("the stream ends inside a message")


def encode(message: EventMessage) -> bytes:
    """One message as bytes, with strings as its headers. Raises ValueError for what the format cannot hold."""
    headers = b"".join(_sized(">B", name) + _STRING + _sized(">H", value) for name, value in message.headers.items())
    if len(message.payload) > MAX_PAYLOAD:
        raise ValueError("the message is too large for an event stream")
    lengths = struct.pack(">II", len(headers) + len(message.payload) + _OVERHEAD, len(headers))
    body = lengths + _crc(lengths) + headers + message.payload
    return body + _crc(body)


def _crc(raw: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(raw))


def _sized(layout: str, text: str) -> bytes:
    raw = text.encode()
    try:
        return struct.pack(layout, len(raw)) + raw
    except struct.error as error:
        raise ValueError("a header name or value is too long") from error


def event_message(event: str, payload: bytes) -> bytes:
    headers = {":event-type": event, ":content-type": "application/json", ":message-type": "event"}
    return encode(EventMessage(payload, headers))


def exception_message(exception: str, payload: bytes) -> bytes:
    """A modelled failure in the middle of a stream as bytes."""
    headers = {":exception-type": exception, ":content-type": "application/json", ":message-type": "exception"}
    return encode(EventMessage(payload, headers))


def named(message: EventMessage) -> tuple[str, str]:
    """A message as the event name and JSON text that a StreamReader is fed. Raises CorruptMessage.

    An exception comes under its own name (always ending in "Exception"), an unmodelled error as "error" with the code
    in ``__type``.
    """
    kind = message.headers.get(":message-type")
    match kind:
        case "event":
            return _header(message, ":event-type"), _text(message.payload)
        case "exception":
            name = _header(message, ":exception-type")
            return name if name.lower().endswith("exception") else f"{name}Exception", _text(message.payload)
        case "error":
            code, words = _header(message, ":error-code"), message.headers.get(":error-message", "")
            return "error", _text(encode_json({"__type": code, "message": str(words)}))
        case _:
            raise CorruptMessage(f"a message of unknown type {kind!r}")


def _header(message: EventMessage, name: str) -> str:
    value = message.headers.get(name)
    if not isinstance(value, str):
        raise CorruptMessage(f"a message without {name}")
    return value


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise CorruptMessage("a payload is not UTF-8") from error
