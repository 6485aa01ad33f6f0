"""Takes the framing off a chunked body: bytes in any chunking -> those of the body. Source: RFC 9112, section 7.1."""

from __future__ import annotations

from http.client import IncompleteRead

MAX_LINE = 64 * 1024
"""Bytes of a chunk's size with its extensions."""


class Chunks:
    """``ended`` says that the last chunk was there; ``rest`` are the bytes behind what was taken."""

    def __init__(self) -> None:
        self.ended = False
        self.rest = b""
        self._left = 0
        self._closes = False
        """Whether the line end behind a chunk is still due."""

    def feed(self, raw: bytes) -> bytes:
        """What these bytes hold of the body. Raises IncompleteRead for what is no chunk."""
        if self.rest:
            raw = self.rest + raw
        body: list[bytes] = []
        place = 0
        while not self.ended:
            if self._left:
                data = raw[place : place + self._left]
                body.append(data)
                place += len(data)
                self._left -= len(data)
                self._closes = not self._left
            if self._left or (self._closes and len(raw) - place < 2):
                break
            place += 2 if self._closes else 0
            self._closes = False
            end = raw.find(b"\n", place)
            if end < 0:
                if len(raw) - place > MAX_LINE:
                    raise IncompleteRead(b"")
                break
            self._left = _size(raw[place:end])
            place = end + 1
            self.ended = not self._left
        self.rest = raw[place:]
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
    """Whether the lines behind the last chunk are all there."""
    return rest.startswith((b"\r\n", b"\n")) or b"\n\r\n" in rest or b"\n\n" in rest
