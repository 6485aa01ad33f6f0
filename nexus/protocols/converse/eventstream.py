"""Binary ``application/vnd.amazon.eventstream`` messages: bytes in any chunking -> whole messages, and back.

Law: both checksums and every length are checked before a byte is believed; the messages that come out never depend on
how the bytes were cut; whatever breaks the framing is CorruptMessage, once and for all. Source: the event-stream
specification of the AWS SDKs (Smithy, "Amazon Event Stream").

    message = total length u32 | headers length u32 | CRC32 of these 8 bytes | headers | payload | CRC32 of all before
    header  = name length u8 | name | type u8 | value
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from nexus.wire import encode as encode_json

MAX_HEADERS = 128 * 1024
MAX_PAYLOAD = 24 * 1024 * 1024
"""Limits of the format itself."""

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_OVERHEAD = _PRELUDE.size + _CRC.size


class CorruptMessage(ValueError):
    """The bytes are not an event stream, or not the one that was sent."""


@dataclass(frozen=True, slots=True)
class Timestamp:
    """Milliseconds since 1970, UTC."""

    milliseconds: int


HeaderValue = bool | int | bytes | str | Timestamp | UUID


@dataclass(frozen=True, slots=True)
class EventMessage:
    payload: bytes
    headers: Mapping[str, HeaderValue] = field(default_factory=dict)


class Decoder:
    """Feed it bytes; it returns the messages that became complete.

    A corrupt message is raised only after the good ones before it were returned: by the next ``feed`` or by
    ``finish``, which also refuses a stream that ends inside a message.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._broken: CorruptMessage | None = None

    def feed(self, piece: bytes) -> list[EventMessage]:
        """Raises CorruptMessage."""
        if self._broken is not None:
            raise self._broken
        self._buffer += piece
        messages: list[EventMessage] = []
        start = 0
        try:
            while (end := _message_end(self._buffer, start)) is not None:
                messages.append(_read_message(bytes(self._buffer[start:end])))
                start = end
        except CorruptMessage as broken:
            self._broken = broken
            if not messages:
                raise
        del self._buffer[:start]
        return messages

    def finish(self) -> None:
        """Raises CorruptMessage unless the bytes ended where a message ended."""
        if self._broken is not None:
            raise self._broken
        if self._buffer:
            raise CorruptMessage("the stream ends inside a message")


def _message_end(buffer: bytearray, start: int) -> int | None:
    """Where the message at ``start`` ends, or None while it is not whole. Checks the prelude as soon as it is there."""
    if len(buffer) - start < _PRELUDE.size:
        return None
    total, headers, crc = _PRELUDE.unpack_from(buffer, start)
    if zlib.crc32(buffer[start : start + 8]) != crc:
        raise CorruptMessage("checksum of a prelude does not match")
    if headers > MAX_HEADERS or total < headers + _OVERHEAD or total - headers - _OVERHEAD > MAX_PAYLOAD:
        raise CorruptMessage(f"impossible lengths: message {total}, headers {headers}")
    end: int = start + total
    return end if len(buffer) >= end else None


def _read_message(raw: bytes) -> EventMessage:
    headers_length = _PRELUDE.unpack_from(raw)[1]
    body_end = len(raw) - _CRC.size
    if zlib.crc32(raw[:body_end]) != _CRC.unpack_from(raw, body_end)[0]:
        raise CorruptMessage("checksum of a message does not match")
    headers_end = _PRELUDE.size + headers_length
    return EventMessage(raw[headers_end:body_end], _read_headers(raw[_PRELUDE.size : headers_end]))


def _read_headers(raw: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    cursor = _Cursor(raw)
    try:
        while not cursor.at_end:
            name = cursor.take(cursor.number(">B")).decode()
            kind = cursor.number(">B")
            if name in headers or kind not in _READERS:
                raise CorruptMessage(f"header {name!r} is repeated or of unknown type {kind}")
            headers[name] = _READERS[kind](cursor)
    except UnicodeDecodeError as error:
        raise CorruptMessage("a header is not UTF-8") from error
    return headers


class _Cursor:
    """Reads forward through bytes that may be too short."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._raw)

    def take(self, size: int) -> bytes:
        piece = self._raw[self._at : self._at + size]
        if len(piece) != size:
            raise CorruptMessage("a header is cut short")
        self._at += size
        return piece

    def number(self, layout: str) -> int:
        return int(struct.unpack(layout, self.take(struct.calcsize(layout)))[0])


_READERS: Mapping[int, Callable[[_Cursor], HeaderValue]] = {
    0: lambda cursor: True,
    1: lambda cursor: False,
    2: lambda cursor: cursor.number(">b"),
    3: lambda cursor: cursor.number(">h"),
    4: lambda cursor: cursor.number(">i"),
    5: lambda cursor: cursor.number(">q"),
    6: lambda cursor: cursor.take(cursor.number(">H")),
    7: lambda cursor: cursor.take(cursor.number(">H")).decode(),
    8: lambda cursor: Timestamp(cursor.number(">q")),
    9: lambda cursor: UUID(bytes=cursor.take(16)),
}


def encode(message: EventMessage) -> bytes:
    """One message as bytes. Raises ValueError for what the format cannot hold."""
    headers = b"".join(_write_header(name, value) for name, value in message.headers.items())
    if len(headers) > MAX_HEADERS or len(message.payload) > MAX_PAYLOAD:
        raise ValueError("the message is too large for an event stream")
    lengths = struct.pack(">II", len(headers) + len(message.payload) + _OVERHEAD, len(headers))
    body = lengths + _CRC.pack(zlib.crc32(lengths)) + headers + message.payload
    return body + _CRC.pack(zlib.crc32(body))


def _write_header(name: str, value: HeaderValue) -> bytes:
    raw = name.encode()
    return _sized(">B", raw) + _write_value(value)


def _write_value(value: HeaderValue) -> bytes:
    match value:
        case bool():
            return b"\x00" if value else b"\x01"
        case int():
            return struct.pack(">Bi", 4, value) if -(2**31) <= value < 2**31 else struct.pack(">Bq", 5, value)
        case bytes():
            return b"\x06" + _sized(">H", value)
        case str():
            return b"\x07" + _sized(">H", value.encode())
        case Timestamp():
            return struct.pack(">Bq", 8, value.milliseconds)
        case UUID():
            return b"\x09" + value.bytes
        case _:
            raise ValueError(f"no header holds a {type(value).__name__}")


def _sized(layout: str, raw: bytes) -> bytes:
    try:
        return struct.pack(layout, len(raw)) + raw
    except struct.error as error:
        raise ValueError("a header name or value is too long") from error


def event_message(event: str, payload: bytes) -> bytes:
    """A vendor's event as bytes; for fake upstreams."""
    headers = {":event-type": event, ":content-type": "application/json", ":message-type": "event"}
    return encode(EventMessage(payload, headers))


def exception_message(exception: str, payload: bytes) -> bytes:
    """A vendor's modelled mid-stream failure as bytes; for fake upstreams."""
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
