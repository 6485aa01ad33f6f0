"""A lock whose holder makes the changes of all threads that would wait for it ("flat combining").

A thread that waits for a lock gives up the interpreter. Under load the next holder then waits for the interpreter while
others wait for the lock, and soon every change costs several switches between threads.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from nexus.errors import Overloaded

log = logging.getLogger("nexus.limits")

Change = TypeVar("Change")


class Acquirable(Protocol):
    """``acquire`` returns whether the lock was acquired. With ``blocking=False`` it does not wait for other threads of
    this process. Both may raise Overloaded."""

    def acquire(self, blocking: bool = True) -> bool: ...

    def release(self) -> None: ...


class CombiningLock(Generic[Change]):
    """``with`` acquires it as any other lock, with all earlier changes made. ``make`` makes one change, under the lock
    and on any thread; what it raises is logged."""

    def __init__(self, make: Callable[[Change], None], lock: Acquirable) -> None:
        self._make = make
        self._lock = lock
        self._changes: deque[Change] = deque()

    def change(self, change: Change) -> None:
        """Makes the change, or leaves it to the thread that holds the lock."""
        self._changes.append(change)
        self._make_changes()

    def __enter__(self) -> None:
        self._lock.acquire()
        self._make_all()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        # Those of threads that found the lock held.
        self._make_changes()

    def _make_changes(self) -> None:
        try:
            while self._changes and self._lock.acquire(blocking=False):
                try:
                    self._make_all()
                finally:
                    self._lock.release()
        except Overloaded as error:
            log.warning("changes wait for the next holder of their lock", extra={"fields": {"cause": error.message}})

    def _make_all(self) -> None:
        while self._changes:
            try:
                self._make(self._changes.popleft())
            except Exception:
                log.exception("a change of the limits failed; the others are made")
