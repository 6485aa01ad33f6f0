"""How many of something run in each of several processes, by name, in memory that all of them see.

Made before the fork; a process writes its own numbers alone, and its parent once it has ended. A bound over all is
never passed: whoever adds looks at the sum after it, and takes it back where that is too much.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from nexus.processes.cells import Cells

SLOTS = 512
"""For names; those that come later share what is left, and then now and then a slot."""


class Tally:
    """``names`` are those that are known at the start; each of them has a slot of its own."""

    def __init__(self, processes: int, names: Iterable[str]) -> None:
        self.processes = processes
        self._cells = Cells(processes * SLOTS)
        self._slots = dict(zip(names, range(SLOTS // 2), strict=False))

    def of(self, index: int) -> OwnTally:
        return OwnTally(self, index)

    def clear(self, index: int) -> None:
        """A process has ended, and what it counted with it."""
        for slot in range(SLOTS):
            self._cells[slot * self.processes + index] = 0

    def total(self, name: str) -> int:
        first = self._first(name)
        return sum(self._cells[first + index] for index in range(self.processes))

    def add(self, name: str, index: int, change: int) -> None:
        self._cells[self._first(name) + index] += change

    def _first(self, name: str) -> int:
        slot = self._slots.get(name)
        if slot is None:
            known = len(self._slots)
            number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())
            slot = known + number % (SLOTS - known)
        return slot * self.processes


class OwnTally:
    """What one process counts."""

    def __init__(self, tally: Tally, index: int) -> None:
        self._tally = tally
        self._index = index

    def add(self, name: str) -> int:
        """One more; how many that makes in all processes."""
        self._tally.add(name, self._index, 1)
        return self._tally.total(name)

    def take(self, name: str) -> None:
        self._tally.add(name, self._index, -1)

    def total(self, name: str) -> int:
        """Of all processes."""
        return self._tally.total(name)
