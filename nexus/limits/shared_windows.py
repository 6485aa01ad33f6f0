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
from nexus.limits.window import CELLS, Window
from nexus.processes.lock import Lock

PLACES = 1 << 17
"""Twice the number of callers that may be counted at once, so that keys find a place near their first one."""

NEAR = 64
"""Number of places in which a key may be, starting at the one that its digest selects."""

_HEAD = struct.Struct("=16sq")
"""The digest of the key, and its interval (0 if the place was never used)."""

_SIZE = _HEAD.size + 8 * CELLS


class SharedWindows:
    def __init__(self, places: int = PLACES) -> None:
        self.lock = Lock()
        self._places = places
        # Pages that are never touched take no memory.
        self._memory = mmap.mmap(-1, places * _SIZE)
        self._cells = memoryview(self._memory).cast("q")

    def find(self, key: str) -> tuple[int, Window] | None:
        """The window of a key and its place, if it has one."""
        digest, near = _place(key, self._places)
        for at in near:
            known, interval = _HEAD.unpack_from(self._memory, at)
            if known == digest:
                return at, self._window(at, interval)
            if not interval:
                return None
        return None

    def new(self, key: str, interval: int, now: int, taken: set[int]) -> tuple[int, Window]:
        """An empty window for a key that has none, and its place, none of ``taken``. Raises Overloaded if there is no
        room."""
        digest, near = _place(key, self._places)
        for at in near:
            if at not in taken:
                _, before = _HEAD.unpack_from(self._memory, at)
                if not before or not self._window(at, before).reset(now):
                    return at, self._emptied(at, digest, interval)
        raise Overloaded("too many distinct callers to count; retry in a moment", retry_after=1)

    def _emptied(self, at: int, digest: bytes, interval: int) -> Window:
        _HEAD.pack_into(self._memory, at, digest, interval)
        window = self._window(at, interval)
        window.clear()
        return window

    def _window(self, at: int, interval: int) -> Window:
        first = (at + _HEAD.size) // 8
        return Window(interval, self._cells[first : first + CELLS])


@lru_cache(4096)
def _place(key: str, places: int) -> tuple[bytes, Sequence[int]]:
    """The digest of a key, and the offsets in memory where it may be."""
    digest = blake2b(key.encode(), digest_size=16).digest()
    first = int.from_bytes(digest[:8]) % places
    end = min(first + NEAR, places)
    near, over = range(first * _SIZE, end * _SIZE, _SIZE), first + NEAR - end
    return digest, [*near, *range(0, min(over, first) * _SIZE, _SIZE)] if over else near
