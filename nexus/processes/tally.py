"""How many of something run in each of several processes, by name, in memory that all of them see.

Made before the fork; a process writes its own numbers alone, and its parent once it has ended. A bound over all is
never passed: whoever adds looks at the sum after it, and takes it back where that is too much.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from nexus.processes.cells import Cells

SLOTS = 512
"""For names; those that come later share what is left, and then now and then a slot."""


class Tally:
    """What one of so many ``processes`` counts; ``slots`` are those of names that were known at the start."""

    def __init__(self, cells: Cells, processes: int, index: int, slots: Mapping[str, int]) -> None:
        self._cells = cells
        self._processes = processes
        self._index = index
        self._slots = slots

    def add(self, name: str) -> int:
        """One more; how many that makes in all processes."""
        self._cells[self._first(name) + self._index] += 1
        return self.total(name)

    def take(self, name: str) -> None:
        self._cells[self._first(name) + self._index] -= 1

    def total(self, name: str) -> int:
        """Of all processes."""
        first = self._first(name)
        return sum(self._cells[first + index] for index in range(self._processes))

    def clear(self) -> None:
        """The process has ended, and what it counted with it."""
        for slot in range(SLOTS):
            self._cells[slot * self._processes + self._index] = 0

    def _first(self, name: str) -> int:
        slot = self._slots.get(name)
        if slot is None:
            known = len(self._slots)
            number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())
            slot = known + number % (SLOTS - known)
        return slot * self._processes


def tallies(processes: int, names: Iterable[str]) -> list[Tally]:
    """One for each process; each of ``names`` has a slot of its own."""
    cells, slots = Cells(processes * SLOTS), dict(zip(names, range(SLOTS // 2), strict=False))
    return [Tally(cells, processes, index, slots) for index in range(processes)]
