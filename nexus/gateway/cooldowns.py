"""Cooldowns after failures: of hosts, models, keys, and keys for one model.

Thread-safe and bounded; never blocks. State is kept by name, so that it survives a reload. The end of a cooldown only
moves later. When it has passed, one call goes there as a probe. Only an answer to a call that began after the cooldown
did ends it: an older call proves nothing.
"""

from __future__ import annotations

import random
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable

from nexus.dataclasses import dataclass, field
from nexus.processes.board import Board, Publish
from nexus.relay.candidate import Scope

IN_A_ROW = 5
"""Consecutive failures that start a cooldown."""

WINDOW = 30.0
FEWEST = 20
SHARE = 0.5
"""A cooldown also starts if this share of at least FEWEST calls in the last WINDOW seconds failed."""

COOLDOWN = 30.0
CAP = 300.0
"""Seconds: the n-th cooldown in a row takes n times ``COOLDOWN``, at most ``CAP``, whatever Retry-After says."""

JITTER = 0.2
PROBE = 30.0
"""Seconds for which a probe keeps other calls away."""

MOST = 10_000
"""Maximum number of scopes to remember, including those of callers' own keys."""


@dataclass(slots=True)
class _State:
    """State of one scope. ``end`` is None while it is up; ``since`` is when the cooldown began, ``probing`` until when
    a probe has it to itself. ``failures`` and ``cooldowns`` count those in a row; ``counts`` are [second, calls,
    failures] of the last window."""

    scope: Scope
    failures: int = 0
    cooldowns: int = 0
    end: float | None = None
    since: float = 0.0
    last_end: float = 0.0
    probing: float = 0.0
    counted: bool = False
    why: str = ""
    counts: deque[list[float]] = field(default_factory=deque)


_Cooldown = tuple[float | None, float, float, float, bool, str]
"""The part of a state that other processes need: end, since, last_end, probing, counted, why."""


class Cooldowns:
    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
        most: int = MOST,
    ) -> None:
        self.clock = clock
        self._jitter = jitter
        self._most = most
        self._lock = threading.Lock()
        self._states: OrderedDict[Scope, _State] = OrderedDict()
        self._active = 0
        """Number of scopes with an end, so that checks cost nothing while everything is up."""

        self._publish: Publish | None = None
        self.on_start: Callable[[Scope], None] = lambda scope: None
        """Called with the scope of each cooldown that begins in this process; must be quick."""

    def share(self, board: Board) -> None:
        """Shares cooldowns, probes and consecutive failures with all processes from now on; each process counts
        shares of failures by itself."""
        self._publish = board.table("cooldowns", self._received)

    def _share(self, scope: Scope, state: _State, *, ended: bool = False) -> None:
        if self._publish is not None:
            shared = state.end, state.since, state.last_end, state.probing, state.counted, state.why
            lasts = CAP + max(0.0, (state.end or 0.0) - self.clock())
            self._publish(scope, (state.failures, state.cooldowns, ended, shared), lasts)

    def _received(self, scope: Scope, fact: tuple[int, int, bool, _Cooldown]) -> None:
        with self._lock:
            state = self._state(scope)
            state.failures, state.cooldowns, ended, shared = fact
            # The process that reports a failure may not know yet of the later end that is known here.
            if not ended and state.end is not None and (shared[0] is None or shared[0] < state.end):
                return
            self._active += (shared[0] is not None) - (state.end is not None)
            state.end, state.since, state.last_end, state.probing, state.counted, state.why = shared

    def end(self, scopes: Iterable[Scope], now: float) -> float | None:
        """When the cooldown of a candidate with these scopes ends; None if a call may try it, also as a probe."""
        if not self._active:
            return None
        with self._lock:
            found = [self._end(self._states.get(scope), now) for scope in scopes]
            return max((end for end in found if end is not None), default=None)

    def _end(self, state: _State | None, now: float) -> float | None:
        if state is None or state.end is None:
            return None
        if now < state.end:
            return state.end
        return state.probing if now < state.probing else None

    def active(self, now: float) -> list[Scope]:
        if not self._active:
            return []
        with self._lock:
            return [scope for scope, state in self._states.items() if self._end(state, now) is not None]

    def why(self, scopes: Iterable[Scope]) -> str:
        """Why a candidate is in cooldown, in words; "" if it is not."""
        with self._lock:
            states = [self._states.get(scope) for scope in scopes]
            return next((state.why for state in states if state is not None and state.end is not None), "")

    def enter(self, scopes: Iterable[Scope], now: float) -> bool:
        """Enters a call. False if the cooldown is over but another call is probing."""
        if not self._active:
            return True
        with self._lock:
            over = [
                (scope, state)
                for scope in scopes
                if (state := self._states.get(scope)) is not None and state.end is not None and now >= state.end
            ]
            if any(now < state.probing for _, state in over):
                return False
            for scope, state in over:
                state.probing = now + PROBE
                self._share(scope, state)
            return True

    def leave(self, scopes: Iterable[Scope]) -> None:
        """Records that a call ended without showing whether the candidate works: another one may be the probe."""
        if not self._active:
            return
        with self._lock:
            for scope in scopes:
                if (state := self._states.get(scope)) is not None and state.probing:
                    state.probing = 0.0
                    self._share(scope, state)

    def succeeded(self, scopes: Iterable[Scope], entered: float) -> bool:
        """Records that an answer began; returns whether that ended a cooldown. ``entered`` is when its attempt
        began."""
        now = self.clock()
        with self._lock:
            ended = False
            for scope in scopes:
                # Keys that were never rejected need no state.
                state = self._states.get(scope) or (self._state(scope) if not scope[2] else None)
                if state is None:
                    continue
                _count(state, now, failed=False)
                failed_before, state.failures = state.failures, 0
                if state.end is not None and entered >= state.since and (state.counted or now >= state.end):
                    self._clear(state)
                    self._share(scope, state, ended=True)
                    ended = True
                elif failed_before:
                    self._share(scope, state)
            return ended

    def failed(self, scope: Scope, entered: float, why: str) -> float | None:
        """Counts a failure; returns the seconds of the cooldown that it starts, if any."""
        now = self.clock()
        with self._lock:
            state = self._state(scope)
            seconds = self._failed(state, now, entered, why)
            self._share(scope, state)
            return seconds

    def _failed(self, state: _State, now: float, entered: float, why: str) -> float | None:
        _count(state, now, failed=True)
        state.failures += 1
        if state.end is not None and (now < state.end or entered < state.since):
            return None
        if state.end is None and state.failures < IN_A_ROW and not _mostly_failed(state):
            return None
        state.cooldowns = 1 if now - state.last_end > CAP and state.end is None else state.cooldowns + 1
        seconds = min(CAP, COOLDOWN * state.cooldowns) * self._jitter(1 - JITTER, 1 + JITTER)
        self._start(state, now, min(CAP, seconds), why, counted=True)
        return state.end - now if state.end is not None else None

    def start(self, scope: Scope, seconds: float, why: str) -> float:
        """Starts or extends a cooldown of at least ``seconds`` from now, at most ``CAP``; returns the seconds left."""
        now = self.clock()
        with self._lock:
            state = self._state(scope)
            self._start(state, now, min(CAP, seconds), why, counted=False)
            self._share(scope, state)
            return (state.end or now) - now

    def _start(self, state: _State, now: float, seconds: float, why: str, *, counted: bool) -> None:
        if state.end is None or now >= state.end:
            self.on_start(state.scope)
        if state.end is None:
            self._active += 1
        if state.end is None or now + seconds > state.end:
            state.end, state.last_end, state.why, state.counted = now + seconds, now + seconds, why, counted
        state.since = now
        state.probing = 0.0

    def _clear(self, state: _State) -> None:
        state.end, state.probing, state.failures, state.why = None, 0.0, 0, ""
        state.counts.clear()
        self._active -= 1

    def _state(self, scope: Scope) -> _State:
        state = self._states.get(scope)
        if state is None:
            state = self._states[scope] = _State(scope)
            if len(self._states) > self._most:
                _, gone = self._states.popitem(last=False)
                self._active -= gone.end is not None
        else:
            self._states.move_to_end(scope)
        return state


def _count(state: _State, now: float, *, failed: bool) -> None:
    """Counts in one-second buckets over the window."""
    second, counts = now // 1, state.counts
    while counts and counts[0][0] <= second - WINDOW:
        counts.popleft()
    if not counts or counts[-1][0] != second:
        counts.append([second, 0, 0])
    counts[-1][1] += 1
    counts[-1][2] += failed


def _mostly_failed(state: _State) -> bool:
    calls, failures = sum(count[1] for count in state.counts), sum(count[2] for count in state.counts)
    return calls >= FEWEST and failures >= SHARE * calls
