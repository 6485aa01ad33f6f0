"""Plain values as bytes on a stream between processes of one program.

A frame is four bytes of length, big-endian, and a value as ``marshal`` writes it: None, bool, int, float, str, bytes,
and tuples, lists and dicts of these. Both ends run the same code, forked from one process, so that the format is nobody
else's; and reading ``marshal`` runs nothing.
"""

from __future__ import annotations

import marshal
import struct
from collections.abc import Iterator
from typing import Any

_LENGTH = struct.Struct("!I")

MOST = 2**30
"""Bytes of one frame."""


class BadFrame(ValueError):
    """Longer than any frame may be, or no value."""


def pack(value: Any) -> bytes:
    data = marshal.dumps(value)
    return _LENGTH.pack(len(data)) + data


class Frames:
    """Cuts what comes in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> Iterator[Any]:
        """The values that are whole now. Raises BadFrame."""
        self._buffer += piece
        while (value := self._next()) is not None:
            yield value[0]

    def _next(self) -> tuple[Any] | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > MOST:
            raise BadFrame
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        data = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        try:
            return (marshal.loads(data),)
        except (ValueError, EOFError, TypeError) as error:
            raise BadFrame from error
