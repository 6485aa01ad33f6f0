"""Signals as bytes on a socket, for a process without an event loop; the meaning of SIGHUP; and what forked processes
release, and how they end.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NoReturn

from nexus.dataclasses import dataclass
from nexus.processes.hub import Hub
from nexus.server.process.slots import Slots
from nexus.telemetry import logs

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


log = logging.getLogger("nexus")


def end_now(code: int) -> NoReturn:
    """Ends the process without joining threads: one may hang in a name lookup, and a normal exit would wait for it."""
    logging.shutdown()
    os._exit(code)


@dataclass(frozen=True, slots=True)
class Inherited:
    """What every child inherits from its supervisor."""

    hub: Hub
    slots: Slots

    def release(self, foreign: Sequence[socket.socket]) -> None:
        """Releases all that the child inherited; restores default signal handling."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP):
            # A terminal sends these to all of its processes, but only the supervisor reacts. With a handler instead of
            # SIG_IGN, programs that the child runs get the default again.
            signal.signal(number, ignore)
        self.hub.forget()
        for sock in foreign:
            sock.close()
        self.slots.forget()
        logs.with_thread()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def live(self, foreign: Sequence[socket.socket], life: Callable[[], int]) -> NoReturn:
        """Runs ``life`` in a child, then ends the process with the exit code that it returned."""
        code = 1
        try:
            self.release(foreign)
            code = life()
        except BaseException:
            log.exception("a process that was forked failed")
        finally:
            end_now(code)
