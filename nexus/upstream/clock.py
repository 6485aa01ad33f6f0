"""Read timeouts of one exchange.

Every blocking read of an exchange consults the clock first, so that bytes that trickle in cannot outlast a deadline.
"""

from __future__ import annotations

import io
import socket
import struct
import sys
import time
from math import inf
from ssl import SSLSocket

_WAITED_FOR = 2 * 1024
"""Buffer size in bytes of a read that waits for data."""

_AT_ONCE = 64 * 1024
"""Maximum bytes that one read returns."""


class Clock:
    """``idle`` is the timeout of a single read, ``deadline`` (monotonic) that of all reads, ``piece_by`` that of the
    reads for one piece of an answer, which may take ``silence``; ``inf`` if there is none. Used by the reading thread
    only.

    ``received`` counts the bytes received: 0 means that the answer has not begun.
    """

    def __init__(self, within: float) -> None:
        self.idle = within
        self.deadline = time.monotonic() + within
        self.piece_by = self.silence = inf
        self.received = 0

    def begin(self, within: float) -> None:
        """Starts a phase that may take ``within`` seconds in total."""
        self.idle, self.deadline = within, time.monotonic() + within

    def run_freely(self, idle: float) -> None:
        """Drops the deadline: from now on only each single read is limited, to ``idle`` seconds."""
        self.idle, self.deadline = idle, inf

    def end_within(self, seconds: float) -> None:
        """Limits all reads to ``seconds`` from now; an earlier deadline stays."""
        self.idle = min(self.idle, seconds)
        self.deadline = min(self.deadline, time.monotonic() + seconds)

    def begin_piece(self, within: float) -> None:
        self.silence, self.piece_by = within, time.monotonic() + within

    def allowed(self) -> float:
        """Seconds that the next read may take. Raises TimeoutError if none are left."""
        now = time.monotonic()
        left = min(self.idle, self.piece_by - now, self.deadline - now)
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class _ClockedFile(io.BufferedIOBase):
    """A socket as a readable file, each read bounded by a clock.

    While it waits it allocates only ``_WAITED_FOR`` bytes: there is one per stream, and streams mostly wait.
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
        """The buffered bytes, without consuming them; reads from the socket if there are none."""
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
        """Waits for the next bytes and returns all that have arrived, up to ``size``; b"" at the end of the stream."""
        size = _AT_ONCE if size < 0 else size
        if rest := self._rest:
            self._rest = rest[size:]
            return rest[:size]
        if self._fault is not None:
            raise self._fault
        allowed = self._clock.allowed()
        if allowed != self._allowed:
            # Set only when it changes: each change is a system call.
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
        """Bytes that can be read without waiting."""
        if not self._is_plain:
            # The rest of the decrypted TLS record.
            pending = self._socket.pending() if isinstance(self._socket, SSLSocket) else 0
            return self._socket.recv(min(size, pending)) if pending else b""
        try:
            return self._socket.recv(size, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""
        except OSError as error:
            # Return the bytes received before the error first; the socket would not report the error a second time, so
            # store it.
            self._fault = error
            return b""

    def _limit(self, seconds: float) -> None:
        if not self._is_plain:
            # ssl repeats a read that SO_RCVTIMEO interrupts, unless the socket itself has a timeout.
            self._socket.settimeout(seconds)
            return
        # With SO_RCVTIMEO the kernel waits inside recv: one system call per read instead of two (poll and recv).
        whole, part = divmod(max(1, int(seconds * 1_000_000)), 1_000_000)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", whole, part))
        if self._socket.gettimeout() is not None:
            self._socket.settimeout(None)


class ClockedSource:
    """Stands in for a socket in ``http.client``, which only calls ``makefile`` on it."""

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self._sock = sock
        self._clock = clock

    def makefile(self, mode: str) -> io.BufferedIOBase:
        return _ClockedFile(self._sock, self._clock)
