"""Named rows of integers that each of several processes counts, in shared memory, and their sums over all processes.

Law: created before the fork; a process writes only its own part. A process that replaces one that ended continues its
counts, so none are lost; the parent resets rows that describe only a live process. Space is bounded: rows that do not
fit are counted locally and never shown.
"""

from __future__ import annotations

import logging
import mmap
import struct
import threading
from collections.abc import Iterator

log = logging.getLogger("nexus.processes")

CELLS = 1 << 16
"""Maximum integers of one process."""

NAMES = 1 << 19
"""Maximum bytes of the names of one process's rows, with the entry header of each."""

_WIDTH = struct.calcsize("q")
_ENTRY = struct.Struct("<HIB")
"""Length of the name in bytes, integers in the row, and whether the row is reset when its process ends."""

CounterRow = memoryview
"""A view of the row's integers."""


class ProcessRows:
    """The rows of one process. The first integer is the number of bytes of names; a row exists once that includes its
    name."""

    def __init__(self) -> None:
        # Untouched pages take no memory.
        memory = mmap.mmap(-1, (1 + CELLS) * _WIDTH + NAMES)
        whole = memoryview(memory)
        self._cells = whole[: (1 + CELLS) * _WIDTH].cast("q")
        self._names = whole[(1 + CELLS) * _WIDTH :]
        self._lock = threading.Lock()
        self._rows: dict[str, CounterRow] = {}
        self._free: int | None = None

    def row(self, name: str, width: int, *, ends: bool = False) -> CounterRow:
        """Returns the row of that name, for its process to write; creates it if needed. ``ends``: it is reset when the
        process ends."""
        with self._lock:
            if self._free is None:
                self._take_over()
            row = self._rows.get(name)
            if row is None:
                row = self._rows[name] = self._new(name, width, ends)
            return row

    def rows(self) -> Iterator[tuple[str, CounterRow]]:
        """Yields all rows that exist now; works in any process."""
        for name, row, _ in self._entries():
            yield name, row

    def end(self) -> None:
        """Resets the rows created with ``ends``; call it when the process has ended."""
        for _, row, ends in self._entries():
            if ends:
                for index in range(len(row)):
                    row[index] = 0

    def _entries(self) -> Iterator[tuple[str, CounterRow, bool]]:
        at, cell, end = 0, 1, self._cells[0]
        while at < end:
            length, width, ends = _ENTRY.unpack_from(self._names, at)
            at += _ENTRY.size
            yield bytes(self._names[at : at + length]).decode(), self._cells[cell : cell + width], bool(ends)
            at, cell = at + length, cell + width

    def _take_over(self) -> None:
        self._free = 1
        for name, row in self.rows():
            self._rows[name] = row
            self._free += len(row)

    def _new(self, name: str, width: int, ends: bool) -> CounterRow:
        text, used, cell = name.encode(), self._cells[0], self._free or 1
        if cell + width > 1 + CELLS or used + _ENTRY.size + len(text) > NAMES or len(text) > 0xFFFF:
            log.error("too many metric series: further ones are not shown", extra={"fields": {"row": name[:200]}})
            return memoryview(bytearray(width * _WIDTH)).cast("q")
        _ENTRY.pack_into(self._names, used, len(text), width, ends)
        self._names[used + _ENTRY.size : used + _ENTRY.size + len(text)] = text
        self._free = cell + width
        self._cells[0] = used + _ENTRY.size + len(text)
        return self._cells[cell : cell + width]


class Rows:
    """The rows of several processes."""

    def __init__(self, processes: int = 1) -> None:
        self.parts = tuple(ProcessRows() for _ in range(processes))

    def sums(self) -> dict[str, list[int]]:
        """Returns each row, summed over all processes."""
        totals: dict[str, list[int]] = {}
        for part in self.parts:
            for name, row in part.rows():
                known = totals.get(name, (0,) * len(row))
                totals[name] = [one + other for one, other in zip(known, row, strict=True)]
        return totals
