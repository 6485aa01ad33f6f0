"""How many connections each of several processes has open, in memory that all of them see.

A process writes its own number alone. One that does not listen, or is dead, counts for nothing: nobody waits for
it.
"""

from __future__ import annotations

from nexus.processes.cells import Cells

_ABSENT = -1


class Shares:
    """One number for each of ``count`` processes, and whether all of them are to stop."""

    def __init__(self, count: int) -> None:
        self._cells = Cells(count + 1)
        self.count = count
        for index in range(count):
            self._cells[index] = _ABSENT

    def of(self, index: int) -> Share:
        return Share(self, index)

    def open_at(self, index: int) -> int | None:
        """The connections of a process; None where it does not listen."""
        number = self._cells[index]
        return None if number == _ABSENT else number

    @property
    def counts(self) -> list[int]:
        """The connections of all processes that listen."""
        return [number for number in self._cells.copy()[: self.count] if number != _ABSENT]

    @property
    def is_stopping(self) -> bool:
        return bool(self._cells[self.count])

    def stop(self) -> None:
        """Says that none of them will listen for long."""
        self._cells[self.count] = 1

    def write(self, index: int, number: int | None) -> None:
        self._cells[index] = _ABSENT if number is None else number


class Share:
    """The number of one process."""

    def __init__(self, shares: Shares, index: int) -> None:
        self._shares = shares
        self._index = index

    def write(self, number: int | None) -> None:
        """The connections that are open; None: this process does not listen."""
        self._shares.write(self._index, number)

    @property
    def is_ahead(self) -> bool:
        """Whether a process that listens has fewer."""
        return (self._shares.open_at(self._index) or 0) > min(self._shares.counts, default=0)

    @property
    def is_anybody_serving(self) -> bool:
        return not self._shares.is_stopping and bool(self._shares.counts)

    @property
    def is_stopping(self) -> bool:
        """Whether all are, and not this process alone."""
        return self._shares.is_stopping
