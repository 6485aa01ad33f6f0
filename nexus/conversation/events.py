"""The neutral form of a streamed answer.

Everything has an explicit start and end, as ``Order`` checks; part indexes count up from 0 in order of their
start. Several parts may be open at the same time (vendors interleave parallel tool calls); the writer of a dialect that
forbids this buffers them. A citation may come after the end of its part, because some vendors send their sources last.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Citation, Image, Reasoning, Refusal, Signature, Stop, StreamPart, Text, ToolCall
from nexus.conversation.usage import Usage
from nexus.dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ResponseStart:
    """``usage`` has what the vendor already knows (the input side), otherwise zeros."""

    id: str
    model: str
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class PartStart:
    """``part`` is what is known at the start: text and arguments are usually "", an image is complete."""

    index: int
    part: StreamPart


@dataclass(frozen=True, slots=True)
class PartDelta:
    """More text; for a ToolCall, more of the arguments' JSON text."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """A source of text that came before."""

    index: int
    citation: Citation


@dataclass(frozen=True, slots=True)
class PartEnd:
    """``signature`` is set if the part's opaque value was known only at its end."""

    index: int
    signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class UsageUpdate:
    """The complete usage so far: it replaces the earlier one."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class ContentDropped:
    """The answer contained something without an equivalent; ``dropped`` is the vendor's name of it."""

    dropped: str


@dataclass(frozen=True, slots=True)
class Ping:
    """The upstream is alive."""


@dataclass(frozen=True, slots=True)
class ResponseEnd:
    stop: Stop


Event = ResponseStart | PartStart | PartDelta | Cited | PartEnd | UsageUpdate | ContentDropped | Ping | ResponseEnd


def starts_thinking(event: Event) -> bool:
    return isinstance(event, PartStart) and isinstance(event.part, Reasoning)


def has_content(event: Event) -> bool:
    """Whether an event has content of the answer, rather than only marking a start or progress."""
    match event:
        case PartDelta(text=words):
            return bool(words)
        case PartStart(part=part):
            return _is_filled(part)
        case PartEnd(signature=signature):
            return signature is not None and bool(signature.value)
        case Cited():
            return True
        case _:
            return False


def _is_filled(part: StreamPart) -> bool:
    match part:
        case Image():
            return True
        case Reasoning(signature=signature) if signature is not None and signature.value:
            return True
        case Text(citations=citations) if citations:
            return True
        case _:
            return bool(words_of(part))


def words_of(part: StreamPart) -> str:
    """The text of a part; of a call, its arguments."""
    match part:
        case Text(text=words) | Reasoning(text=words) | Refusal(text=words) | ToolCall(arguments=words):
            return words
        case Image():
            return ""


RESPONSE: Mapping[tuple[str, type[Event]], str] = {
    ("before", ResponseStart): "inside",
    **{("inside", one): "inside" for one in (PartStart, PartDelta, Cited, PartEnd, UsageUpdate, ContentDropped, Ping)},
    ("inside", ResponseEnd): "after",
}
"""The legal order of events: the states of a response in which an event is allowed, and the state after it."""

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
    """Checks a stream against both tables, event by event: behind every reader, where an invalid stream of a vendor
    counts as broken."""

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
        if isinstance(event, (PartStart, PartDelta, Cited, PartEnd)):
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
