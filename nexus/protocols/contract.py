"""The contract of a codec: ``codec.py`` of a dialect exports ``CLIENT``, ``VENDOR``, or both.

The fields are what the relay calls; mypy checks each dialect's functions and classes against their types. In every
dialect:

- The tables in ``fields`` decide what a reader or a writer of requests drops and refuses (dispositions.py).
- ``stops`` is total in both directions. An unknown reason stays ``unknown``, with the vendor's word, and never becomes
  a normal end: the client gets the reason for an unfinished answer, along with the vendor's.
- ``usage`` has disjoint parts, which sum to the vendor's total.
- ``read_error`` decides by the vendor's codes, then by the status; if these say nothing more specific,
  context_length.py reads the message. The vendor's message and request id are kept.
- ``passthrough`` splices bytes and never serializes them again; unknown fields and events are forwarded.
- ``write_stream`` never announces an incomplete block as done, because clients act on that: a broken stream stays open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Protocol

from nexus.conversation.events import Event
from nexus.conversation.parts import Message, Request, Response, ToolResult
from nexus.dataclasses import dataclass, field
from nexus.errors.failure import VendorFailure
from nexus.protocols.codec import AnswerOrigin, Envelope, Find, ReadRequest, Target, VendorRequest
from nexus.protocols.dispositions import Disposition
from nexus.protocols.tidy import Room
from nexus.wire import Json, holds_any, item_at, mapping

Document = Mapping[str, Json]


class StreamReader(Protocol):
    """Converts a vendor's events to neutral ones. ``complete`` says whether the stream ended properly."""

    @property
    def complete(self) -> bool: ...

    def feed(self, event: str | None, data: str) -> list[Event]:
        """The events of one frame. Raises VendorError for an error in the stream, ValueError for invalid data."""
        ...

    def read_whole(self, answer: Document) -> list[Event]:
        """The events of a complete answer in place of a stream. Raises VendorError for an error inside a 200, and for
        anything else that is not an answer."""
        ...

    def finish(self) -> list[Event]:
        """Remaining events at the end of the vendor's bytes; none if the stream broke off."""
        ...


class StreamWriter(Protocol):
    """Writes neutral events as a client's bytes."""

    @property
    def whole(self) -> Document | None:
        """The complete answer, in the form that the client may refer to."""
        ...

    def write(self, event: Event) -> bytes: ...


class ReadReferring(Protocol):
    def __call__(self, body: Document, find: Find | None = None, *, compacts: bool = False) -> ReadRequest: ...


class AnswerStep(Protocol):
    """A step on the way from a vendor's reader to a client's writer, for the events of one answer in order."""

    def feed(self, event: Event) -> Iterable[Event]:
        """The events in its place, now."""
        ...


class Carrier(AnswerStep, Protocol):
    """Puts opaque values where clients send them back without understanding them. ``thinking`` says whether it needs
    the words of the thinking."""

    thinking: bool


def through(steps: Iterable[AnswerStep], events: Iterable[Event]) -> Iterable[Event]:
    for step in steps:
        events = chain.from_iterable(map(step.feed, events))
    return events


@dataclass(frozen=True, slots=True)
class Referring:
    """For a dialect whose requests may refer to earlier answers, or request a summary instead of an answer.

    ``find`` finds earlier answers, if any are stored; ``compacts`` requests the summary. ``write_compacted`` makes the
    reply to such a request from an answer with a summary, and raises VendorError if it has none.
    """

    refers: Callable[[Document], bool]
    read_request: ReadReferring
    write_compacted: Callable[[Document, Document], Document]


@dataclass(frozen=True, slots=True)
class Counter:
    """How a vendor counts the tokens of a request: ``write_count`` builds the body, ``answer`` is the
    member of the answer."""

    write_count: Callable[[Request, Target], dict[str, Json]]
    answer: str

    def read_count(self, body: Document) -> int:
        """Raises ValueError if the answer has no count."""
        tokens = body.get(self.answer)
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
            raise ValueError(f"the answer has no {self.answer}")
        return tokens


@dataclass(frozen=True, slots=True)
class VendorCodec:
    """The side towards vendors."""

    write_request: Callable[[Request, Target], VendorRequest]
    """Raises InvalidRequest and UnsupportedFeature with the name of the neutral field. Calls and results of the request
    are paired (pairing.py), and have distinct ids (tidy.py)."""

    stream_reader: Callable[[AnswerOrigin], StreamReader]
    read_error: Callable[[int, Mapping[str, str], bytes], VendorFailure]
    """Takes status, headers by lower-case names, and body."""

    fields: Mapping[str, Disposition]
    """What happens to every field of a neutral request."""

    count: Counter | None = None

    params: Mapping[str, Disposition] = field(default_factory=dict)
    """The dialect's own fields, which its vendors name in their errors."""

    repeats_empty: bool = False
    """Whether its models sometimes end an answer before its first word, and answer if the request is repeated."""


@dataclass(frozen=True, slots=True)
class ClientCodec:
    """The side towards clients."""

    read_request: Callable[[Document], ReadRequest]
    """Raises InvalidRequest and UnsupportedFeature with the path in ``param``."""

    write_response: Callable[[Response, Envelope], dict[str, Json]]
    stream_writer: Callable[[Envelope], StreamWriter]
    fields: Mapping[str, Disposition]
    """What happens to every field of a client's request."""

    paths: Mapping[str, str]
    """The client's path of parts of neutral fields that are not inside the client's own field."""

    room: Room
    """What its answers can hold."""

    headers: frozenset[str] = frozenset()
    """Request headers that have a meaning only for the client's own vendor."""

    referring: Referring | None = None

    conversation: str = "messages"
    """The member that holds the conversation."""

    media: frozenset[str] = frozenset()
    """Members that only parts with more than text have, such as images; empty if others are as far from words."""

    carrier: Callable[[bool], Carrier] | None = None
    """Makes the carrier of an answer, if one is needed; the argument says that the vendor will require its thinking
    back."""

    def read(self, document: Document, find: Find | None = None, *, compacts: bool = False) -> ReadRequest:
        """A client's request; ``find`` and ``compacts`` have no effect in a dialect without such features."""
        if self.referring is None:
            return self.read_request(document)
        return self.referring.read_request(document, find, compacts=compacts)

    def has_words_alone(self, document: Document) -> bool:
        """Whether a request is known to contain only text."""
        return bool(self.media) and not holds_any(self.media, document.get(self.conversation))

    def field_of(self, neutral: str, document: Document, request: Request) -> str:
        """The client's name and location of what a writer named; the rest of a path stays."""
        short = _SHORT_NAMES.get(neutral, neutral)
        if (place := location_of(short, request)) is not None:
            return self._beyond(*place)
        if short in self.paths:
            return self.paths[short]
        head, dot, rest = short.partition(".")
        names = [name for name, disposition in self.fields.items() if disposition.field == head]
        used = [name for name in names if name in document] or [
            path
            for part, path in self.paths.items()
            if part.partition(".")[0] == head and path.partition(".")[0] in document and not rest
        ]
        return (used or names or [head])[0] + dot + rest

    def param_of(self, param: str, vendor: VendorCodec, document: Document, request: Request) -> str | None:
        """The client's field for the one in a vendor's error; None if there is none.

        Positions in the conversation are not returned: the vendor counts in what was written for it.
        """
        read = vendor.params.get(param.partition(".")[0].partition("[")[0])
        name = self.field_of(read.field, document, request) if read is not None and read.field else ""
        return name if name.partition(".")[0] in self.fields else None

    def _beyond(self, place: str, rest: str) -> str:
        """The path of a member, which may have another name in a tool, or be inside another member."""
        first, dot, last = rest.partition(".")
        named = self.paths.get(f"tools.{first}", f"tools.{first}").removeprefix("tools.")
        return ".".join(filter(None, (place, named))) + dot + last

    def lost(self, dropped: Iterable[str], document: Document, request: Request) -> Iterator[str]:
        """What writers dropped, by the client's names: with a whole field, also its parts that the client has
        elsewhere."""
        for neutral in dropped:
            yield self.field_of(neutral, document, request)
            yield from (
                path for part, path in self.paths.items() if part.startswith(f"{neutral}.") and _holds(document, path)
            )


def _holds(document: Document, path: str) -> bool:
    held: Json = document
    for name in path.split("."):
        held = mapping(held).get(name)
    return held is not None


_SHORT_NAMES = {
    "cache": "cache_control",
    "cache_ttl": "cache_control.ttl",
    "reasoning": "messages.reasoning",
    "name": "messages.name",
    "detail": "messages.image.detail",
    "image.detail": "messages.image.detail",
    "strict": "tools.strict",
}
"""Writers' names for parts of messages and tools, in one spelling."""


def location_of(path: str, request: Request) -> tuple[str, str] | None:
    """The client's path of what a writer names: the neutral conversation is merged, the client's is not. It is the path
    of the message, part or tool at ``path``, and the rest of ``path``; None if there is none.

    Writers count ``messages.N.content.N``, with ``.content.N`` again inside a tool result, and ``tools.N``.
    """
    head, *steps = path.split(".")
    holders = {"messages": request.messages, "tools": request.tools}.get(head, ())
    place = ""
    while steps and (found := item_at(holders, steps[0])) is not None:
        place, steps = _place(found) or place, steps[1:]
        holders = found.parts if isinstance(found, (Message, ToolResult)) and steps[:1] == ["content"] else ()
        steps = steps[1:] if holders and len(steps) > 1 else steps
    return (place, ".".join(steps)) if place else None


def _place(found: object) -> str:
    at: str = getattr(found, "at", "")
    if not at and isinstance(found, Message) and found.parts:
        return found.parts[0].at
    return at
