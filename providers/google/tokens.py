"""One access token for many calls: fetched once, renewed in time, by a thread of its own.

Law: at most one fetch at a time, and nobody waits for one while a token is good. Who waits can be cancelled and gives
up on its own, for the fetch does not belong to any call: it goes on and serves the next one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from nexus.cancel import Cancel
from nexus.errors import InternalError, UpstreamError, UpstreamTimeout

log = logging.getLogger("nexus.providers.google.tokens")

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


@dataclass(frozen=True, slots=True)
class Grant:
    """The headers that carry a token; ``expires`` counts seconds since the epoch, as ``fetched`` does."""

    headers: Mapping[str, str] = field(repr=False)
    expires: float
    fetched: float

    @property
    def stale_at(self) -> float:
        """When to renew it: before the last quarter of a token that was short-lived from the start."""
        return self.expires - min(EARLY, max(0.0, self.expires - self.fetched) / 4)


class Tokens:
    """Thread-safe. ``fetch`` blocks, and raises UpstreamError."""

    def __init__(
        self,
        provider: str,
        fetch: Callable[[], Grant],
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._provider = provider
        self._fetch = fetch
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._grant: Grant | None = None
        self._pending: Future[Grant] | None = None
        self._quiet_until = 0.0

    def get(self, cancel: Cancel) -> Grant:
        """A token that is good for now. Raises UpstreamError, or the reason of the cancelled call."""
        cancel.check()
        with self._lock:
            grant, now = self._grant, self._clock()
            good = grant is not None and grant.expires - now > LEAST
            due = grant is None or now >= grant.stale_at
            if self._pending is None and due and (not good or now >= self._quiet_until):
                self._pending = self._start()
            pending = self._pending
        if good and grant is not None:
            return grant
        assert pending is not None
        return self._wait(pending, cancel)

    def reject(self, grant: Grant) -> None:
        """The vendor did not take this token: it was revoked, unless it is brand-new."""
        with self._lock:
            if self._grant is grant and self._clock() - grant.fetched > PAUSE:
                self._grant = None

    def _start(self) -> Future[Grant]:
        pending: Future[Grant] = Future()
        threading.Thread(target=self._run, args=(pending,), name=f"{self._provider}-token", daemon=True).start()
        return pending

    def _run(self, pending: Future[Grant]) -> None:
        outcome: Grant | Exception
        try:
            outcome = self._fetch()
        except UpstreamError as error:
            outcome = error
        except Exception:
            log.exception("an access token could not be fetched")
            outcome = InternalError()
        self._settle(pending, outcome)

    def _settle(self, pending: Future[Grant], outcome: Grant | Exception) -> None:
        with self._lock:
            if self._pending is pending:
                self._pending = None
            kept = self._grant is not None
            if isinstance(outcome, Grant):
                self._grant = outcome
            else:
                self._quiet_until = self._clock() + PAUSE
        if isinstance(outcome, Grant):
            pending.set_result(outcome)
            return
        if kept:
            why = outcome.cause if isinstance(outcome, UpstreamError) else ""
            log.warning("the access token could not be renewed", extra={"fields": {"why": why or str(outcome)}})
        pending.set_exception(outcome)

    def _wait(self, pending: Future[Grant], cancel: Cancel) -> Grant:
        if cancel.wait_for(pending, self._patience):
            return pending.result()
        self._abandon(pending)
        error = UpstreamTimeout(
            f"{self._provider}: no access token within {self._patience:g} s", provider=self._provider
        )
        error.retryable = True
        raise error.at(PHASE, "the metadata server or the token endpoint is still silent")

    def _abandon(self, pending: Future[Grant]) -> None:
        """A fetch that is stuck must not keep later calls from having their own."""
        with self._lock:
            if self._pending is pending:
                self._pending = None
