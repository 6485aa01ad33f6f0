"""What worker processes share with each other and with their supervisor: messages, memory (connection counts, limit
windows, calls in flight, metrics), and state that the supervisor keeps for them.
"""

from __future__ import annotations

from collections.abc import Iterable

from nexus.accounting import recorder
from nexus.accounting.activity import Activity
from nexus.dataclasses import dataclass
from nexus.limits.window_table import WindowTable
from nexus.processes.board import Board
from nexus.processes.counter_rows import ProcessRows, Rows
from nexus.processes.hub import Function
from nexus.processes.link import SupervisorLink
from nexus.processes.lock import Lock
from nexus.processes.peer import Control
from nexus.response_store import remote
from nexus.response_store.local import LocalStore
from nexus.response_store.store import ANSWERS, IDS, bounds_of
from nexus.server.sockets.shares import Share, shares
from nexus.settings import ServerSettings
from nexus.settings.limits import RedisStorage
from nexus.telemetry.metrics.meters import Meters

BUILT, READY, LISTEN, FACT, RELOAD, ADOPTED, END = "built", "ready", "listen", "fact", "reload", "adopted", "end"
"""The first item of each message between worker and supervisor. FACT carries a fact, in both directions; RELOAD carries
pickled settings, and ADOPTED says whether the worker uses them; END ends the worker at once."""


@dataclass(frozen=True, slots=True)
class Member:
    """What a worker process gets from its supervisor. ``share`` is its connection count, ``control`` its stream to the
    supervisor. ``windows`` are the counters of limits; ``link`` is for all other exact state, ``board`` for facts that
    must not block, ``rows`` for counts of all processes, of which this one writes ``part``; ``count`` is the number of
    workers."""

    share: Share
    control: Control
    windows: WindowTable
    link: SupervisorLink
    board: Board
    rows: Rows
    part: ProcessRows
    count: int


class SharedMemory:
    """The memory shared by ``count`` workers. Create it once, before the first fork."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._shares = shares(count)
        self._windows = WindowTable(lock=Lock())
        # One part per worker, and one for the supervisor.
        self._rows = Rows(count + 1)
        self.meters = Meters(self._rows.parts[-1])

    def member(self, index: int, control: Control, link: SupervisorLink) -> Member:
        """What worker ``index`` gets; call it in that worker's process."""
        board = Board(lambda fact: control.tell((FACT, fact)))
        share, part = self._shares[index], self._rows.parts[index]
        return Member(share, control, self._windows, link, board, self._rows, part, self._count)

    def listen(self, indices: Iterable[int]) -> None:
        """Marks workers as listening, each with 0 connections, before any of them does: otherwise the first one would
        take more than its share."""
        for index in indices:
            self._shares[index].write(0)

    def ended(self, index: int) -> None:
        """Clears the connections and tallies of a worker that ended; keeps its counters."""
        self._shares[index].write(None)
        self._rows.parts[index].end()

    def stop(self) -> None:
        self._shares[0].stop()


class SharedState:
    """State that the supervisor serves to workers from its own memory; with Redis storage, stored answers and ids live
    there instead."""

    def __init__(self, settings: ServerSettings) -> None:
        self._kept = {name: LocalStore(bounds_of(settings.response_store, name)) for name in (ANSWERS, IDS)}
        self.functions: dict[str, Function] = {**recorder.services(Activity())}
        if not isinstance(settings.rate_limits.storage, RedisStorage):
            for name, store in self._kept.items():
                self.functions |= remote.services(store, name)

    def adopt(self, settings: ServerSettings) -> None:
        """Applies the bounds of new settings; keeps what is stored."""
        for name, store in self._kept.items():
            store.bounds = bounds_of(settings.response_store, name)
