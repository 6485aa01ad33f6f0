"""Signals of a process that has no loop: as bytes on a socket, and held back around a fork; what a hangup means."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def no_signals() -> Iterator[None]:
    """Around a fork: in between one would reach a child that has the supervisor's handlers still."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


@contextmanager
def signals() -> Iterator[socket.socket]:
    """A socket on which each signal is one byte; a signal that is ignored, as under nohup, stays ignored."""
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
    """The byte on the socket is what counts."""


def has_terminal() -> bool:
    """Whether a terminal controls this process, which is no longer so once it was closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
