"""How long the reads of one exchange may wait.

Every blocking read of an exchange asks the clock first, so that bytes which trickle in never outlast a deadline.
"""

from __future__ import annotations

import io
import socket
import struct
import time
from typing import Any


class Clock:
    """``idle`` seconds between bytes, and never beyond ``deadline`` (monotonic). Used by the thread that reads.

    ``received`` counts the bytes that came: none means that the answer has not begun.
    """

    def __init__(self, within: float) -> None:
        self.idle = within
        self.deadline: float | None = time.monotonic() + within
        self.received = 0

    def begin(self, within: float) -> None:
        """The next phase has ``within`` seconds in all."""
        self.idle, self.deadline = within, time.monotonic() + within

    def run_freely(self, idle: float) -> None:
        """From here on only silence is limited."""
        self.idle, self.deadline = idle, None

    def end_within(self, seconds: float) -> None:
        """No read lasts longer than ``seconds`` from now; an earlier deadline stays."""
        self.idle = min(self.idle, seconds)
        deadline = time.monotonic() + seconds
        self.deadline = deadline if self.deadline is None else min(self.deadline, deadline)

    def allowed(self) -> float:
        """Seconds that the next read may take. Raises TimeoutError where none are left."""
        if self.deadline is None:
            return self.idle
        left = min(self.idle, self.deadline - time.monotonic())
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class _ClockedIO(socket.SocketIO):
    """The raw file of a socket, each read bounded by a clock."""

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        super().__init__(sock, "rb")
        sock._io_refs += 1  # type: ignore[attr-defined]  # as socket.makefile does
        self._socket = sock
        self._clock = clock
        self._allowed = 0.0
        self._is_plain = type(sock) is socket.socket

    def readinto(self, buffer: Any) -> int | None:
        allowed = self._clock.allowed()
        if allowed != self._allowed:
            # Each time it is a call of the system.
            self._limit(allowed)
            self._allowed = allowed
        try:
            count = self._socket.recv_into(buffer)
        except BlockingIOError:
            raise TimeoutError("timed out") from None
        self._clock.received += count
        return count

    def _limit(self, seconds: float) -> None:
        if not self._is_plain:
            # TLS reads again for as long as its socket does not say that it waited.
            self._socket.settimeout(seconds)
            return
        # The system waits within the read: one call of it for each, and not two.
        whole, part = divmod(max(1, int(seconds * 1_000_000)), 1_000_000)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", whole, part))
        if self._socket.gettimeout() is not None:
            self._socket.settimeout(None)


class ClockedSource:
    """Stands in for a socket where ``http.client`` only asks it for a file to read from."""

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self._sock = sock
        self._clock = clock

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_ClockedIO(self._sock, self._clock))
