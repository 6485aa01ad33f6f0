"""A process that a supervisor forked: what it lets go of, and how it ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from typing import NoReturn

from nexus.dataclasses import dataclass
from nexus.processes.hub import Hub
from nexus.processes.poller import Poller
from nexus.server.signals import STOPS, ignore
from nexus.server.slots import Slots
from nexus.telemetry import logs

log = logging.getLogger("nexus")


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
        """The whole life of a worker; the process ends with it."""
        code = 1
        try:
            self.let_go(foreign)
            code = life()
        except BaseException:
            log.exception("a worker failed")
        finally:
            logging.shutdown()
            os._exit(code)
