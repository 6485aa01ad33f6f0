"""One credential for many calls: fetched once, renewed in time, by a thread of its own.

Law: at most one fetch at a time, and nobody waits for one while a credential is good. Who waits can be cancelled and
gives up on its own, for the fetch does not belong to any call: it goes on and serves the next one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from nexus.cancel import Cancel
from nexus.errors import InternalError, UpstreamError, UpstreamTimeout

log = logging.getLogger("nexus.renewal")

PHASE = "credentials"
"""What the log calls the part of an exchange that this is."""

PATIENCE = 30.0
"""Seconds that a call waits for a token; a fetch gives up before that, unless it is stuck in a place without limits."""

EARLY = 225.0
"""Seconds before its end at which a token is renewed; google-auth's own choice, for metadata servers keep old ones."""

LEAST = 10.0
"""Seconds that a token must still last to be sent."""

PAUSE = 10.0
"""Seconds between renewals that fail while the old token is still good."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Grant(Generic[Value]):
    """A credential; ``expires`` counts seconds since the epoch, as ``fetched`` does.

    ``refresh`` is how many seconds after its fetch it is renewed, where its end does not say.
    """

    value: Value = field(repr=False)
    expires: float
    fetched: float
    refresh: float | None = None

    @property
    def stale_at(self) -> float:
        """When to renew it: before the last quarter of a token that was short-lived from the start."""
        if self.refresh is not None:
            return self.fetched + self.refresh
        return self.expires - min(EARLY, max(0.0, self.expires - self.fetched) / 4)


class Renewed(Generic[Value]):
    """Thread-safe. ``fetch`` blocks, and raises UpstreamError. ``least`` is the fewest seconds between two fetches."""

    def __init__(
        self,
        provider: str,
        fetch: Callable[[], Grant[Value]],
        *,
        patience: float = PATIENCE,
        least: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._provider = provider
        self._fetch = fetch
        self._patience = patience
        self._least = least
        self._clock = clock
        self._lock = threading.Lock()
        self._grant: Grant[Value] | None = None
        self._pending: Future[Grant[Value]] | None = None
        self._failure: Exception | None = None
        self._quiet_until = 0.0
        self._closed_until = 0.0

    def start(self) -> None:
        """Fetches the first one, on nobody's time, and says so where that fails."""
        with self._lock:
            if self._pending is not None or self._grant is not None:
                return
            self._pending = self._begin()
            self._pending.add_done_callback(self._tell)

    def get(self, cancel: Cancel) -> Grant[Value]:
        """One that is good for now. Raises UpstreamError, or the reason of the cancelled call."""
        cancel.check()
        with self._lock:
            grant, now = self._grant, self._clock()
            good = grant is not None and grant.expires - now > LEAST
            due = grant is None or now >= grant.stale_at
            if self._pending is None and due and now >= (self._quiet_until if good else self._closed_until):
                self._pending = self._begin()
            pending, failure = self._pending, self._failure
        if good and grant is not None:
            return grant
        if pending is None:
            raise failure or self._too_late()
        return self._wait(pending, cancel)

    def reject(self, grant: Grant[Value]) -> None:
        """The vendor did not take this one: it was revoked, unless it is brand-new."""
        with self._lock:
            if self._grant is grant and self._clock() - grant.fetched > PAUSE:
                self._grant = None

    def replace(self, refused: Value, cancel: Cancel) -> Value | None:
        """Another one than what the vendor refused; None where there is none for now. Others go on with the old one.

        Raises the reason of the cancelled call.
        """
        with self._lock:
            grant, now = self._grant, self._clock()
            if grant is not None and grant.value != refused:
                return grant.value
            if self._pending is None and now >= self._closed_until:
                self._pending = self._begin()
            pending = self._pending
        if pending is None:
            return None
        try:
            fetched = self._wait(pending, cancel).value
        except (UpstreamError, InternalError):
            cancel.check()
            return None
        return fetched if fetched != refused else None

    def _begin(self) -> Future[Grant[Value]]:
        self._closed_until = self._clock() + self._least
        pending: Future[Grant[Value]] = Future()
        threading.Thread(target=self._run, args=(pending,), name=f"{self._provider}-token", daemon=True).start()
        return pending

    def _run(self, pending: Future[Grant[Value]]) -> None:
        outcome: Grant[Value] | Exception
        try:
            outcome = self._fetch()
        except UpstreamError as error:
            outcome = error
        except Exception:
            log.exception("a credential could not be fetched", extra={"fields": {"provider": self._provider}})
            outcome = InternalError()
        self._settle(pending, outcome)

    def _settle(self, pending: Future[Grant[Value]], outcome: Grant[Value] | Exception) -> None:
        with self._lock:
            if self._pending is pending:
                self._pending = None
            kept = self._grant is not None
            if isinstance(outcome, Grant):
                self._grant, self._failure = outcome, None
            else:
                self._failure = outcome
                self._quiet_until = max(self._clock() + PAUSE, self._closed_until)
        if isinstance(outcome, Grant):
            pending.set_result(outcome)
            return
        if kept:
            self._warn("the credential could not be renewed", outcome)
        pending.set_exception(outcome)

    def _tell(self, pending: Future[Grant[Value]]) -> None:
        if (failure := pending.exception()) is not None:
            self._warn("there is no credential to call with", failure)

    def _warn(self, words: str, failure: BaseException) -> None:
        why = failure.cause if isinstance(failure, UpstreamError) else ""
        log.warning(words, extra={"fields": {"provider": self._provider, "why": why or str(failure)}})

    def _wait(self, pending: Future[Grant[Value]], cancel: Cancel) -> Grant[Value]:
        if cancel.wait_for(pending, self._patience):
            return pending.result()
        self._abandon(pending)
        raise self._too_late()

    def _too_late(self) -> UpstreamError:
        text = f"{self._provider}: no access token within {self._patience:g} s"
        error = UpstreamTimeout(text, provider=self._provider)
        error.retryable = True
        return error.at(PHASE, "where credentials come from is still silent")

    def _abandon(self, pending: Future[Grant[Value]]) -> None:
        """A fetch that is stuck must not keep later calls from having their own."""
        with self._lock:
            if self._pending is pending:
                self._pending = None
