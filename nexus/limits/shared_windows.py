"""Windows in memory that several processes see: a table of places, each for the window of one key.

Law: made before the fork, and touched only under ``lock``, by which each decision is one step for all processes. A
place whose window counts nothing any more is free for another key; nothing else is ever forgotten. What a process was
writing in the very microsecond in which it died may be wrong until its interval is over.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

from nexus.errors import Overloaded
from nexus.limits.window import BUCKETS, Window
from nexus.processes.lock import Lock

PLACES = 1 << 17
"""Twice as many as callers may be counted at a time, so that keys find room near where they belong."""

NEAR = 64
"""Places in which a key may be, from the one on that its digest names."""

_ENTRIES = BUCKETS + 1
_HEAD = struct.Struct("=16sqq")
"""The digest of the key, its interval, which is 0 where no key ever was, and the number of entries."""

_LASTS = _HEAD.size
_SUMS = _LASTS + _ENTRIES * 8
_SIZE = _SUMS + _ENTRIES * 8
_MOMENT = struct.Struct("=q")


class SharedWindows:
    def __init__(self, places: int = PLACES) -> None:
        self.lock = Lock()
        self._places = places
        # What nobody touches takes no memory.
        self._memory = mmap.mmap(-1, places * _SIZE)

    def find(self, key: str) -> tuple[int, Window] | None:
        """Where the window of a key is, and a copy of it."""
        memory, (digest, near) = self._memory, _place(key, self._places)
        for at in near:
            known, interval, count = _HEAD.unpack_from(memory, at)
            if known == digest:
                lasts, sums, size = at + _LASTS, at + _SUMS, count * 8
                return at, Window(interval, memory[lasts : lasts + size], memory[sums : sums + size])
            if not interval:
                return None
        return None

    def room(self, key: str, now: int, taken: set[int]) -> int:
        """A free place for a key that has none, but for those ``taken``. Raises Overloaded where there is none."""
        for at in _place(key, self._places)[1]:
            if at not in taken and self._is_free(at, now):
                return at
        raise Overloaded("too many distinct callers to count", retry_after=1)

    def write(self, at: int, key: str, window: Window) -> None:
        lasts, sums = window.packed
        memory = self._memory
        _HEAD.pack_into(memory, at, _place(key, self._places)[0], window.interval, len(window))
        memory[at + _LASTS : at + _LASTS + len(lasts)] = lasts
        memory[at + _SUMS : at + _SUMS + len(sums)] = sums

    def _is_free(self, at: int, now: int) -> bool:
        _, interval, count = _HEAD.unpack_from(self._memory, at)
        if not count:
            return True
        (last,) = _MOMENT.unpack_from(self._memory, at + _LASTS + (count - 1) * 8)
        return bool(last + interval <= now)


@lru_cache(4096)
def _place(key: str, places: int) -> tuple[bytes, Sequence[int]]:
    """The digest of a key, and where in memory it may be."""
    digest = blake2b(key.encode(), digest_size=16).digest()
    first = int.from_bytes(digest[:8]) % places
    end = min(first + NEAR, places)
    near, over = range(first * _SIZE, end * _SIZE, _SIZE), first + NEAR - end
    return digest, [*near, *range(0, min(over, first) * _SIZE, _SIZE)] if over else near
