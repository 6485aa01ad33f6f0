"""One value for many calls, such as a credential: fetched once, and renewed in time on its own thread.

Law: at most one fetch is in flight, and no call waits for one while the value is valid. A waiting call can be
cancelled; the fetch belongs to no call, continues, and serves the next one. A failed fetch keeps the current value.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, Generic, TypeVar

from nexus.cancel import Cancel
from nexus.daemon import start_daemon
from nexus.dataclasses import dataclass, field
from nexus.errors import InternalError, Overloaded, UpstreamError, UpstreamTimeout

log = logging.getLogger("nexus.renewal")

PHASE = "credentials"
"""The log's name for this part of an exchange."""

PATIENCE = 30.0
"""Seconds that a call waits for a value; a fetch gives up earlier, unless it hangs where no timeout can be set."""

EARLY = 225.0
"""Seconds before its expiry at which a value is renewed; google-auth's choice, because metadata servers cache old
tokens."""

LEAST = 10.0
"""Seconds that a value must still be valid to be used."""

PAUSE = 10.0
"""Seconds between failed renewals while the old value is still valid."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Grant(Generic[Value]):
    """A value; ``expires`` and ``fetched`` are seconds of the clock of ``Renewed``, by default since the epoch.

    It is renewed ``refresh`` seconds after its fetch, or, if that is None, ``early`` seconds before it expires.
    """

    value: Value = field(repr=False)
    expires: float
    fetched: float
    refresh: float | None = None
    early: float = EARLY

    @property
    def stale_at(self) -> float:
        """When to renew it: a short-lived value after three quarters of its lifetime."""
        if self.refresh is not None:
            return self.fetched + self.refresh
        return self.expires - min(self.early, max(0.0, self.expires - self.fetched) / 4)


class Renewed(Generic[Value]):
    """A value that is fetched and renewed. Thread-safe. ``fetch`` blocks, and raises UpstreamError.

    ``owner`` and ``what`` name the value in errors and in the log. Fetches begin at least ``least`` seconds apart. With
    ``retry`` the value is renewed even if no call needs it, and a failed fetch is retried after that many seconds.
    """

    def __init__(
        self,
        owner: str,
        fetch: Callable[[], Grant[Value]],
        *,
        what: str = "access token",
        patience: float = PATIENCE,
        least: float = 0.0,
        retry: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._owner = owner
        self._what = what
        self._fetch = fetch
        self._patience = patience
        self._least = least
        self._retry = retry
        self._clock = clock
        self._lock = threading.Lock()
        self._grant: Grant[Value] | None = None
        self._pending: Future[Grant[Value]] | None = None
        self._failure: Exception | None = None
        self._quiet_until = 0.0
        self._delayed_until = 0.0
        self._timer: threading.Timer | None = None
        self._lapsed = False
        """Whether no thread could be started that would have renewed the value."""
        self._closed = False

    @property
    def value(self) -> Value | None:
        """The last fetched value, without waiting and regardless of its age."""
        if self._lapsed:
            self.request_fetch()
        grant = self._grant
        return grant.value if grant is not None else None

    @property
    def has_failed(self) -> bool:
        """Whether the last fetch failed, so that the value may be out of date."""
        return self._failure is not None

    def start(self) -> None:
        """Fetches the first value before it is needed."""
        with self._lock:
            if self._grant is None and self._pending is None and not self._closed:
                self._begin(alone=True)

    def close(self) -> None:
        """Stops renewing, and ends all waiting now; a fetch in flight is left to finish."""
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            pending, self._pending = self._pending, None
        if pending is not None:
            _finish(pending, self._too_late())

    def request_fetch(self) -> Future[None] | None:
        """A future that resolves when a fetch that is in flight or begins now ends, successfully or not; None during
        the pause after a fetch.

        It never holds an error and cannot be cancelled.
        """
        with self._lock:
            if self._pending is None and (self._closed or self._clock() < self._delayed_until):
                return None
            pending = self._pending or self._begin(alone=True)
        if pending is None:
            return None
        ended = _uncancellable()
        pending.add_done_callback(lambda _: ended.set_result(None))
        return ended

    def get(self, cancel: Cancel) -> Grant[Value]:
        """A valid value. Raises UpstreamError, Overloaded, or the reason of the cancelled call."""
        cancel.check()
        with self._lock:
            grant, now = self._grant, self._clock()
            good = grant is not None and grant.expires - now > LEAST
            due = grant is None or now >= grant.stale_at
            if self._pending is None and due and now >= (self._quiet_until if good else self._delayed_until):
                self._begin()
            pending, failure = self._pending, self._failure
        if good and grant is not None:
            return grant
        if pending is None:
            raise failure or self._too_late()
        return self._wait(pending, cancel)

    def reject(self, refused: Value) -> bool:
        """Discards a value that the vendor rejected; returns whether it did. A brand-new one is kept, so that not every
        call fetches one."""
        with self._lock:
            grant = self._grant
            if grant is None or grant.value != refused or 0 <= self._clock() - grant.fetched <= PAUSE:
                return False
            self._grant = None
            return True

    def replace(self, refused: Value, cancel: Cancel) -> Value | None:
        """A value other than the one that the vendor rejected; None if there is none yet. Other calls keep using the
        old one.

        Raises the reason of the cancelled call.
        """
        with self._lock:
            grant, now = self._grant, self._clock()
            if grant is not None and grant.value != refused:
                return grant.value
            if self._pending is None and now >= self._delayed_until:
                self._begin()
            pending = self._pending
        if pending is None:
            return None
        try:
            fetched = self._wait(pending, cancel).value
        except (UpstreamError, InternalError):
            cancel.check()
            return None
        return fetched if fetched != refused else None

    def _begin(self, *, alone: bool = False) -> Future[Grant[Value]] | None:
        """Begins a fetch. ``alone``: no call is waiting that would get its error. None if no thread can be
        started; the next call tries again."""
        if self._timer is not None:
            self._timer.cancel()
        self._delay_next(self._clock())
        pending: Future[Grant[Value]] = _uncancellable()
        try:
            start_daemon(f"{self._owner}-{self._what.replace(' ', '-')}", self._run, pending, alone)
        except Overloaded as error:
            self._failure, self._lapsed = error, self._retry is not None
            return None
        self._pending, self._lapsed = pending, False
        return pending

    def _delay_next(self, now: float) -> None:
        """Delays the next fetch by ``least``. If that is 0, sets no time at all, because the clock may be set back."""
        self._delayed_until = now + self._least if self._least else 0.0

    def _run(self, pending: Future[Grant[Value]], alone: bool) -> None:
        outcome: Grant[Value] | Exception
        try:
            outcome = self._fetch()
        except UpstreamError as error:
            outcome = error
        except Exception:
            log.exception(f"the {self._what} could not be fetched", extra={"fields": {"provider": self._owner}})
            outcome = InternalError()
        self._settle(pending, outcome, alone)

    def _settle(self, pending: Future[Grant[Value]], outcome: Grant[Value] | Exception, alone: bool) -> None:
        with self._lock:
            if self._pending is pending:
                self._pending = None
            now, kept = self._clock(), self._grant is not None
            self._delay_next(now)
            if isinstance(outcome, Grant):
                self._grant, self._failure = outcome, None
            else:
                self._failure = outcome
                self._quiet_until = max(now + PAUSE, self._delayed_until)
            if self._retry is not None and not self._closed:
                self._wake_after(outcome.stale_at - now if isinstance(outcome, Grant) else self._retry)
        if isinstance(outcome, Exception) and (kept or alone):
            self._warn(outcome, kept)
        _finish(pending, outcome)

    def _wake_after(self, seconds: float) -> None:
        self._timer = threading.Timer(max(0.0, seconds), self._wake)
        self._timer.daemon = True
        try:
            self._timer.start()
        except RuntimeError:
            # The system allows no more threads: whoever reads the value next begins the fetch.
            self._lapsed = True

    def _wake(self) -> None:
        with self._lock:
            if self._pending is None and not self._closed:
                self._begin(alone=True)

    def _warn(self, failure: Exception, kept: bool) -> None:
        why = failure.cause if isinstance(failure, UpstreamError) else ""
        fields = {"provider": self._owner, "why": why or str(failure), "kept": kept}
        log.warning(f"the {self._what} could not be fetched", extra={"fields": fields})

    def _wait(self, pending: Future[Grant[Value]], cancel: Cancel) -> Grant[Value]:
        if cancel.wait_for(pending, self._patience):
            return pending.result()
        self._abandon(pending)
        raise self._too_late()

    def _too_late(self) -> UpstreamError:
        text = f"{self._owner}: no {self._what} within {self._patience:g} s"
        error = UpstreamTimeout(text, provider=self._owner, retryable=True)
        return error.at(PHASE, f"the source of the {self._what} did not answer")

    def _abandon(self, pending: Future[Grant[Value]]) -> None:
        """Detaches a fetch that hangs, so that later calls can begin their own."""
        with self._lock:
            if self._pending is pending:
                self._pending = None


def _uncancellable() -> Future[Any]:
    """A future that no waiter can cancel for the others."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future


def _finish(pending: Future[Grant[Value]], outcome: Grant[Value] | Exception) -> None:
    # ``close`` may have resolved it before its fetch ended.
    with suppress(InvalidStateError):
        if isinstance(outcome, Grant):
            pending.set_result(outcome)
        else:
            pending.set_exception(outcome)
