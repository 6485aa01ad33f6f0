"""Plain values as bytes on a stream between processes of one program.

A frame is four bytes of length, big-endian, and a value as ``marshal`` writes it: None, bool, int, float, str, bytes,
and tuples, lists and dicts of these. Both ends run the same code, forked from one process, so that the format is nobody
else's; and reading ``marshal`` runs nothing.
"""

from __future__ import annotations

import marshal
from typing import Any

_HEAD = 4

PIECE = 16 * 1024
"""Bytes of one read. Nearly every frame is far shorter, and room for more would be taken from the system each time."""

MOST = 2**30
"""Bytes of one frame."""


class BadFrame(ValueError):
    """Longer than any frame may be, or no value."""


def pack(value: Any) -> bytes:
    data = marshal.dumps(value)
    return len(data).to_bytes(_HEAD) + data


class Frames:
    """Cuts what comes in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> list[Any]:
        """The values that are whole now. Raises BadFrame."""
        if not self._buffer and len(piece) - _HEAD == int.from_bytes(piece[:_HEAD]):
            # Nearly always it is one frame and nothing else.
            return [_read(memoryview(piece)[_HEAD:])]
        self._buffer += piece
        values: list[Any] = []
        while len(self._buffer) >= _HEAD:
            end = int.from_bytes(self._buffer[:_HEAD]) + _HEAD
            if end > MOST:
                raise BadFrame
            if len(self._buffer) < end:
                break
            values.append(_read(bytes(self._buffer[_HEAD:end])))
            del self._buffer[:end]
        return values


def _read(data: bytes | memoryview) -> Any:
    try:
        return marshal.loads(data)
    except (ValueError, EOFError, TypeError) as error:
        raise BadFrame from error
