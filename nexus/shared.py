"""Expensive objects shared by all users with equal settings: connections, credentials, fetched keys.

Any thread. Each is made once for equal settings, and closed once, when its last holder releases it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

from nexus.dataclasses import dataclass, field

Thing = TypeVar("Thing")

Make = Callable[[ExitStack], Thing]
"""Makes one; pushes onto the stack what to do when its last holder releases it."""


@dataclass(slots=True, eq=False)
class _Entry:
    kind: str
    made_of: object
    thing: Any = None
    closing: ExitStack = field(default_factory=ExitStack)
    holders: int = 0


class Shared:
    """The objects currently held, in one process or by one owner who does not share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []

    def find(self, kind: str, made_of: object, make: Make[Any]) -> _Entry:
        """The entry of this kind made of something equal, or a new one; called by holders only."""
        with self._lock:
            known = (entry for entry in self._entries if entry.kind == kind and entry.made_of == made_of)
            entry = next(known, None)
            if entry is None:
                entry = _Entry(kind, made_of)
                with ExitStack() as closing:
                    entry.thing = make(closing)
                    entry.closing = closing.pop_all()
                self._entries.append(entry)
            entry.holders += 1
            return entry

    def drop(self, entry: _Entry) -> None:
        """Ends one hold of an entry, and closes it with the last one; called by holders only."""
        with self._lock:
            entry.holders -= 1
            if entry.holders:
                return
            self._entries.remove(entry)
        entry.closing.close()


class Holder:
    """Holds shared objects until it is closed."""

    def __init__(self, shared: Shared | None = None) -> None:
        self._shared = shared if shared is not None else Shared()
        self._held: list[_Entry] = []

    def hold(self, kind: str, made_of: object, make: Make[Thing]) -> Thing:
        """The object of this kind made of something equal, or a new one. ``made_of`` is compared, never shown."""
        entry = self._shared.find(kind, made_of, make)
        self._held.append(entry)
        thing: Thing = entry.thing
        return thing

    def close(self) -> None:
        """May be called more than once."""
        held, self._held = self._held, []
        for entry in reversed(held):
            self._shared.drop(entry)
