"""Signals as bytes on a socket, for a process without an event loop, and the meaning of SIGHUP."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def no_signals() -> Iterator[None]:
    """Blocks signals around a fork, because the child has the supervisor's handlers at first."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


@contextmanager
def signals() -> Iterator[socket.socket]:
    """A socket on which each signal arrives as one byte. If SIGHUP is ignored, as under nohup, it stays ignored."""
    with ExitStack() as stack:
        woken, wakes = socket.socketpair()
        for sock in (woken, wakes):
            sock.setblocking(False)
            stack.callback(sock.close)
        stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False))
        for number in (*STOPS, signal.SIGCHLD):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            stack.callback(signal.signal, number, signal.signal(number, ignore))
        yield woken


def ignore(number: int, frame: object) -> None:
    """A handler that does nothing: the signal is handled as a byte on the socket."""


def has_terminal() -> bool:
    """Whether this process has a controlling terminal; False once that was closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
