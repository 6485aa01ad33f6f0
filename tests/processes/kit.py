"""A supervisor's hub on its own thread, and links to it like those of worker processes."""

import selectors
import socket
import threading
from collections.abc import Mapping
from typing import Self

from nexus.processes.hub import Function, Hub
from nexus.processes.link import SECONDS, SupervisorLink


class Served:
    """Use as a context manager."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._selector = selectors.PollSelector()
        self.hub = Hub(functions, self._selector)
        self._wake, self._woken = socket.socketpair()
        self._is_over = False
        self._selector.register(self._woken, selectors.EVENT_READ, self._stop)
        self._links: list[SupervisorLink] = []

    def link(self, seconds: float = SECONDS) -> SupervisorLink:
        """Before the hub runs."""
        own, theirs = socket.socketpair()
        self.hub.add(own)
        self._links.append(SupervisorLink(theirs, seconds))
        return self._links[-1]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="supervisor")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for link in self._links:
            link.close()
        self.hub.close()
        self._wake.close()
        self._woken.close()

    def stop(self) -> None:
        """Stops the hub, as if the supervisor hung."""
        self._wake.send(b"x")
        self._thread.join(60)

    def _stop(self) -> None:
        self._is_over = True

    def _run(self) -> None:
        while not self._is_over:
            for key, _ in self._selector.select():
                key.data()
