"""Ties an exchange's socket to its call, so that any thread can end the call.

Law: a socket is bound to the cancel switch of its call from before the connect until the connection returns to the
pool, and never longer: a switch only ever shuts down its own call's socket. ``shutdown`` ends a blocked read within a
millisecond; ``close`` does not.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from ssl import SSLSocket
from typing import Any, Literal

from nexus.cancel import Cancel
from nexus.upstream.address import Socks
from nexus.upstream.clock import Clock, ClockedSource
from nexus.upstream.http_head import TRAILERS, StrictResponse
from nexus.upstream.resolver import Resolver

NetworkPhase = Literal["dns", "connect", "proxy", "tls", "send", "first byte", "body"]
"""How far an exchange has come."""


ROUND_TRIP = 1.0
"""Seconds within which a vendor that had closed a pooled connection resets it; a later one comes from a vendor
that was at work."""


class Binding:
    """Ties the socket in use to a call's cancel switch, which shuts it down when thrown.

    ``phase`` is how far the exchange has come; ``clock`` bounds its reads. A ``spoiled`` connection is not reused.
    """

    def __init__(
        self, cancel: Cancel, connect: float, first_byte: float, resolver: Resolver, socks: Socks | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False
        self.cancel = cancel
        self.connect = connect
        self.first_byte = first_byte
        self.resolver = resolver
        self.socks = socks
        self.clock = Clock(connect)
        self.phase: NetworkPhase = "connect"
        self.reused = False
        self.sent_at = 0.0
        self.spoiled = False
        self.unbind: Callable[[], None] = cancel.add(self._shut_down)

    def hold(self, sock: socket.socket | None) -> None:
        with self._lock:
            self._socket = sock
            cut = self._cut
        if cut:
            self._shut_down()

    def _shut_down(self) -> None:
        with self._lock:
            self._cut = True
            if self._socket is not None:
                try:
                    # Not SSLSocket.shutdown: it would take the TLS object away from the thread that reads.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                except OSError:
                    return  # already disconnected: no thread blocks on it

    def sent(self) -> None:
        """Marks the request as sent, and starts the timeout for the first byte of the answer."""
        self.phase, self.sent_at = "first byte", time.monotonic()
        self.clock.begin(self.first_byte)

    @property
    def is_stale(self) -> bool:
        """Whether a pooled connection that just closed was closed before the vendor began to answer."""
        return self.reused and not self.clock.received and time.monotonic() - self.sent_at < ROUND_TRIP

    def release(self) -> None:
        """Unbinds the socket before it serves another call or is closed."""
        self.hold(None)
        self.unbind()


class _Current(threading.local):
    """The exchange of this thread: urllib3 opens connections without passing on for which exchange."""

    binding: Binding | None = None
    fresh = False
    """Whether to skip pooled connections."""


current = _Current()


class BoundResponse(StrictResponse):
    """An answer whose reads are bounded by the clock of its exchange."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        self.binding = holder()
        self._socket = sock
        super().__init__(ClockedSource(sock, self.binding.clock), *args, **kwargs)  # type: ignore[arg-type]

    def _frame(self) -> None:
        super()._frame()
        if self.length is None and not self.chunked and isinstance(self._socket, SSLSocket):
            # Only the end of the connection ends the body, and without TLS's own alert that may be a cut. Source: RFC
            # 9112, section 9.8.
            self._socket.suppress_ragged_eofs = False  # type: ignore[attr-defined]

    def _read_and_discard_trailer(self) -> None:
        self.binding.clock.end_within(TRAILERS)
        super()._read_and_discard_trailer()

    def spoil(self) -> None:
        self.binding.spoiled = True


def holder() -> Binding:
    """The binding of this thread's exchange; every exchange of a transport has one."""
    assert current.binding is not None
    return current.binding
