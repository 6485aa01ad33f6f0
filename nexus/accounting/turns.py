"""Gives one thread at a time access to a database whose calls may hang; the others wait for a limited time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LAST_SECONDS = 1.0
"""How long closing waits for a running transaction."""


class Turns:
    """``patience`` is how many seconds a thread waits, and how many a transaction may take before others give up."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._began = math.inf
        """When the running transaction began, in monotonic seconds."""

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Waits for the thread's turn; yields whether it came."""
        left = self._began + self._patience - time.monotonic()
        if not self._lock.acquire(timeout=min(self._patience, max(0.0, left))):
            yield False
            return
        self._began = time.monotonic()
        try:
            yield True
        finally:
            self._began = math.inf
            self._lock.release()

    @contextmanager
    def last(self) -> Iterator[bool]:
        """Like ``taken``, for closing: a hanging database must not keep a process from ending."""
        taken = self._lock.acquire(timeout=LAST_SECONDS)
        try:
            yield taken
        finally:
            if taken:
                self._lock.release()
