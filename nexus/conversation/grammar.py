"""The legal order of events, as two tables, and the check of a stream against them.

It runs after every reader, where an invalid stream of a vendor counts as broken, and before every writer.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.events import (
    Cited,
    ContentDropped,
    Event,
    PartDelta,
    PartEnd,
    PartStart,
    Ping,
    ResponseEnd,
    ResponseStart,
    UsageUpdate,
)

RESPONSE: Mapping[tuple[str, type[Event]], str] = {
    ("before", ResponseStart): "inside",
    ("inside", PartStart): "inside",
    ("inside", PartDelta): "inside",
    ("inside", Cited): "inside",
    ("inside", PartEnd): "inside",
    ("inside", UsageUpdate): "inside",
    ("inside", ContentDropped): "inside",
    ("inside", Ping): "inside",
    ("inside", ResponseEnd): "after",
}
"""The states of a response in which an event is allowed, and the state after it."""

PART: Mapping[tuple[str, type[Event]], str] = {
    ("unknown", PartStart): "open",
    ("open", PartDelta): "open",
    ("open", Cited): "open",
    ("open", PartEnd): "ended",
    ("ended", Cited): "ended",
}
"""The same for the events of one part."""


class IllegalOrder(ValueError):
    """An event came where the grammar does not allow it."""


class Order:
    """Checks a stream against the grammar, event by event."""

    def __init__(self) -> None:
        self._state = "before"
        self._parts: list[str] = []
        self._open: set[int] = set()

    def check(self, event: Event) -> None:
        """Raises IllegalOrder."""
        kind = type(event)
        if isinstance(event, PartDelta) and event.index in self._open:
            # Nearly all of a stream: a part is only open inside a response.
            return
        state = RESPONSE.get((self._state, kind))
        if state is None:
            raise IllegalOrder(f"{kind.__name__} {self._state} the response")
        self._state = state
        if isinstance(event, PartStart | PartDelta | Cited | PartEnd):
            self._check_part(kind, event.index)
        elif self._open and state == "after":
            raise IllegalOrder(f"parts still open at the end: {sorted(self._open)}")

    def _check_part(self, kind: type[Event], index: int) -> None:
        parts = self._parts
        known = parts[index] if 0 <= index < len(parts) else "unknown"
        state = PART.get((known, kind))
        if kind is PartStart and (state is None or index != len(parts)):
            raise IllegalOrder(f"part {index} started, expected {len(parts)}")
        if state is None:
            raise IllegalOrder(f"part {index} is {'cited before its start' if kind is Cited else 'not open'}")
        if kind is PartStart:
            parts.append(state)
            self._open.add(index)
        elif state != known:
            parts[index] = state
            self._open.discard(index)

    @property
    def open_parts(self) -> tuple[int, ...]:
        """Indexes of the open parts, which an early end has to close."""
        return tuple(sorted(self._open))
