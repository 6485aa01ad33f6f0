"""Puts parts in order, for dialects whose blocks must not overlap although a vendor's parts may.

While a part is open, later ones wait, in order; nothing is lost, and parts that never overlap pass unchanged.
"""

from __future__ import annotations

from dataclasses import field

from nexus.conversation.events import Cited, Event, PartDelta, PartEnd, PartStart
from nexus.dataclasses import dataclass


@dataclass(slots=True)
class _Waiting:
    """A part that started while another one was open: its pieces, citations, and its end if it has come."""

    start: PartStart
    pieces: list[str] = field(default_factory=list)
    cited: list[Cited] = field(default_factory=list)
    end: PartEnd | None = None


class PartOrder:
    """Takes events in any legal order; returns those that can be written now."""

    def __init__(self) -> None:
        self._open: int | None = None
        self._queue: dict[int, _Waiting] = {}

    def feed(self, event: Event) -> list[Event]:
        match event:
            case PartStart() if self._open is not None:
                self._queue[event.index] = _Waiting(event)
                return []
            case PartStart():
                self._open = event.index
            case PartDelta() if event.index != self._open:
                self._queue[event.index].pieces.append(event.text)
                return []
            case Cited() if event.index in self._queue:
                self._queue[event.index].cited.append(event)
                return []
            case PartEnd() if event.index != self._open:
                self._queue[event.index].end = event
                return []
            case PartEnd():
                self._open = None
                return [event, *self._released()]
            case _:
                pass
        return [event]

    def _released(self) -> list[Event]:
        """The waiting parts, up to and including the first that is still open."""
        out: list[Event] = []
        while self._queue and self._open is None:
            index = next(iter(self._queue))
            waiting = self._queue.pop(index)
            out.append(waiting.start)
            if words := "".join(waiting.pieces):
                out.append(PartDelta(index, words))
            out += waiting.cited
            if waiting.end is None:
                self._open = index
            else:
                out.append(waiting.end)
        return out
