"""Incremental decoder for chunked bodies. Source: RFC 9112, section 7.1."""

from __future__ import annotations

from http.client import IncompleteRead

MAX_LINE = 64 * 1024
"""Maximum length of a chunk-size line in bytes, extensions included."""


class Chunks:
    """``ended``: the last chunk was read. ``rest``: bytes received but not yet decoded."""

    def __init__(self) -> None:
        self.ended = False
        self.rest = b""
        self._left = 0
        self._closes = False
        """Whether the line break after a chunk is still to come."""

    def feed(self, raw: bytes) -> bytes:
        """The body bytes in ``raw``. Raises IncompleteRead if the chunking is invalid."""
        if self.rest:
            raw = self.rest + raw
        body: list[bytes] = []
        position = 0
        while not self.ended:
            if self._left:
                data = raw[position : position + self._left]
                body.append(data)
                position += len(data)
                self._left -= len(data)
                self._closes = not self._left
            if self._left or (self._closes and len(raw) - position < 2):
                break
            position += 2 if self._closes else 0
            self._closes = False
            end = raw.find(b"\n", position)
            if end < 0:
                if len(raw) - position > MAX_LINE:
                    raise IncompleteRead(b"")
                break
            self._left = _size(raw[position:end])
            position = end + 1
            self.ended = not self._left
        self.rest = raw[position:]
        return body[0] if len(body) == 1 else b"".join(body)


def _size(line: bytes) -> int:
    try:
        size = int(line.partition(b";")[0], 16)
    except ValueError:
        raise IncompleteRead(b"") from None
    if size < 0:
        raise IncompleteRead(b"")
    return size


def ends_trailers(rest: bytes) -> bool:
    """Whether the trailer section after the last chunk is complete."""
    return rest.startswith((b"\r\n", b"\n")) or b"\n\r\n" in rest or b"\n\n" in rest
