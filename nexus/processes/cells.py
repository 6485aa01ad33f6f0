"""Integers in memory that a process shares with its forks.

Law: created before the fork; each cell has one writer, so no lock is needed.
"""

from __future__ import annotations

import mmap
import struct

_WIDTH = struct.calcsize("q")


class Cells:
    """``count`` signed 64-bit integers, initially 0."""

    def __init__(self, count: int) -> None:
        self._memory = mmap.mmap(-1, max(1, count) * _WIDTH)
        self._numbers = memoryview(self._memory).cast("q")

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> int:
        return self._numbers[index]

    def __setitem__(self, index: int, number: int) -> None:
        self._numbers[index] = number

    def copy(self) -> list[int]:
        """Returns the current values of all cells."""
        return self._numbers.tolist()
