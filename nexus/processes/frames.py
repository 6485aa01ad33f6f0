"""Plain values as bytes on a stream between processes of one program.

A frame is a big-endian length of four bytes, and a value in ``marshal`` format: None, bool, int, float, str, bytes, and
tuples, lists and dicts of these. Both ends are forks of one process, so the format need not be stable; and unlike
pickle, reading ``marshal`` executes no code.
"""

from __future__ import annotations

import marshal
from typing import Any

_HEAD = 4

PIECE = 16 * 1024
"""Maximum bytes of one read. Most frames are far shorter, and a larger buffer would be mapped again for each read."""

MOST = 2**30
"""Maximum bytes of one frame."""


class BadFrame(ValueError):
    """A frame is too long, or its value is invalid."""


def pack(value: Any) -> bytes:
    data = marshal.dumps(value)
    return len(data).to_bytes(_HEAD) + data


class Frames:
    """Splits a stream into values."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> list[Any]:
        """Adds a piece; returns the values that are now complete. Raises BadFrame."""
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


def _read(data: bytes) -> Any:
    try:
        return marshal.loads(data)
    except (ValueError, EOFError, TypeError) as error:
        raise BadFrame from error
