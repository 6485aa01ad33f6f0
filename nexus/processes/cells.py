"""Integers in memory that a process shares with its forks.

Law: created before the fork; each cell has one writer, so no lock is needed.
"""

from __future__ import annotations

import mmap

_WIDTH = 8


def cells_of(count: int) -> memoryview[int]:
    """``count`` signed 64-bit integers, initially 0."""
    return memoryview(mmap.mmap(-1, max(1, count) * _WIDTH)).cast("q")
