"""The parts of a streamed answer as a vendor's frames start, extend and end them, each under its key on the wire.

A repeated or missing frame around content changes nothing: a second start of an open part is ignored, and a start ends
the text before it. Only an incomplete call is never ended before the answer is, except by the vendor, because a client
acts on a call that has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from nexus.conversation.events import Cited, Event, PartDelta, PartEnd, PartStart
from nexus.conversation.parts import Citation, Reasoning, Signature, Stop, StreamPart, Text, ToolCall
from nexus.dataclasses import dataclass, field
from nexus.protocols.checks import Drops
from nexus.protocols.growing_json import GrowingJson
from nexus.wire import Json, mapping

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class OpenPart:
    """A part that has not ended. ``held`` is text for its end if no other text came before, ``signature`` the signature
    for its end. ``length`` is the number of characters so far, ``citations`` are those on the wire; for a call,
    ``arguments`` are those received."""

    index: int
    part: StreamPart
    held: str = ""
    signature: Signature | None = None
    length: int = 0
    arguments: GrowingJson = field(default_factory=GrowingJson)
    citations: list[Json] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether the part may be complete."""
        return not isinstance(self.part, ToolCall) or self.arguments.kind is dict or self.arguments.is_blank

    @property
    def over(self) -> bool:
        """Whether the part is certainly complete when something else starts; a call without arguments yet may still get
        some."""
        has_content = bool(self.held) or not self.arguments.is_blank
        return self.whole and (has_content or not isinstance(self.part, ToolCall))


class OpenParts(Generic[K]):
    """``open`` are the parts that have not ended; ``started`` counts the parts of the answer, ``kinds`` are their
    kinds. With ``late_signatures`` the end of thinking has its signature; ``cite`` reads a citation of a part of this
    length, which is known at its end."""

    def __init__(
        self,
        *,
        late_signatures: bool = False,
        cite: Callable[[Mapping[str, Json], int], Citation | str] | None = None,
        dropped: Drops | None = None,
    ) -> None:
        self.started = 0
        self.kinds: set[type[StreamPart]] = set()
        self._late_signatures = late_signatures
        self._cite = cite
        self._dropped = dropped or Drops()
        self._settled: set[K] = set()
        self.open: dict[K, OpenPart] = {}
        self._left: list[OpenPart] = []

    def start(self, key: K, part: StreamPart, held: str = "") -> list[Event]:
        """Starts a part, after the missing ends of others; nothing if this part is already open."""
        known = self.open.get(key)
        if known is not None and _is_repeated(known, part):
            known.held = known.held or held
            return []
        out = self._settle()
        if (half := self.open.pop(key, None)) is not None:
            self._left.append(half)
        words = part.text if isinstance(part, Text) else ""
        self.open[key] = OpenPart(self.started, part, held, length=len(words))
        self.started += 1
        self.kinds.add(type(part))
        return [*out, PartStart(self.open[key].index, part)]

    def extend(self, key: K, words: str, empty: StreamPart) -> list[Event]:
        """Adds text to the part, which starts here, as ``empty``, if none of its kind is open.

        Raises ValueError for arguments of a call that did not start: its name is unknown.
        """
        known, out = self.open.get(key), list[Event]()
        if known is None or not _is_alike(known.part, empty):
            if isinstance(empty, ToolCall):
                if key in self._settled and not words.strip():
                    return []
                raise ValueError("arguments of a call that did not start")
            out = self.start(key, empty)
            known = self.open[key]
        if words:
            known.length += len(words)
            if isinstance(empty, ToolCall):
                known.arguments.add(words)
            out.append(PartDelta(known.index, words))
        return out

    def end(self, key: K) -> list[Event]:
        """Ends the part; nothing if none is open."""
        part = self.open.pop(key, None)
        return [] if part is None else self._ended(part)

    def end_all(self) -> list[Event]:
        """Ends all parts that the vendor left open in a finished answer."""
        still = sorted((*self._left, *self.open.values()), key=lambda part: part.index)
        self._left.clear()
        self.open.clear()
        return [event for part in still for event in self._ended(part)]

    def fit(self, stop: Stop) -> Stop:
        """The stop reason, to be called before ``end_all``: with an incomplete call it was not a normal end."""
        whole = all(part.whole for part in (*self._left, *self.open.values()))
        return stop if whole or stop.reason not in ("end", "tool_use") else Stop("unknown", raw=stop.raw)

    def _ended(self, part: OpenPart) -> list[Event]:
        out: list[Event] = []
        if self._cite is not None and part.citations:
            read = (self._cite(mapping(wire), part.length) for wire in part.citations)
            out = self._dropped.events(*(one if isinstance(one, str) else Cited(part.index, one) for one in read))
        held: list[Event] = [PartDelta(part.index, part.held)] if part.held and not part.length else []
        return [*out, *held, PartEnd(part.index, part.signature)]

    def _settle(self) -> list[Event]:
        waits = Reasoning if self._late_signatures else ()
        over = [key for key, part in self.open.items() if part.over and not isinstance(part.part, waits)]
        self._settled.update(over)
        return [event for key in over for event in self._ended(self.open.pop(key))]


def _is_alike(one: StreamPart, other: StreamPart) -> bool:
    """Whether both are of the same kind; redacted thinking is a separate kind."""
    return type(one) is type(other) and getattr(one, "redacted", False) == getattr(other, "redacted", False)


def _is_repeated(known: OpenPart, part: StreamPart) -> bool:
    """Whether a start repeats one that has begun; two calls without ids are distinguished by their arguments."""
    if isinstance(part, ToolCall) and not part.id and known.length:
        return False
    return part == known.part
