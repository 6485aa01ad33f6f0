"""Keeps several worker processes alive that serve the same sockets; serves no calls itself.

Law: no event loop, threads or TLS in this process, ever, because they do not survive a fork. It never blocks, because
workers call it for the state that they share.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from nexus.dataclasses import dataclass
from nexus.processes.board import Facts
from nexus.processes.hub import Hub
from nexus.processes.link import SupervisorLink, pairs
from nexus.processes.peer import Control, Peer
from nexus.server import memory, shared_state
from nexus.server.process.forked import Inherited
from nexus.server.process.rereading import Rereading
from nexus.server.process.signals import has_terminal, no_signals, signals
from nexus.server.process.slots import LONG, TIMES, Slot, Slots
from nexus.server.process.source import Accepted, log_adopted
from nexus.server.shared_state import Member, SharedMemory, SharedState
from nexus.server.sockets.listeners import Listeners
from nexus.server.sockets.service import Notifier
from nexus.settings import Settings
from nexus.telemetry import logs

log = logging.getLogger("nexus")

TOGETHER = 5.0
"""Seconds that the first workers wait for each other, so that the first one does not take all pending connections."""

OVERDUE = 10.0
"""Seconds beyond the drain delay and timeout after which workers that are still alive are killed."""

AT_ONCE = 1.0
"""Seconds after a second signal until workers that are still alive are killed."""


@dataclass(frozen=True, slots=True)
class Workforce:
    """``count`` is the number of workers; ``work`` runs one, in its process; ``up`` is called when the first serves."""

    count: int
    work: Callable[[Settings, Member], int]
    up: Callable[[], None]


class Supervisor:
    def __init__(self, workforce: Workforce, listeners: Listeners, rereading: Rereading, notifier: Notifier) -> None:
        self._workforce = workforce
        self._listeners = listeners
        self._rereading = rereading
        self._state = SharedState(rereading.settings.server)
        self._notifier = notifier
        self._had_terminal = has_terminal()
        # Has no descriptor, which forked processes would share.
        self._selector = selectors.PollSelector()
        self._hub = Hub(self._state.functions, self._selector)
        self._memory = SharedMemory(workforce.count)
        self._memory.meters.started()
        self._facts = Facts()
        self._slots = Slots(workforce.count)
        self._inherited = Inherited(self._hub, self._slots)
        self._began = time.monotonic()
        self._all_listen = False
        self._is_up = False
        self._stopped_at: float | None = None
        self._hurried_at: float | None = None
        self._code = 0

    def run(self) -> int:
        """Runs until a signal stops it, or until no worker can be kept alive; returns the exit code."""
        gc.collect()
        # Freeze what exists now: workers share its pages until someone writes to them.
        memory.settle()
        with signals() as woken, logs.without_thread() as flush:
            self._selector.register(woken, selectors.EVENT_READ, partial(self._woken, woken))
            while not self._is_over:
                self._start_due()
                self._reread()
                for key, _ in self._selector.select(self._pause(flush())):
                    key.data()
                self._kill_overdue()
            self._hub.close()
        return self._code

    # Timing.

    @property
    def _is_over(self) -> bool:
        return self._stopped_at is not None and self._slots.are_empty

    def _pause(self, has_lines: bool) -> float:
        """Seconds until something is due."""
        now, moments = time.monotonic(), [slot.due for slot in self._slots if slot.due is not None]
        if not self._all_listen:
            moments.append(self._began + TOGETHER)
        moments.append(self._rereading.next_at if self._stopped_at is None else self._killed_at)
        if has_lines:
            moments.append(now + 0.1)
        return max(0.0, min(moments) - now)

    def _start_due(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.due is not None and now >= slot.due:
                self._fork(slot)
        if not self._all_listen and now >= self._began + TOGETHER:
            self._listen_all()

    @property
    def _killed_at(self) -> float:
        """The time at which workers that are still alive are killed."""
        own = self._rereading.settings.server
        if self._hurried_at is not None:
            return self._hurried_at + AT_ONCE
        return (self._stopped_at or 0.0) + own.drain_delay + own.drain_timeout + OVERDUE

    def _kill_overdue(self) -> None:
        if self._stopped_at is not None and time.monotonic() >= self._killed_at:
            self._slots.kill(signal.SIGKILL)

    # Reloading the configuration.

    def _reread(self) -> None:
        if self._stopped_at is not None:
            return
        self._rereading.kill_overdue()
        if self._rereading.is_due():
            self._notifier.reloading()
            live = partial(self._inherited.live, self._listeners.sockets)
            with no_signals():
                self._rereading.begin(self._selector, live, self._reread_over)

    def _reread_over(self, good: Accepted | None) -> None:
        self._memory.meters.reloaded(read=good is not None)
        if good is not None and self._stopped_at is None:
            before, self._rereading.settings = self._rereading.settings, good.settings
            self._state.adopt(good.settings.server)
            for slot in self._slots:
                self._send_settings(slot)
            log_adopted(before, good)
        self._notifier.ready(self._slots.status)

    def _send_settings(self, slot: Slot) -> None:
        """Sends a worker the current settings, unless it has them."""
        settings = self._rereading.settings
        if slot.is_built and slot.settings is not settings:
            slot.settings, slot.has_adopted = settings, None
            slot.send((shared_state.RELOAD, pickle.dumps(settings)))

    # Workers.

    def _fork(self, slot: Slot) -> None:
        try:
            with pairs(2) as [(control, own_control), (link, own_link)], no_signals():
                if (pid := os.fork()) == 0:
                    # Of what it inherited, the child keeps only the listening sockets and its own ends.
                    self._inherited.live([control, link], lambda: self._work(slot, own_control, own_link))
        except OSError as error:
            log.error("no worker could be started", exc_info=error)
            self._died(slot)
            return
        slot.pid, slot.began, slot.due = pid, time.monotonic(), None
        slot.settings = self._rereading.settings
        # Nothing to do when the stream ends: SIGCHLD reports the worker's end, with the exit code.
        slot.control = Peer(control, self._selector, partial(self._received, slot), lambda: None)
        self._hub.add(link)

    def _work(self, slot: Slot, control: socket.socket, link: socket.socket) -> int:
        member = self._memory.member(slot.index, Control(control), SupervisorLink(link))
        return self._workforce.work(self._rereading.settings, member)

    def _received(self, slot: Slot, message: tuple[Any, ...]) -> None:
        match message:
            case (shared_state.FACT, fact):
                self._facts.keep(fact)
                for other in self._slots.built:
                    if other is not slot:
                        other.send(message)
            case (shared_state.BUILT,):
                self._built(slot)
            case (shared_state.READY,):
                self._serves(slot)
            case (shared_state.ADOPTED, bool(adopted)):
                slot.has_adopted = adopted
                if not adopted:
                    self._memory.meters.reloaded(read=False)
                self._slots.end_outdated()

    def _built(self, slot: Slot) -> None:
        slot.is_built = slot.has_adopted = True
        self._send_settings(slot)
        self._slots.end_outdated()
        for fact in self._facts.all():
            slot.send((shared_state.FACT, fact))
        if self._all_listen:
            self._send_listen(slot)
        elif self._slots.are_built:
            self._listen_all()

    def _serves(self, slot: Slot) -> None:
        slot.is_ready = True
        if not self._is_up:
            self._is_up = True
            self._workforce.up()
            self._notifier.ready(self._slots.status)
        log.info("a worker is ready", extra={"fields": {"pid": slot.pid, "workers": self._slots.ready}})
        self._notifier.status(self._slots.status)

    def _listen_all(self) -> None:
        self._all_listen = True
        self._memory.listen(slot.index for slot in self._slots.built)
        for slot in self._slots.built:
            self._send_listen(slot)

    def _send_listen(self, slot: Slot) -> None:
        if self._stopped_at is None:
            slot.send((shared_state.LISTEN,))

    # Ended workers, and stopping.

    def _reap(self) -> None:
        for slot, code in self._slots.reap():
            self._ended(slot, code)

    def _ended(self, slot: Slot, code: int) -> None:
        self._memory.ended(slot.index)
        if self._stopped_at is None:
            fields = {"pid": slot.pid, **({"signal": -code} if code < 0 else {"exit_code": code})}
            log.error("a worker exited: its calls are lost; starting another one", extra={"fields": fields})
        self._died(slot)
        self._notifier.status(self._slots.status)

    def _died(self, slot: Slot) -> None:
        now = time.monotonic()
        slot.died(now)
        if self._stopped_at is not None:
            return
        slot.schedule(now)
        if self._slots.keep_dying(now):
            log.error(f"no worker stayed up for {LONG:g} s, {TIMES} times in a row: giving up")
            self._code = 1
            self._stop()
            self._slots.kill(signal.SIGKILL)

    def _woken(self, sock: socket.socket) -> None:
        with suppress(BlockingIOError):
            for number in sock.recv(1024):
                if number == signal.SIGCHLD:
                    self._reap()
                elif number == signal.SIGHUP and not (self._had_terminal and not has_terminal()):
                    self._rereading.request()
                elif self._stopped_at is None:
                    self._stop()
                    self._slots.kill(signal.SIGTERM)
                elif number != signal.SIGHUP:
                    self._hurry(128 + number)

    def _hurry(self, code: int) -> None:
        if self._hurried_at is None:
            self._code, self._hurried_at = code, time.monotonic()
            for slot in self._slots.built:
                slot.send((shared_state.END,))

    def _stop(self) -> None:
        self._stopped_at = time.monotonic()
        self._rereading.stop()
        self._memory.stop()
        self._slots.want_none()
        # The workers still have their copies; the ports close when the last worker stops listening.
        self._listeners.close_sockets()
        self._notifier.stopping()
