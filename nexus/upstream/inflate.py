"""Decodes a body in gzip or deflate, piece by piece.

Source: RFC 9110, section 8.4.1. A body that ends within its compressed data is an error, as a body is that ends before
its length.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from http.client import HTTPException, IncompleteRead

READABLE = frozenset({"gzip", "x-gzip", "deflate"})
LONGEST_PIECE = 64 * 1024
_MEMBER = b"\x1f"
"""The first byte of a gzip member; anything else behind one is ignored."""


class BadEncoding(HTTPException):
    """The body is not in its content-encoding."""


def inflated(read: Callable[[], bytes]) -> Iterator[bytes]:
    """The decoded pieces of what ``read`` returns until b"". Raises IncompleteRead, BadEncoding, and what it raises."""
    decoder = None
    while data := read():
        while data:
            if decoder is None or (decoder.eof and data.startswith(_MEMBER)):
                decoder = _decoder(data)
            elif decoder.eof:
                break
            try:
                piece = decoder.decompress(data, LONGEST_PIECE)
            except zlib.error as error:
                raise BadEncoding from error
            data = decoder.unused_data or decoder.unconsumed_tail
            if piece:
                yield piece
    if decoder is not None and (piece := decoder.flush()):
        yield piece
    if decoder is not None and not decoder.eof:
        raise IncompleteRead(b"")


def _decoder(data: bytes) -> zlib._Decompress:
    """A decoder for gzip, for deflate with its zlib header, or without, as some servers send it."""
    has_header = data.startswith(_MEMBER) or data[0] & 0x0F == 8
    return zlib.decompressobj(zlib.MAX_WBITS + 32 if has_header else -zlib.MAX_WBITS)
