"""How long the reads of one exchange may wait.

Every blocking read of an exchange asks the clock first, so that bytes which trickle in never outlast a deadline.
"""

from __future__ import annotations

import io
import socket
import struct
import sys
import time
from ssl import SSLSocket

_WAITED_FOR = 2 * 1024
"""Bytes that a read has room for while nothing comes."""

_AT_ONCE = 64 * 1024
"""Bytes that are taken at once where so many have come."""


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


class _ClockedFile(io.BufferedIOBase):
    """A socket as a file to read from, each read bounded by a clock. It holds no room for what has not come but
    ``_WAITED_FOR``: there are as many of them as streams, and most of the time they wait.
    """

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        sock._io_refs += 1  # type: ignore[attr-defined]  # as socket.makefile does
        self._socket = sock
        self._clock = clock
        self._allowed = 0.0
        self._is_plain = type(sock) is socket.socket
        self._rest = b""
        self._fault: OSError | None = None

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._socket._decref_socketios()  # type: ignore[attr-defined]

    def peek(self) -> bytes:
        """What is there, and a read of the socket where nothing is."""
        self._rest = self._rest or self.read1()
        return self._rest

    def readline(self, size: int | None = -1) -> bytes:
        seen, most, rest = 0, sys.maxsize if size is None or size < 0 else size, self._rest
        self._rest = b""
        while not (end := rest.find(b"\n", seen) + 1) and len(rest) < most:
            if not (more := self.read1()):
                break
            seen = len(rest)
            rest += more
        end = min(end or len(rest), most)
        self._rest = rest[end:]
        return rest[:end]

    def read(self, size: int | None = -1) -> bytes:
        most, pieces = sys.maxsize if size is None or size < 0 else size, [self._rest]
        self._rest, count = b"", len(self._rest)
        while count < most and (more := self.read1()):
            pieces.append(more)
            count += len(more)
        found = b"".join(pieces)
        self._rest = found[most:]
        return found[:most]

    def read1(self, size: int = -1) -> bytes:
        """Waits for the next bytes, and takes those that came with them; none where the other side is done."""
        size = _AT_ONCE if size < 0 else size
        if rest := self._rest:
            self._rest = rest[size:]
            return rest[:size]
        if self._fault is not None:
            raise self._fault
        allowed = self._clock.allowed()
        if allowed != self._allowed:
            # Each time it is a call of the system.
            self._limit(allowed)
            self._allowed = allowed
        try:
            piece = self._socket.recv(min(size, _WAITED_FOR))
        except BlockingIOError:
            raise TimeoutError("timed out") from None
        if _WAITED_FOR == len(piece) < size:
            piece += self._more(size - len(piece))
        self._clock.received += len(piece)
        return piece

    def _more(self, size: int) -> bytes:
        """What is there already."""
        if not self._is_plain:
            # The rest of the record that was opened.
            there = self._socket.pending() if isinstance(self._socket, SSLSocket) else 0
            return self._socket.recv(min(size, there)) if there else b""
        try:
            return self._socket.recv(size, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""
        except OSError as error:
            # What came before it counts, and the socket would not tell it twice.
            self._fault = error
            return b""

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

    def makefile(self, mode: str) -> io.BufferedIOBase:
        return _ClockedFile(self._sock, self._clock)
