"""Timers that can be cancelled: they end an attempt that takes too long.

One thread serves all alarms; it starts with the first. A cancelled alarm never fires. An alarm ends only the
attempt, never the call. Calls without a virtual model's patience or deadline set no alarm.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from nexus.daemon import start_daemon
from nexus.errors import UpstreamTimeout
from nexus.relay.call_state import Attempt, CallState
from nexus.relay.candidate import Candidate, Plan

log = logging.getLogger("nexus.gateway")

FEW = 64
"""Number of pending alarms, cancelled ones included, below which cancelled ones are not swept."""


class Alarm:
    """One alarm. ``kind`` has a meaning only for its owner."""

    def __init__(self, callback: Callable[[], None], kind: str = "") -> None:
        self.kind = kind
        self._callback: Callable[[], None] | None = callback
        self._lock = threading.Lock()

    def cancel(self) -> None:
        with self._lock:
            self._callback = None

    @property
    def is_cancelled(self) -> bool:
        return self._callback is None

    def fire(self) -> None:
        # Under the lock, so that a caller of ``cancel`` that came too late sees what the callback did.
        with self._lock:
            callback, self._callback = self._callback, None
            if callback is not None:
                callback()


class Alarms:
    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: list[tuple[float, int, Alarm]] = []
        self._numbers = itertools.count()
        self._sweep_at = FEW
        self._runs = False
        self._closed = False

    def set(self, moment: float, callback: Callable[[], None], kind: str = "") -> Alarm:
        """Calls ``callback``, which must not block, at ``moment`` in monotonic seconds. Raises Overloaded."""
        alarm = Alarm(callback, kind)
        with self._condition:
            if not self._runs:
                start_daemon("nexus-alarms", self._run)
                self._runs = True
            heapq.heappush(self._waiting, (moment, next(self._numbers), alarm))
            if len(self._waiting) >= self._sweep_at:
                self._sweep()
            if self._waiting[0][2] is alarm:
                self._condition.notify()
        return alarm

    def _sweep(self) -> None:
        """Drops cancelled alarms, so that they never outnumber the others."""
        self._waiting = [one for one in self._waiting if not one[2].is_cancelled]
        heapq.heapify(self._waiting)
        self._sweep_at = max(FEW, 2 * len(self._waiting))

    def close(self) -> None:
        """Ends the thread; alarms set afterwards never fire."""
        with self._condition:
            self._closed = True
            self._condition.notify()

    def _run(self) -> None:
        while (alarm := self._next()) is not None:
            try:
                alarm.fire()
            except Exception:
                log.exception("an alarm failed")

    def _next(self) -> Alarm | None:
        with self._condition:
            while not self._closed:
                now = time.monotonic()
                if self._waiting and self._waiting[0][0] <= now:
                    return heapq.heappop(self._waiting)[2]
                self._condition.wait(self._waiting[0][0] - now if self._waiting else None)
            return None


def begin_in_time(
    alarms: Alarms, state: CallState, plan: Plan, candidate: Candidate
) -> tuple[Attempt, Sequence[Alarm]]:
    """Begins the next attempt; returns it with the alarms that end it unless they are cancelled."""
    ends = list(_ends(state, plan, candidate))
    if not ends:
        return state.begin(candidate), ()
    cancel = state.call.cancel.child()
    pending = [alarms.set(moment, partial(cancel.throw, error), error.phase) for moment, error in ends]
    attempt = state.begin(candidate, cancel)
    attempt.on_begun = partial(_cancel_patience, pending)
    return attempt, pending


def _cancel_patience(pending: Sequence[Alarm]) -> None:
    """Once the model has begun to answer, thinking included, only the deadline applies."""
    for alarm in pending:
        if alarm.kind == "patience":
            alarm.cancel()


def _ends(state: CallState, plan: Plan, candidate: Candidate) -> Iterator[tuple[float, UpstreamTimeout]]:
    """The times at which an attempt is given up, each with its error. Patience does not apply to the last target."""
    name, now = candidate.route.provider.name, time.monotonic()
    others = any(one.route.name != candidate.route.name for one in plan.waiting)
    if plan.patience is not None and state.call.stream and others:
        text = f"{name}: no content within {plan.patience:g} s"
        yield now + plan.patience, UpstreamTimeout(text, provider=name).at("patience", "no content in time")
    if plan.deadline is not None:
        text = f"{name}: no content before the deadline of model {plan.virtual!r}"
        yield plan.deadline, UpstreamTimeout(text, provider=name).at("deadline", "no content in time")
