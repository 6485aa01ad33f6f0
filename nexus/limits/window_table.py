"""Windows in memory that processes may share: a table of places, each for the window of one key.

Law: accessed only under ``lock``, which makes each decision one step. Shared by processes, it is created before the
fork, with a lock that holds across them. A place is reused for another key only when its window no longer counts
anything; nothing else is ever forgotten. If a process dies in the microsecond of a write, that window may be wrong
until its interval is over.
"""

from __future__ import annotations

import mmap
import struct
import threading
from hashlib import blake2b

from nexus.errors import Overloaded
from nexus.limits.combining_lock import Acquirable
from nexus.limits.window import CELLS, Window

PLACES = 1 << 17
"""Twice the number of callers that may be counted at once, so that keys find a place near their first one."""

NEAR = 64
"""Number of places in which a key may be, starting at the one that its digest selects."""

_HEAD = struct.Struct("=16sq")
"""The digest of the key, and its interval (0 if the place was never used)."""

_SIZE = _HEAD.size + 8 * CELLS

_MOST_KNOWN = 4096

Place = tuple[int, Window]
"""Where in memory the place of a key is, and its window."""


class WindowTable:
    def __init__(self, places: int = PLACES, lock: Acquirable | None = None) -> None:
        self.lock = lock or threading.Lock()
        self._near = min(NEAR, places)
        # Pages that are never touched take no memory.
        self._memory = mmap.mmap(-1, places * _SIZE)
        self._cells = memoryview(self._memory).cast("q")
        self._known: dict[str, tuple[bytes, Place]] = {}
        """By key, its place and the head of that, which another key may have taken meanwhile."""

    def find(self, key: str) -> Place | None:
        known = self._known.get(key)
        if known is not None and self._memory[(at := known[1][0]) : at + _HEAD.size] == known[0]:
            return known[1]
        digest, at = self._first(key)
        for _ in range(self._near):
            found, interval = _HEAD.unpack_from(self._memory, at)
            if found == digest:
                return self._keep(key, at, self._window(at, interval))
            if not interval:
                return None
            at = self._next(at)
        return None

    def new(self, key: str, interval: int, now: int, taken: set[int]) -> Place:
        """A place with an empty window for a key that has none; none of ``taken``. Raises Overloaded if there is no
        room."""
        digest, at = self._first(key)
        for _ in range(self._near):
            if at not in taken:
                _, before = _HEAD.unpack_from(self._memory, at)
                if not before or not self._window(at, before).reset(now):
                    _HEAD.pack_into(self._memory, at, digest, interval)
                    window = self._window(at, interval)
                    window.clear()
                    return self._keep(key, at, window)
            at = self._next(at)
        raise Overloaded("too many distinct callers to count; retry in a moment", retry_after=1)

    def _keep(self, key: str, at: int, window: Window) -> Place:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        place = at, window
        self._known[key] = self._memory[at : at + _HEAD.size], place
        return place

    def _first(self, key: str) -> tuple[bytes, int]:
        """The digest of a key, and its first place."""
        digest = blake2b(key.encode(), digest_size=16).digest()
        return digest, int.from_bytes(digest[:8]) % (len(self._memory) // _SIZE) * _SIZE

    def _next(self, at: int) -> int:
        return (at + _SIZE) % len(self._memory)

    def _window(self, at: int, interval: int) -> Window:
        first = (at + _HEAD.size) // 8
        return Window(interval, self._cells[first : first + CELLS])
