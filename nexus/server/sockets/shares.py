"""The number of open connections of each of several processes, in shared memory.

A process writes only its own number. Processes that do not listen or are dead are ignored, so that none waits for them.
"""

from __future__ import annotations

import mmap

_ABSENT = -1


class Share:
    """One process's number, with read access to all others. The last cell says whether all processes are stopping."""

    def __init__(self, cells: memoryview[int], index: int) -> None:
        self._cells = cells
        self._index = index

    def write(self, number: int | None) -> None:
        """Sets the number of open connections; None if this process does not listen."""
        self._cells[self._index] = _ABSENT if number is None else number

    @property
    def counts(self) -> list[int]:
        return [number for number in self._cells[:-1] if number != _ABSENT]

    @property
    def is_ahead(self) -> bool:
        """Whether another listening process has fewer connections."""
        return max(0, self._cells[self._index]) > min(self.counts, default=0)

    @property
    def is_anybody_serving(self) -> bool:
        return not self.is_stopping and bool(self.counts)

    @property
    def is_stopping(self) -> bool:
        """Whether all processes are stopping, not only this one."""
        return bool(self._cells[-1])

    def stop(self) -> None:
        """Announces that all processes are stopping."""
        self._cells[-1] = 1


def shares(count: int) -> list[Share]:
    """Returns one Share per process, none of them listening yet."""
    cells = memoryview(mmap.mmap(-1, 8 * (count + 1))).cast("q")
    made = [Share(cells, index) for index in range(count)]
    for share in made:
        share.write(None)
    return made
