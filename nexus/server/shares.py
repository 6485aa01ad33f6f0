"""How many connections each of several processes has open, in memory that all of them see.

A process writes its own number alone. One that does not listen, or is dead, counts for nothing: nobody waits for
it.
"""

from __future__ import annotations

from nexus.processes.cells import Cells

_ABSENT = -1


class Share:
    """The number of one process, in sight of the others'; behind all of them stands whether they are to stop."""

    def __init__(self, cells: Cells, index: int) -> None:
        self._cells = cells
        self._index = index

    def write(self, number: int | None) -> None:
        """The connections that are open; None: this process does not listen."""
        self._cells[self._index] = _ABSENT if number is None else number

    @property
    def counts(self) -> list[int]:
        """The connections of all processes that listen."""
        return [number for number in self._cells.copy()[:-1] if number != _ABSENT]

    @property
    def is_ahead(self) -> bool:
        """Whether a process that listens has fewer."""
        return max(0, self._cells[self._index]) > min(self.counts, default=0)

    @property
    def is_anybody_serving(self) -> bool:
        return not self.is_stopping and bool(self.counts)

    @property
    def is_stopping(self) -> bool:
        """Whether all are, and not this process alone."""
        return bool(self._cells[len(self._cells) - 1])

    def stop(self) -> None:
        """Says that none of them will listen for long."""
        self._cells[len(self._cells) - 1] = 1


def shares(count: int) -> list[Share]:
    """One for each of so many processes, of which none listens yet."""
    cells = Cells(count + 1)
    made = [Share(cells, index) for index in range(count)]
    for share in made:
        share.write(None)
    return made
