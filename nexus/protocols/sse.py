"""Server-sent events by the standard: bytes in any chunks -> whole frames, every byte kept.

Lines end at CR, LF or CRLF and nowhere else (never at U+2028), one space after the colon is optional, comments and
unknown fields pass; the frames' ``raw`` bytes joined are the input. Source: WHATWG HTML, section 9.2.6. Beyond it, JSON
without a field name is data: Google ends a stream that fails with its indented error (google.genai._api_client,
maximhq/bifrost #5262).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from nexus.dataclasses import dataclass
from nexus.late import pattern
from nexus.wire import decode, encode

DONE = "[DONE]"
"""The data that ends streams of chat completions, and of some servers in every dialect: the vendor's statement that the
answer is complete."""

MAX_FRAME = 16 * 1024 * 1024
"""Maximum bytes without a blank line; longer frames are refused."""

_BLANK_LINE = pattern(rb"\n(?:\r\n?|\n)")
_ANY_BLANK_LINE = pattern(rb"\n(?:\r\n?|\n)|\r\r\n?")
"""Takes five times as long to find."""

_LINE_END = pattern(rb"\r\n|\n|\r")
_PLAIN = pattern(rb"(?:event: ?(.++)\n)?data: ?(.*+)\n\r?\n")
"""A frame in the most common form, unless a CR in it is the end of a line: a dot is faster than a set of characters."""

_DATA_LINE = pattern(rb"(?:^(?:\xef\xbb\xbf)?|\r|\n)data: ?")
_BOM = b"\xef\xbb\xbf"


class FrameTooLarge(Exception):
    """The stream has no blank line within MAX_FRAME bytes."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One event with its terminating blank line. ``data`` is None for a frame with only comments."""

    raw: bytes
    event: str | None
    data: str | None


class FrameDecoder:
    """Takes bytes; returns the frames that became complete. ``rest`` is the incomplete tail."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, piece: bytes) -> list[Frame]:
        frames: list[Frame] = []
        start, size = 0, len(piece)
        if not self._buffer:
            while start < size and (frame := _plain_frame(_PLAIN.match(piece, start))) is not None:
                frames.append(frame)
                start += len(frame.raw)
            if start == size:
                return frames
            piece, start = piece[start:], 0
        self._buffer += piece
        blank_line = _BLANK_LINE if self._buffer.find(b"\r\r", self._searched) < 0 else _ANY_BLANK_LINE
        for match in blank_line.finditer(self._buffer, self._searched):
            frames.append(parse_frame(bytes(self._buffer[start : match.end()])))
            start = match.end()
        del self._buffer[:start]
        # A blank line may be split over two pieces: the last three bytes are searched again.
        self._searched = max(0, len(self._buffer) - 3)
        if len(self._buffer) > MAX_FRAME:
            raise FrameTooLarge(f"no end of event within {MAX_FRAME} bytes")
        return frames

    @property
    def size(self) -> int:
        """Bytes of ``rest``."""
        return len(self._buffer)

    @property
    def rest(self) -> bytes:
        return bytes(self._buffer)

    def last(self) -> Frame | None:
        """The last event, if its blank line is missing; None if there is no complete one."""
        frame = parse_frame(bytes(self._buffer) + b"\n\n")
        if not frame.data:
            return None
        try:
            decode(frame.data)
        except ValueError:
            return frame if frame.data.strip() == DONE else None
        return frame


def parse_frame(raw: bytes) -> Frame:
    """The last ``event`` and the joined ``data`` of one frame's lines."""
    if (plain := _plain_frame(_PLAIN.fullmatch(raw))) is not None:
        return plain
    event: str | None = None
    data: list[str] = []
    for line in _LINE_END.split(raw.removeprefix(_BOM)):
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
        elif name == b"event":
            event = value.removeprefix(b" ").decode("utf-8", "replace")
    return Frame(raw, event, "\n".join(data) if data else _bare_json(raw))


def _bare_json(raw: bytes) -> str | None:
    words = raw.strip()
    if not words.startswith(b"{"):
        return None
    try:
        decode(words)
    except ValueError:
        return None
    return words.decode("utf-8", "replace")


def _plain_frame(match: re.Match[bytes] | None) -> Frame | None:
    if match is None:
        return None
    raw, event, data = match.group(0, 1, 2)
    if b"\r" in raw:
        if raw.count(b"\r") > raw.count(b"\r\n"):
            return None
        event, data = event and event.removesuffix(b"\r"), data.removesuffix(b"\r")
    return Frame(raw, None if event is None else event.decode("utf-8", "replace"), data.decode("utf-8", "replace"))


_HEARTBEATS = frozenset({"ping", "keepalive", "heartbeat"})
_UNNAMED_HEARTBEAT = pattern(r'\s*\{\s*"type"\s*:\s*"(?:ping|keepalive|heartbeat)"')


def is_heartbeat(frame: Frame) -> bool:
    if frame.data is None or frame.event in _HEARTBEATS:
        return True
    return frame.event is None and _UNNAMED_HEARTBEAT.match(frame.data) is not None


def with_data(raw: bytes, edit: Callable[[bytes], bytes]) -> bytes:
    """A frame's bytes with its data edited; ``edit`` is applied only if the data is on one line."""
    lines = [match.end() for match in _DATA_LINE.finditer(raw)]
    return raw[: lines[0]] + edit(raw[lines[0] :]) if len(lines) == 1 else raw


def frame(data: bytes, event: str | None = None) -> bytes:
    """One event as bytes; ``data`` is JSON without line ends."""
    return b"data: %b\n\n" % data if event is None else b"event: %b\ndata: %b\n\n" % (event.encode(), data)


_WORDS = "(words)"


def delta_frames(frame_of: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """As ``frame_of``, whose frames differ only in the last string, which it is given: the rest is encoded once."""
    before, _, after = frame_of(_WORDS).rpartition(encode(_WORDS))
    return lambda words: b"%b%b%b" % (before, encode(words), after)
