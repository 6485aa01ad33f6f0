"""A lock across the threads of several processes; the system releases it when its holder dies.

Create it before the fork, and hold it only for microseconds, because waiters poll.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import threading
import time

from nexus.errors import Overloaded

SECONDS = 1.0
"""Timeout in seconds for acquiring it. It is never held for long, but its holder may have been suspended."""

_PAUSE = 0.00005


class Lock:
    """Source: lockf(3). Such locks belong to a process and are not inherited."""

    def __init__(self) -> None:
        self._file = _file()
        self._threads = threading.Lock()
        # Called with the GIL held (PyDLL): os.lockf releases it, and would hold the lock while it waits for the GIL.
        self._lockf = ctypes.PyDLL(None).lockf
        self._lockf.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long)

    def acquire(self, blocking: bool = True) -> bool:
        """Returns whether it was acquired. With ``blocking=False`` it does not wait for another thread of this process,
        but still for another process. Raises Overloaded after SECONDS."""
        if not self._threads.acquire(blocking, SECONDS if blocking else -1):
            if blocking:
                raise _held_too_long()
            return False
        until = 0.0
        while self._lockf(self._file, os.F_TLOCK, 0):
            now = time.monotonic()
            until = until or now + SECONDS
            if now > until:
                self._threads.release()
                raise _held_too_long()
            time.sleep(_PAUSE)
        return True

    def release(self) -> None:
        self._lockf(self._file, os.F_ULOCK, 0)
        self._threads.release()


def _file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("nexus-lock")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _held_too_long() -> Overloaded:
    return Overloaded("another worker process holds the lock of the limits; retry in a moment", retry_after=1)
