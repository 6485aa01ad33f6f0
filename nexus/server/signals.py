"""Signals of a process that has no loop, as bytes on a socket; what a hangup means; and processes that are forked: what
they let go of, and how they end.
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
from nexus.processes.poller import Poller
from nexus.server.slots import Slots
from nexus.telemetry import logs

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


log = logging.getLogger("nexus")


def end_now(code: int) -> NoReturn:
    """Waits for no thread: one that hangs in a name lookup cannot be woken, and the interpreter would wait for it."""
    logging.shutdown()
    os._exit(code)


@dataclass(frozen=True, slots=True)
class Inherited:
    """What every child finds of its supervisor's."""

    poller: Poller
    hub: Hub
    slots: Slots

    def let_go(self, foreign: Sequence[socket.socket] = ()) -> None:
        """Nothing of the supervisor's is held or heard any more."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP):
            # Of a terminal, to all of its processes: the supervisor decides. Programs that are run get the default.
            signal.signal(number, ignore)
        self.poller.close()
        self.hub.forget()
        for sock in foreign:
            sock.close()
        self.slots.forget()
        logs.with_thread()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def live(self, foreign: Sequence[socket.socket], life: Callable[[], int]) -> NoReturn:
        """The whole life of a child, which ends with it."""
        code = 1
        try:
            self.let_go(foreign)
            code = life()
        except BaseException:
            log.exception("a process that was forked failed")
        finally:
            end_now(code)
