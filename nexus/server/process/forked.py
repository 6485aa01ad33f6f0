"""Processes that a supervisor forks: what they release of what they inherited, and how they end."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from nexus.dataclasses import dataclass
from nexus.server.process.signals import STOPS, ignore
from nexus.telemetry import logs

if TYPE_CHECKING:
    from nexus.processes.hub import Hub
    from nexus.server.process.slots import Slots

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
