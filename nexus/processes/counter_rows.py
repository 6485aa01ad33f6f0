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
        self._ending: list[CounterRow] = []
        self._beyond: dict[str, CounterRow] = {}
        """Rows for which there was no room."""

        self._read, self._free = 0, 1
        """How far the names were read, and the first integer behind their rows."""

    def row(self, name: str, width: int, *, ends: bool = False) -> CounterRow:
        """Returns the row of that name, for its process to write; creates it if needed. ``ends``: it is reset when the
        process ends."""
        with self._lock:
            row = self._known().get(name)
            return self._new(name, width, ends) if row is None else row

    def rows(self) -> dict[str, CounterRow]:
        """All rows that exist now; works in any process."""
        with self._lock:
            return dict(self._known())

    def value(self, name: str) -> int:
        """The first integer of a row, 0 if there is none of that name; works in any process."""
        row = self._rows.get(name)
        if row is None:
            with self._lock:
                row = self._known().get(name) or self._beyond.get(name)
        return 0 if row is None else row[0]

    def end(self) -> None:
        """Resets the rows created with ``ends``; call it when the process has ended."""
        self._known()
        for row in self._ending:
            for index in range(len(row)):
                row[index] = 0

    def _known(self) -> dict[str, CounterRow]:
        """The rows, after those were read that are new."""
        while self._read < self._cells[0]:
            length, width, ends = _ENTRY.unpack_from(self._names, self._read)
            start, self._read = self._read + _ENTRY.size, self._read + _ENTRY.size + length
            row = self._cells[self._free : self._free + width]
            self._rows[bytes(self._names[start : self._read]).decode()] = row
            self._ending += [row] * ends
            self._free += width
        return self._rows

    def _new(self, name: str, width: int, ends: bool) -> CounterRow:
        if name in self._beyond:
            return self._beyond[name]
        text, used = name.encode(), self._read
        if self._free + width > 1 + CELLS or used + _ENTRY.size + len(text) > NAMES or len(text) > 0xFFFF:
            log.error("too many metric series: further ones are not shown", extra={"fields": {"row": name[:200]}})
            return self._beyond.setdefault(name, memoryview(bytearray(width * _WIDTH)).cast("q"))
        _ENTRY.pack_into(self._names, used, len(text), width, ends)
        self._names[used + _ENTRY.size : used + _ENTRY.size + len(text)] = text
        self._cells[0] = used + _ENTRY.size + len(text)
        return self._known()[name]


class Rows:
    def __init__(self, processes: int = 1) -> None:
        self.parts = tuple(ProcessRows() for _ in range(processes))

    def sums(self) -> dict[str, list[int]]:
        """Returns each row, summed over all processes."""
        totals: dict[str, list[int]] = {}
        for part in self.parts:
            for name, row in part.rows().items():
                known = totals.get(name, (0,) * len(row))
                totals[name] = [one + other for one, other in zip(known, row, strict=True)]
        return totals

    def total(self, name: str) -> int:
        """The first integer of a row, summed over all processes. A limit on it is never exceeded if each caller adds
        first, checks the sum, and subtracts again if that is too high."""
        return sum(part.value(name) for part in self.parts)
