"""Keeps a copy of the identity provider's keys that is never fetched on anybody's time.

Law: one thread of its own does all fetching, one fetch at a time; whoever asks gets what is there, or a future to wait
for. A failed fetch changes nothing: the last good keys stay. Strangers cannot make it fetch more often than its pause.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from nexus.auth.jwks import KeySet
from nexus.errors import NexusError

log = logging.getLogger("nexus.auth")

PAUSE = 10.0
"""Shortest time between the end of a fetch and one that an unknown key asks for."""

RETRY = 30.0
"""Longest time until a failed fetch is tried again."""


class Refresher:
    """Thread-safe. ``keys`` is None until a first fetch went well."""

    def __init__(
        self, fetch: Callable[[], KeySet], interval: float, *, pause: float = PAUSE, retry: float = RETRY
    ) -> None:
        self._fetch = fetch
        self._interval = interval
        self._pause = pause
        self._retry = min(retry, interval)
        self._changed = threading.Condition()
        self._fetched: Future[None] = _waited_for()
        self._due = 0.0
        self._open_from = 0.0
        self._fetching = False
        self._closed = False
        self._thread: threading.Thread | None = None
        self.keys: KeySet | None = None

    def start(self) -> Future[None]:
        """Begins with a fetch at once; returns its end, be it good or bad."""
        first = self._fetched
        # A daemon: a server that stalls must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="nexus-jwks", daemon=True)
        self._thread.start()
        return first

    def close(self) -> None:
        """Ends the thread as soon as its fetch is over, and everybody's waiting now."""
        with self._changed:
            self._closed = True
            if not self._fetched.done():
                self._fetched.set_result(None)
            self._changed.notify_all()

    def ask(self) -> Future[None] | None:
        """The end of a fetch that is under way or begins now; None while the pause lasts. It never holds an error."""
        with self._changed:
            if self._closed or self._thread is None:
                return None
            if not self._fetching and self._due > 0 and time.monotonic() < self._open_from:
                return None
            if not self._fetching:
                self._due = 0.0
                self._changed.notify_all()
            return self._fetched

    def _run(self) -> None:
        while self._wait_until_due():
            keys = self._try()
            with self._changed:
                self.keys = keys or self.keys
                now = time.monotonic()
                self._open_from = now + self._pause
                self._due = now + (self._interval if keys is not None else self._retry)
                self._fetching = False
                fetched, self._fetched = self._fetched, _waited_for()
                if self._closed:
                    return
            fetched.set_result(None)

    def _wait_until_due(self) -> bool:
        with self._changed:
            while not self._closed and (left := self._due - time.monotonic()) > 0:
                self._changed.wait(left)
            self._fetching = not self._closed
            return self._fetching

    def _try(self) -> KeySet | None:
        try:
            keys = self._fetch()
        except (NexusError, ValueError) as error:
            kept = len(self.keys.keys) if self.keys is not None else 0
            log.warning("the keys for tokens could not be fetched", extra={"fields": {"why": str(error), "kept": kept}})
            return None
        except Exception:
            # A thread that dies of a surprise would leave the house with old keys for ever.
            log.exception("the keys for tokens could not be read")
            return None
        fields = {"keys": len(keys.keys), "skipped": keys.skipped, "symmetric": keys.has_secret}
        log.debug("the keys for tokens were fetched", extra={"fields": fields})
        return keys


def _waited_for() -> Future[None]:
    """A future that no waiter can cancel for the others."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future
