"""What the writers of all streams have in common: one method per kind of event."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar

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
from nexus.conversation.parts import Citation, Refusal, Signature, Stop, StreamPart, Text
from nexus.conversation.usage import Usage
from nexus.wire import Json


class PartOrder:
    """For dialects whose blocks must not overlap although a vendor's parts may: takes events in any legal order, and
    returns those that can be written now.

    While a part is open, the events of later ones wait; nothing is lost, and parts that never overlap pass unchanged.
    """

    def __init__(self) -> None:
        self._open: int | None = None
        self._waiting: dict[int, list[Event]] = {}

    def feed(self, event: Event) -> list[Event]:
        match event:
            case PartDelta() | Cited() | PartEnd() if event.index in self._waiting:
                self._waiting[event.index].append(event)
                return []
            case PartStart() if self._open is not None:
                self._waiting[event.index] = [event]
                return []
            case PartStart():
                self._open = event.index
            case PartEnd():
                self._open = None
                return [event, *self._released()]
        return [event]

    def _released(self) -> list[Event]:
        """The waiting parts, up to and including the first that is still open."""
        out: list[Event] = []
        while self._waiting and self._open is None:
            index = next(iter(self._waiting))
            events = self._waiting.pop(index)
            out += events
            self._open = None if any(isinstance(one, PartEnd) for one in events) else index
        return out


Written = TypeVar("Written")


class EventWriter(ABC, Generic[Written]):
    """Writes one answer's events, whose order was checked after the vendor's reader (tidy.py). ``_part`` is the last
    one started, ``_usage`` the last one received; ``_refused`` says that the answer contains a refusal. ``_nothing`` is
    written for what the dialect does not have."""

    _nothing: Written
    whole: Mapping[str, Json] | None = None
    """The complete answer, in the form that the client may refer to; None in a dialect without such references."""

    def __init__(self) -> None:
        self._part: StreamPart = Text("")
        self._usage = Usage()
        self._refused = False

    def write(self, event: Event) -> Written:
        match event:
            case PartDelta(index=index, text=words):
                return self._extend(index, words) if words else self._nothing
            case ResponseStart(usage=usage):
                self._usage = usage
                return self._begin()
            case PartStart(index=index, part=part):
                self._part, self._refused = part, self._refused or isinstance(part, Refusal)
                return self._open(index, part)
            case Cited(index=index, citation=citation):
                return self._cite(index, citation)
            case PartEnd(index=index, signature=signature):
                return self._close(index, signature)
            case UsageUpdate(usage=usage):
                self._usage = usage
                return self._nothing
            case ContentDropped() | Ping():
                return self._nothing
            case ResponseEnd(stop=stop):
                return self._finish(stop)

    def _begin(self) -> Written:
        return self._nothing

    @abstractmethod
    def _open(self, index: int, part: StreamPart) -> Written:
        """The start of a part, with its first content."""

    @abstractmethod
    def _extend(self, index: int, words: str) -> Written:
        """The delta of a part; ``words`` is never empty."""

    def _cite(self, index: int, citation: Citation) -> Written:
        return self._nothing

    @abstractmethod
    def _close(self, index: int, late: Signature | None) -> Written:
        """The end of a part; ``late`` is a signature that comes only with the end."""

    @abstractmethod
    def _finish(self, stop: Stop) -> Written: ...


class BlockWriter(EventWriter[bytes]):
    """A writer for dialects whose blocks never overlap: while one is open, parts after it wait, in order."""

    _nothing = b""

    def __init__(self) -> None:
        super().__init__()
        self._order = PartOrder()

    def write(self, event: Event) -> bytes:
        return b"".join(map(super().write, self._order.feed(event)))
