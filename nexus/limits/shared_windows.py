"""Windows in memory shared by several processes: a table of places, each for the window of one key.

Law: created before the fork, and accessed only under ``lock``, which makes each decision one step for all processes. A
place is reused for another key only when its window no longer counts anything; nothing else is ever forgotten. If a
process dies in the microsecond of a write, that window may be wrong until its interval is over.
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
"""Twice the number of callers that may be counted at once, so that keys find a place near their first one."""

NEAR = 64
"""Number of places in which a key may be, starting at the one that its digest selects."""

_ENTRIES = BUCKETS + 1
_HEAD = struct.Struct("=16sqq")
"""The digest of the key, its interval (0 if the place was never used), and the number of entries."""

_LASTS = _HEAD.size
_SUMS = _LASTS + _ENTRIES * 8
_SIZE = _SUMS + _ENTRIES * 8
_MOMENT = struct.Struct("=q")


class SharedWindows:
    def __init__(self, places: int = PLACES) -> None:
        self.lock = Lock()
        self._places = places
        # Pages that are never touched take no memory.
        self._memory = mmap.mmap(-1, places * _SIZE)

    def find(self, key: str) -> tuple[int, Window] | None:
        """The place of a key's window, and a copy of the window."""
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
        """A free place for a key that has none, other than those ``taken``. Raises Overloaded if there is none."""
        for at in _place(key, self._places)[1]:
            if at not in taken and self._is_free(at, now):
                return at
        raise Overloaded("too many distinct callers to count; retry in a moment", retry_after=1)

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
    """The digest of a key, and the offsets in memory where it may be."""
    digest = blake2b(key.encode(), digest_size=16).digest()
    first = int.from_bytes(digest[:8]) % places
    end = min(first + NEAR, places)
    near, over = range(first * _SIZE, end * _SIZE, _SIZE), first + NEAR - end
    return digest, [*near, *range(0, min(over, first) * _SIZE, _SIZE)] if over else near
