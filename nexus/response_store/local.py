"""Answers stored in this process.

Any thread; one lock, never held while waiting. Every use moves an answer to the young end, so the old end holds both
what expires first and what is evicted first, whatever ``bounds`` are by then.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping

from nexus.dataclasses import dataclass
from nexus.response_store.script import OVERHEAD
from nexus.response_store.store import Bounds


@dataclass(slots=True)
class _Entry:
    data: bytes
    payer: str
    used: float

    @property
    def size(self) -> int:
        return len(self.data) + OVERHEAD


class LocalStore:
    def __init__(self, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self.bounds = bounds
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._payers: dict[str, OrderedDict[str, None]] = {}
        self._sums: dict[str, int] = {}
        self._sum = 0

    def keep(self, key: str, payer: str, data: bytes) -> None:
        with self._lock:
            self._drop(key)
            self._sweep()
            entry = _Entry(data, payer, self._clock())
            if entry.size > self.bounds.most_each:
                return
            while self._sums.get(payer, 0) + entry.size > self.bounds.most_each:
                self._drop(next(iter(self._payers[payer])))
            while self._sum + entry.size > self.bounds.most:
                self._drop(next(iter(self._entries)))
            self._entries[key] = entry
            self._payers.setdefault(payer, OrderedDict())[key] = None
            self._sums[payer] = self._sums.get(payer, 0) + entry.size
            self._sum += entry.size

    def find(self, keys: Collection[str]) -> Mapping[str, bytes]:
        found: dict[str, bytes] = {}
        with self._lock:
            self._sweep()
            for key in keys:
                if (entry := self._entries.get(key)) is not None:
                    entry.used = self._clock()
                    self._entries.move_to_end(key)
                    self._payers[entry.payer].move_to_end(key)
                    found[key] = entry.data
        return found

    def forget(self, key: str) -> bool:
        with self._lock:
            self._sweep()
            return self._drop(key)

    def close(self) -> None:
        with self._lock:
            for held in (self._entries, self._payers, self._sums):
                held.clear()
            self._sum = 0

    @property
    def size(self) -> int:
        return self._sum

    def _sweep(self) -> None:
        expired = self._clock() - self.bounds.seconds
        while self._entries and next(iter(self._entries.values())).used <= expired:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> bool:
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self._sum -= entry.size
        self._sums[entry.payer] -= entry.size
        del self._payers[entry.payer][key]
        if not self._payers[entry.payer]:
            del self._payers[entry.payer], self._sums[entry.payer]
        return True
