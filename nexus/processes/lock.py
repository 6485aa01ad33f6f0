"""A lock over the threads of several processes, which the system opens when its holder dies.

Made before the fork. For microseconds of work: who waits looks again and again.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import threading
import time

from nexus.errors import Overloaded

SECONDS = 1.0
"""For which anybody waits, though nobody holds it for long: its holder may have been stopped."""

_PAUSE = 0.00005


class Lock:
    """Source of its ways: lockf(3). Locks belong to a process and are not inherited."""

    def __init__(self) -> None:
        self._file = _file()
        self._threads = threading.Lock()
        # By a call that keeps the interpreter: os.lockf lets go of it, and would hold the lock while it waits for that.
        self._lockf = ctypes.PyDLL(None).lockf
        self._lockf.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long)

    def __enter__(self) -> None:
        """Raises Overloaded."""
        if not self._threads.acquire(timeout=SECONDS):
            raise _held_too_long()
        until = 0.0
        while self._lockf(self._file, os.F_TLOCK, 0):
            now = time.monotonic()
            until = until or now + SECONDS
            if now > until:
                self._threads.release()
                raise _held_too_long()
            time.sleep(_PAUSE)

    def __exit__(self, *_: object) -> None:
        self._lockf(self._file, os.F_ULOCK, 0)
        self._threads.release()


def _file() -> int:
    """One without a name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("nexus-lock")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _held_too_long() -> Overloaded:
    return Overloaded("another worker process holds the lock of the limits", retry_after=1)
