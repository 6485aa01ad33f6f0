"""What a fake upstream has seen, for tests to look at and to wait for.

Everything shared is guarded by one condition, which is notified on every change, so that nobody has to sleep
to see one.
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
    """The peer of ``connection`` left while an answer was due; ``at`` is ``time.monotonic()``."""

    connection: int
    at: float
    reset: bool


class Watch:
    """Requests for access tokens are in ``token_requests``, all others in ``requests``; ``answered`` has those whose
    answer went out whole, with what it said was used: what a vendor would bill.
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

    @property
    def open_connections(self) -> int:
        with self._changed:
            return len(self._wires)

    @property
    def accepted_connections(self) -> int:
        with self._changed:
            return self._accepted

    def wait_until(self, condition: Callable[[], bool], timeout: float = 60.0, what: str = "condition") -> None:
        """``condition`` is looked at after every change, with the state locked."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise TimeoutError(f"fake {self.vendor}: no {what} within {timeout} s; {self._summary()}")

    def wait_for_requests(self, count: int, timeout: float = 60.0) -> list[SeenRequest]:
        """Until ``count`` requests have been received whole, those that do not fit included."""
        self.wait_until(lambda: self._seen >= count, timeout, f"{count} requests")
        return list(self.requests)

    def wait_for_token_requests(self, count: int, timeout: float = 60.0) -> list[SeenRequest]:
        """Until access tokens have been asked for ``count`` times."""
        self.wait_until(lambda: len(self.token_requests) >= count, timeout, f"{count} token requests")
        return list(self.token_requests)

    def wait_for_disconnects(self, count: int, timeout: float = 60.0) -> list[Disconnect]:
        """Until ``count`` peers have left while their answer was pending or being written."""
        self.wait_until(lambda: len(self.disconnects) >= count, timeout, f"{count} disconnects")
        return list(self.disconnects)

    def wait_for_open_connections(self, count: int, timeout: float = 60.0) -> None:
        """Until exactly ``count`` sockets are open."""
        self.wait_until(lambda: len(self._wires) == count, timeout, f"{count} open connections")

    def wait_for_stall(self, quiet: float = 0.25, timeout: float = 60.0) -> None:
        """Until some peer has not taken a byte for ``quiet`` seconds although there are bytes to send."""
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
            # Waking every waiter for every write would slow an endless stream down.

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
