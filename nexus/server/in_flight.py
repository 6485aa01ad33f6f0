"""Counts and limits the bytes of request bodies, and of large answers that are held whole, over all calls.

Law: thread-safe. Every load is released, on every path. A call that is alone is never rejected.
"""

from __future__ import annotations

import threading
from pathlib import Path

from nexus.errors import Overloaded

SHARE = 8
"""Bodies may take 1/SHARE of the memory, because parsing a body takes about four times its size."""

OWN = 96 << 20
"""Bytes that a process uses before its first call."""

_SYSTEM = Path("/")
_LIMITS = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Files with the memory limit of this process's container, of cgroup versions 2 and 1."""

_FALLBACK = 1 << 31


class BytesInFlight:
    """A counter of at most ``limit`` bytes; ``lock`` guards what it counts."""

    def __init__(self, limit: int) -> None:
        self.lock = threading.Lock()
        self.limit = limit
        self.used = 0
        self.released = 0

    def has_released(self, at_least: int) -> bool:
        """Whether ``at_least`` bytes were released since this last returned True."""
        with self.lock:
            enough = self.released >= at_least
            if enough:
                self.released = 0
            return enough


class Load:
    """The bytes in flight of one request: its body's, and those of its answer."""

    def __init__(self, flight: BytesInFlight) -> None:
        self._flight = flight
        self.size = 0
        self._answer = 0

    def add(self, count: int) -> None:
        """Adds bytes. Raises Overloaded if the limit is exceeded."""
        flight = self._flight
        with flight.lock:
            others = flight.used - self.size
            if count > 0 and others and flight.used + count > flight.limit:
                raise Overloaded("too many large requests in flight; retry in a moment", retry_after=1)
            flight.used += count
            flight.released += max(0, -count)
            self.size += count

    def hold(self, size: int) -> None:
        """Counts ``size`` bytes of an answer in place of those so far. Raises Overloaded if the limit is exceeded."""
        try:
            self.add(size - self._answer)
        except Overloaded:
            text = "the answer is too large beside what else is in flight; retry in a moment, or request a stream"
            raise Overloaded(text, retry_after=1) from None
        self._answer = size

    def release(self) -> None:
        """Releases the body. May be called more than once."""
        flight = self._flight
        with flight.lock:
            body = self.size - self._answer
            flight.used -= body
            flight.released += body
            self.size = self._answer


def default_limit(root: Path = _SYSTEM) -> int:
    """Returns the default limit in bytes: a share of the memory of the container, or else of the machine, less what the
    process itself uses."""
    memory = min([*_container_limits(root), _physical(root)])
    return max(memory - OWN, memory // 4) // SHARE


def _container_limits(root: Path) -> list[int]:
    limits = []
    for name in _LIMITS:
        try:
            text = (root / name).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text.isdecimal() and int(text) > 0:
            limits.append(int(text))
    return limits


def _physical(root: Path) -> int:
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        total = next(line for line in lines if line.startswith("MemTotal:"))
        return int(total.split()[1]) * 1024
    except (OSError, UnicodeDecodeError, StopIteration, ValueError, IndexError):
        return _FALLBACK
