"""The switch that ends a call, whatever its worker is blocked in.

Thread-safe and one-way; the first reason stays. Callbacks run on the thread that throws, outside the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from nexus.errors import NexusError


class Cancel:
    """A one-way switch. Blocking code registers a callback that unblocks it; throwing runs each once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._next = 0
        self.reason: NexusError | None = None

    def throw(self, reason: NexusError) -> None:
        """Ends the call for ``reason``; the first reason stays."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    @contextmanager
    def within(self, seconds: float, late: NexusError) -> Iterator[None]:
        """Throws ``late`` if the block takes longer than ``seconds``. Socket timeouts only limit the time between
        bytes, so a server that sends one byte at a time would never exceed them."""
        timer = threading.Timer(seconds, self.throw, [late])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def check(self) -> None:
        """Raises the reason once the switch was thrown."""
        if self.reason is not None:
            raise self.reason

    def wait_for(self, future: Future[Any], seconds: float | None) -> bool:
        """Blocks until ``future`` is done, for at most ``seconds``; returns whether it is. Raises the reason."""
        woken = threading.Event()
        future.add_done_callback(lambda _: woken.set())
        self.wait(seconds, woken)
        return future.done()

    def wait(self, seconds: float | None, woken: threading.Event | None = None) -> None:
        """Blocks for ``seconds``, or until ``woken`` is set. Raises the reason."""
        woken = woken or threading.Event()
        forget = self.add(woken.set)
        try:
            woken.wait(seconds)
        finally:
            forget()
        self.check()

    def child(self) -> Cancel:
        """A separate switch that this one throws too."""
        child = Cancel()

        def pass_on() -> None:
            if self.reason is not None:
                child.throw(self.reason)

        self.add(pass_on)
        return child

    def add(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Registers ``callback`` (run at once if already thrown); returns a function that removes it."""
        with self._lock:
            thrown = self.reason is not None
            token = self._next
            self._next += 1
            if not thrown:
                self._callbacks[token] = callback
        if thrown:
            callback()

        def remove() -> None:
            with self._lock:
                self._callbacks.pop(token, None)

        return remove
