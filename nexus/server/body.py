"""Takes in a request body: bounded before and after decompression, and refused politely.

Law: loop thread only. An oversized body is answered at once, then read on and thrown away within bounds: a connection
closed with unread bytes is reset, and the client would never see why.
"""

from __future__ import annotations

import zlib

from nexus.errors import ClientError, InvalidRequest, RequestTooLarge, UnsupportedMediaType

DISCARD_FACTOR = 4
"""How many times the limit is read and thrown away before a sender is cut off."""

_GZIP = 16 + zlib.MAX_WBITS


class Body:
    """Collects one body. ``refusal`` is set as soon as it cannot be accepted."""

    def __init__(self, limit: int, encoding: str, length: str | None) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0
        self._discarded = 0
        self._gzip = None
        self.refusal: ClientError | None = None
        match encoding.strip().lower():
            case "" | "identity":
                pass
            case "gzip" | "x-gzip":
                self._gzip = zlib.decompressobj(_GZIP)
            case other:
                self.refusal = UnsupportedMediaType(f"content-encoding {other[:40]!r} is not supported; use gzip")
        if length is not None and _is_more(length, limit):
            self.refusal = self._too_large()

    @property
    def hopeless(self) -> bool:
        """Whether so much was thrown away that the sender is not worth reading on."""
        return self._discarded > DISCARD_FACTOR * self._limit

    def feed(self, piece: bytes) -> None:
        if self.refusal is not None:
            self._discarded += len(piece)
            return
        try:
            self._take(self._unpacked(piece))
        except zlib.error:
            self.refusal = InvalidRequest("the body is not valid gzip")

    def whole(self) -> bytes:
        """Raises the refusal."""
        if self.refusal is None and self._gzip is not None and not self._gzip.eof:
            self.refusal = InvalidRequest("the gzip body ends too early")
        if self.refusal is not None:
            raise self.refusal
        return b"".join(self._pieces)

    def _unpacked(self, piece: bytes) -> bytes:
        if self._gzip is None:
            return piece
        # One byte more than may still come is enough to know that it is too much.
        return self._gzip.decompress(piece, self._limit - self._size + 1)

    def _take(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > self._limit:
            self._pieces.clear()
            self.refusal = self._too_large()

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"the request body is larger than {self._limit} bytes")


def _is_more(length: str, limit: int) -> bool:
    """Whether a header promises more bytes; what is no number, the HTTP server itself refuses."""
    return length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > limit)
