"""Records of a fake upstream, for tests to read and to wait for.

One condition guards all shared state and is notified on every change, so that tests need not sleep.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.wire import Wire


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The peer of ``connection`` disconnected before it had the whole answer; ``at`` is ``time.monotonic()``."""

    connection: int
    at: float
    reset: bool


class Watch:
    """Requests for access tokens are in ``token_requests``, all others in ``requests``; ``answered`` has those with a
    complete answer, and its Behaviour with the token counts: what a vendor would bill.
    """

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self.requests: list[SeenRequest] = []
        self.token_requests: list[SeenRequest] = []
        self.answered: list[tuple[SeenRequest, Behaviour]] = []
        self.violations: list[str] = []
        self.disconnects: list[Disconnect] = []
        self.bytes_sent = 0
        self._seen = 0
        self._accepted = 0
        self._changed = threading.Condition()
        self._wires: dict[int, Wire] = {}

    def wait_until(self, condition: Callable[[], bool], timeout: float = 60.0, what: str = "condition") -> None:
        """Checks ``condition`` after every change, with the state locked. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise TimeoutError(f"fake {self.vendor}: no {what} within {timeout} s; {self._summary()}")

    def wait_for_requests(self, count: int, timeout: float = 60.0) -> list[SeenRequest]:
        """Waits for ``count`` complete requests, including rejected ones, and returns the stored requests."""
        self.wait_until(lambda: self._seen >= count, timeout, f"{count} requests")
        return list(self.requests)

    def wait_for_token_requests(self, count: int, timeout: float = 60.0) -> list[SeenRequest]:
        """Waits for ``count`` requests for access tokens."""
        self.wait_until(lambda: len(self.token_requests) >= count, timeout, f"{count} token requests")
        return list(self.token_requests)

    def wait_for_disconnects(self, count: int, timeout: float = 60.0) -> list[Disconnect]:
        """Waits until ``count`` peers have disconnected while their answer was pending or being sent."""
        self.wait_until(lambda: len(self.disconnects) >= count, timeout, f"{count} disconnects")
        return list(self.disconnects)

    def wait_for_open_connections(self, count: int, timeout: float = 60.0) -> None:
        """Waits until exactly ``count`` sockets are open."""
        self.wait_until(lambda: len(self._wires) == count, timeout, f"{count} open connections")

    def wait_for_stall(self, quiet: float = 0.25, timeout: float = 60.0) -> None:
        """Waits until some peer has read nothing for ``quiet`` seconds although there are bytes to send."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                now = time.monotonic()
                since = [at for wire in self._wires.values() if (at := wire.blocked_since) is not None]
                if since and now - min(since) >= quiet:
                    return
                if now >= end:
                    raise TimeoutError(f"fake {self.vendor}: no stall within {timeout} s; {self._summary()}")
                self._changed.wait(min(end, min(since, default=end) + quiet) - now)

    def _summary(self) -> str:
        return (
            f"{self._seen} requests, {len(self.disconnects)} disconnects, {len(self._wires)} open connections, "
            f"{self.bytes_sent} bytes sent, violations {self.violations}"
        )

    def _count_sent(self, count: int) -> None:
        with self._changed:
            self.bytes_sent += count
            # Does not notify, because waking all waiters on every write would slow down an endless stream.

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
