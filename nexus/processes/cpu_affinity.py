"""Keeps a busy process on one core, and lets it move when other programs need that core.

Python runs one thread at a time. If the threads of a process are on several cores, they wake each other across cores:
a short call takes a third more CPU, and fewer are served. Workers choose different cores. Source: sched_setaffinity(2);
``schedstat``, ``stat`` and ``children`` in proc(5).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from nexus.dataclasses import dataclass

log = logging.getLogger("nexus.processes")

BUSY, IDLE = 0.25, 0.05
"""Shares of a core: a process that uses more than BUSY is kept on one, one that uses less than IDLE is idle."""

REST = 10.0
"""Seconds after which an idle process is released; until then, becoming busy again costs nothing."""

CROWDED = 0.25
"""Share of the time that the main thread may wait for other programs on its core."""

PATIENCE = 2
"""Ticks in a row after which a process leaves a crowded core; after the first, another worker may leave it."""

PAUSE = 10.0
"""Seconds for which a process is free after its core was crowded, so that the system can move it to another."""

_PROCESS = Path("/proc/self")
_PROCESSOR = 36
"""The index of ``processor`` in ``stat``, after the name of the program."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds: of the clock, of CPU of the whole process and of its main thread, and how long the main thread was
    ready to run and had to wait."""

    at: float
    used: float
    ran: float
    waited: float


class Cores:
    """The cores of this process. Every method raises OSError or ValueError if the system does not support it."""

    def sample(self) -> Sample:
        ran, waited, *_ = (_PROCESS / "schedstat").read_text().split()
        return Sample(time.monotonic(), time.process_time(), int(ran) / 1e9, int(waited) / 1e9)

    def current(self) -> int:
        """The core on which the main thread ran last."""
        return int((_PROCESS / "stat").read_text().rpartition(")")[2].split()[_PROCESSOR])

    def kept(self) -> Counter[int]:
        """How many other processes of the same parent, such as the other workers, are kept on each core."""
        kept: Counter[int] = Counter()
        parent = os.getppid()
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            for process in map(int, children.read_text().split()):
                with suppress(OSError):
                    cores = os.sched_getaffinity(process)
                    kept.update(cores if len(cores) == 1 and process != os.getpid() else ())
        return kept

    def allowed(self) -> frozenset[int]:
        return frozenset(os.sched_getaffinity(0))

    def allow(self, cores: frozenset[int]) -> None:
        """Sets the cores of every thread of the process; new threads inherit them."""
        for thread in os.listdir(_PROCESS / "task"):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), cores)


class Affinity:
    """``tick``, called every second, decides. ``core`` is the one on which the process is kept, None if it is free."""

    def __init__(self, cores: Cores) -> None:
        """Raises what ``cores`` raises."""
        self.core: int | None = None
        self._cores = cores
        self._allowed = cores.allowed()
        self._last = cores.sample()
        self._free_until = self._last.at
        self._crowded = 0
        self._busy_at = self._last.at

    def tick(self) -> None:
        """Keeps the process on a core, or releases it. Raises what ``cores`` raises."""
        now, before = self._cores.sample(), self._last
        self._last = now
        span, used = now.at - before.at, now.used - before.used
        # The main thread also waits while other threads of this process run.
        of_others = (now.waited - before.waited) - (used - (now.ran - before.ran))
        if self.core is None:
            # A system that does not count waiting would not show that others need the core.
            if used > BUSY * span and now.at >= self._free_until and now.waited > 0:
                self._keep()
        elif self._cores.allowed() != {self.core}:
            # Another program has set the cores of this process.
            self.core, self._free_until = None, float("inf")
        elif of_others > CROWDED * span:
            self._leave(now.at)
        elif used >= IDLE * span:
            self._busy_at, self._crowded = now.at, 0
        elif now.at - self._busy_at >= REST:
            self.release()

    def release(self) -> None:
        """Lets the process run on all its cores again."""
        if self.core is not None:
            self.core = None
            self._cores.allow(self._allowed)

    def _leave(self, now: float) -> None:
        """Moves to a core with fewer workers; without one, releases the process once this core stays crowded."""
        self._crowded += 1
        if (best := self._best()) != self.core:
            self._keep_on(best)
        elif self._crowded >= PATIENCE:
            self._free_until = now + PAUSE
            self.release()

    def _keep(self) -> None:
        self._allowed = self._cores.allowed()
        if len(self._allowed) > 1 and self._cores.current() in self._allowed:
            self._keep_on(self._best())

    def _keep_on(self, core: int) -> None:
        self.core, self._crowded, self._busy_at = core, 0, self._last.at
        self._cores.allow(frozenset({core}))

    def _best(self) -> int:
        """The core with the fewest workers; of several the current one."""
        kept, current = self._cores.kept(), self._cores.current()
        return min(self._allowed, key=lambda core: (kept[core], core != current, core))


def open_affinity() -> Affinity | None:
    """Returns None if the system does not support it, or if this is not the process's main thread."""
    if not hasattr(os, "sched_setaffinity") or threading.current_thread() is not threading.main_thread():
        return None
    try:
        return Affinity(Cores())
    except (OSError, ValueError) as error:
        log.debug("this process is not kept on a core", extra={"fields": {"why": str(error)}})
        return None
