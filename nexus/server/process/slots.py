"""The slots of the workers that a supervisor keeps alive, and when to restart each worker."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from typing import Any

from nexus.dataclasses import dataclass
from nexus.processes.peer import Peer
from nexus.settings import Settings

log = logging.getLogger("nexus")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
"""Seconds before a dead worker is replaced: FIRST_PAUSE, doubled after each further early death up to LONGEST_PAUSE."""

LONG = 5.0
"""Seconds after which a worker counts as having started successfully."""

TIMES = 5
"""Consecutive early deaths after which a slot is given up; once all are, the supervisor stops."""


@dataclass(slots=True, eq=False)
class Slot:
    """The slot of one worker. ``due`` is when to start it; None while one is alive, or if none is wanted."""

    index: int
    due: float | None = 0.0
    pid: int | None = None
    settings: Settings | None = None
    began: float = 0.0
    short_lives: int = 0
    control: Peer | None = None
    is_built: bool = False
    is_ready: bool = False
    has_adopted: bool | None = None
    """Whether the worker uses the settings that were sent last; None until it reports that."""

    def keeps_dying(self, now: float) -> bool:
        return self.short_lives >= TIMES and not self._lives_long(now)

    def send(self, what: tuple[Any, ...]) -> None:
        if self.control is not None:
            self.control.send(what)

    def died(self, now: float) -> None:
        self.short_lives = 0 if self._lives_long(now) else self.short_lives + 1
        self.pid, self.is_built, self.is_ready, self.has_adopted = None, False, False, None
        if self.control is not None:
            self.control.close()
            self.control = None

    def kill(self, number: signal.Signals) -> None:
        if self.pid is not None:
            # An ended process keeps its id until it is reaped, so this cannot hit another process.
            os.kill(self.pid, number)

    def schedule(self, now: float) -> None:
        """Schedules the next worker, after a backoff."""
        self.due = now + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(20, max(0, self.short_lives - 1)))

    def _lives_long(self, now: float) -> bool:
        return self.pid is not None and now - self.began >= LONG


class Slots:
    def __init__(self, count: int) -> None:
        self._slots = [Slot(index) for index in range(count)]

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    @property
    def built(self) -> list[Slot]:
        """The slots whose workers are built, and so can receive messages."""
        return [slot for slot in self._slots if slot.is_built]

    @property
    def ready(self) -> int:
        return sum(slot.is_ready for slot in self._slots)

    @property
    def status(self) -> str:
        return f"{self.ready} of {len(self._slots)} workers are running"

    @property
    def are_empty(self) -> bool:
        return all(slot.pid is None for slot in self._slots)

    @property
    def are_built(self) -> bool:
        return all(slot.is_built for slot in self._slots)

    def reap(self) -> Iterator[tuple[Slot, int]]:
        """Reaps ended workers: yields each slot with the exit code, which is negative for a signal."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            yield from ((slot, os.waitstatus_to_exitcode(status)) for slot in self._slots if slot.pid == pid)

    def keep_dying(self, now: float) -> bool:
        return all(slot.keeps_dying(now) for slot in self._slots)

    def want_none(self) -> None:
        for slot in self._slots:
            slot.due = None

    def kill(self, number: signal.Signals) -> None:
        for slot in self._slots:
            slot.kill(number)

    def end_outdated(self) -> None:
        """Ends workers that cannot use the current settings, so that others replace them: they would accept keys that
        were removed. As long as no worker can, all go on with the previous settings."""
        if any(slot.has_adopted for slot in self._slots):
            for slot in self._slots:
                if slot.has_adopted is False:
                    slot.has_adopted = None
                    log.error(
                        "replacing a worker that cannot use the configuration", extra={"fields": {"pid": slot.pid}}
                    )
                    slot.kill(signal.SIGTERM)

    def forget(self) -> None:
        """In a forked process: closes its copies of the supervisor's sockets."""
        for slot in self._slots:
            if slot.control is not None:
                slot.control.forget()
