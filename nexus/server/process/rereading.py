"""Rereads a changed configuration for several worker processes: once for all, in a forked process that ends afterwards.

The supervisor itself must not block on a file system or an import.
"""

from __future__ import annotations

import logging
import os
import pickle
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NoReturn

from nexus.processes.link import pairs
from nexus.server.process.source import Accepted, Rejected, Source, log_rejected
from nexus.settings import Settings
from nexus.settings.files import EVERY, Watch

log = logging.getLogger("nexus")

PATIENCE = 60.0
"""Seconds after which a process that reads the configuration is killed."""

AGAIN = 60.0
"""Seconds after which it is killed again if that has not ended it."""


Live = Callable[[Callable[[], int]], NoReturn]
Over = Callable[[Accepted | None], None]


class Rereading:
    """``settings`` are the current ones, also for workers that start later."""

    def __init__(self, source: Source, settings: Settings) -> None:
        self.settings = settings
        self._source = source
        self._watch = Watch(settings.origin.files)
        self._requested = False
        self._check_at = time.monotonic() + EVERY
        self._pid: int | None = None
        self._pieces: list[bytes] = []
        self._kill_at = 0.0
        self._is_killed = False

    def request(self) -> None:
        """Requests a read, whether or not the files have changed."""
        self._requested = True

    @property
    def next_at(self) -> float:
        """The monotonic time at which ``kill_overdue`` and ``is_due`` should be called again."""
        if self._pid is not None:
            return self._kill_at
        return 0.0 if self._requested else self._check_at

    def kill_overdue(self) -> None:
        """Kills a reading process that takes too long."""
        now = time.monotonic()
        if self._pid is not None and now >= self._kill_at:
            log.error("the configuration could not be read in time; keeping the previous one")
            # While its file system hangs, even a killed process does not end.
            self._kill_at = now + AGAIN
            self.stop()

    def is_due(self) -> bool:
        """Whether to read the files now: on request, or if they changed, which is checked every EVERY seconds."""
        if self._pid is not None or self._requested:
            return self._pid is None
        now = time.monotonic()
        if now < self._check_at:
            return False
        self._check_at = now + EVERY
        return self.settings.server.watch_config and self._watch.has_changed()

    def begin(self, selector: selectors.BaseSelector, live: Live, over: Over) -> None:
        """Forks the reading process. ``live`` runs the child; ``over`` gets the new settings, or None on failure."""
        self._requested = False
        try:
            with pairs(1) as [(own, theirs)]:
                self._pid = os.fork()
                if self._pid == 0:
                    live(partial(self._answer, theirs))
        except OSError as error:
            log.error("no process could be started to read the configuration; keeping the previous one", exc_info=error)
            over(None)
            return
        own.setblocking(False)
        self._pieces, self._kill_at, self._is_killed = [], time.monotonic() + PATIENCE, False
        selector.register(own, selectors.EVENT_READ, partial(self._received, selector, own, over))

    def _answer(self, sock: socket.socket) -> int:
        """Reads the configuration and sends the result, in the child; returns its exit code."""
        sock.sendall(pickle.dumps(self._source.reread(self.settings)))
        return 0

    def _received(self, selector: selectors.BaseSelector, sock: socket.socket, over: Over) -> None:
        with suppress(BlockingIOError):
            while piece := sock.recv(1 << 20):
                self._pieces.append(piece)
            selector.unregister(sock)
            sock.close()
            self._pid = None
            over(None if self._is_killed else self._parse(b"".join(self._pieces)))

    def _parse(self, answer: bytes) -> Accepted | None:
        try:
            reread: Accepted | Rejected = pickle.loads(answer)
        except Exception:
            log.exception("the configuration could not be read; keeping the previous one")
            self._watch.accept()
            return None
        self._watch = Watch(reread.files)
        if isinstance(reread, Rejected):
            log_rejected(reread)
            return None
        return reread

    def stop(self) -> None:
        """Kills the reading process; its result is ignored."""
        self._is_killed = True
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
