"""Counts by name what is in flight in each of several processes, in shared memory.

Create it before the fork. A process writes only its own numbers; its parent clears them once it has ended. A limit over
all processes is never exceeded if each caller adds first, checks the sum, and subtracts again if that is too high.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from nexus.processes.cells import cells_of

SLOTS = 512
"""Slots for names. Names unknown at the start are hashed into the remaining slots, so some may share one."""


class Tally:
    """The counts of process ``index`` of ``processes``; ``slots`` are those of the names known at the start."""

    def __init__(self, cells: memoryview[int], processes: int, index: int, slots: Mapping[str, int]) -> None:
        self._cells = cells
        self._processes = processes
        self._index = index
        self._slots = slots

    def add(self, name: str) -> int:
        """Adds one; returns the new total of all processes."""
        self._cells[self._first(name) + self._index] += 1
        return self.total(name)

    def take(self, name: str) -> None:
        self._cells[self._first(name) + self._index] -= 1

    def total(self, name: str) -> int:
        """Returns the total of all processes."""
        first = self._first(name)
        return sum(self._cells[first + index] for index in range(self._processes))

    def clear(self) -> None:
        """Resets the counts of a process that has ended."""
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
    """Returns one Tally per process; each of ``names``, up to half of the slots, gets its own slot."""
    cells, slots = cells_of(processes * SLOTS), dict(zip(names, range(SLOTS // 2), strict=False))
    return [Tally(cells, processes, index, slots) for index in range(processes)]
