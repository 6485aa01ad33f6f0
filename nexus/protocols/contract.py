"""The contract of a codec: ``codec.py`` of a dialect exports ``CLIENT``, ``VENDOR``, or both.

The fields are what the relay calls; mypy checks each dialect's functions and classes against their types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from typing import Protocol

from nexus.conversation.events import Event
from nexus.conversation.parts import Request, Response
from nexus.dataclasses import dataclass
from nexus.errors.failure import VendorFailure
from nexus.protocols.codec import AnswerOrigin, Envelope, Find, ReadRequest, ReadResponse, Target, VendorRequest
from nexus.protocols.dispositions import Disposition
from nexus.protocols.locations import location_of
from nexus.protocols.room import Room
from nexus.wire import Json, mapping

Document = Mapping[str, Json]


class StreamReader(Protocol):
    """A vendor's events to neutral ones. ``complete`` tells a whole stream from a cut one."""

    @property
    def complete(self) -> bool: ...

    def feed(self, event: str | None, data: str) -> list[Event]:
        """The events of one frame. Raises VendorError for an error in the stream, ValueError for garbage."""
        ...

    def finish(self) -> list[Event]:
        """What is still due at the end of the vendor's bytes; nothing when the stream was cut."""
        ...


class StreamWriter(Protocol):
    """Neutral events to a client's bytes."""

    @property
    def whole(self) -> Document | None:
        """The answer as the client may refer to it, once it is whole."""
        ...

    def write(self, event: Event) -> bytes: ...


class ReadReferring(Protocol):
    def __call__(self, body: Document, find: Find | None = None, *, compacts: bool = False) -> ReadRequest: ...


class Carrier(Protocol):
    def pass_on(self, event: Event) -> Event: ...


class MakeCarrier(Protocol):
    def __call__(self, *, thinking: bool) -> Carrier: ...


@dataclass(frozen=True, slots=True)
class Referring:
    """For a dialect whose requests may refer to earlier answers, or ask for a summary in place of an answer.

    ``find`` finds earlier answers, where any are kept; ``compacts`` asks for the summary.
    """

    refers: Callable[[Document], bool]
    read_request: ReadReferring


@dataclass(frozen=True, slots=True)
class Counter:
    """How a vendor is asked for the number of tokens in a request: ``write_count`` makes the body, ``answer`` is the
    member of the answer."""

    write_count: Callable[[Request, Target], dict[str, Json]]
    answer: str

    def read_count(self, body: Document) -> int:
        """Raises ValueError when the answer holds no count."""
        tokens = body.get(self.answer)
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
            raise ValueError(f"the answer holds no {self.answer}")
        return tokens


@dataclass(frozen=True, slots=True)
class VendorCodec:
    """The side that faces vendors."""

    write_request: Callable[[Request, Target], VendorRequest]
    read_response: Callable[[Document, AnswerOrigin], ReadResponse]
    stream_reader: Callable[[AnswerOrigin], StreamReader]
    read_error: Callable[[int, Mapping[str, str], bytes], VendorFailure]
    """Of a status, headers by lower-case names and a body."""

    fields: Mapping[str, Disposition]
    """What becomes of every field of a neutral request."""

    count: Counter | None = None

    params: Mapping[str, Disposition] = field(default_factory=dict)
    """The dialect's own fields, by which its vendors name what they complain of."""


@dataclass(frozen=True, slots=True)
class ClientCodec:
    """The side that faces clients."""

    read_request: Callable[[Document], ReadRequest]
    write_response: Callable[[Response, Envelope], dict[str, Json]]
    stream_writer: Callable[[Envelope], StreamWriter]
    fields: Mapping[str, Disposition]
    """What becomes of every field of a client's request."""

    paths: Mapping[str, str]
    """What the client calls parts of neutral fields that it has elsewhere than the whole."""

    room: Room
    """What its answers can hold."""

    headers: frozenset[str] = frozenset()
    """Request headers that ask for something of the client's own vendor."""

    referring: Referring | None = None

    media: re.Pattern[bytes] = re.compile(b"")
    """Found in every request that holds more than words: images, documents, sounds."""

    carrier: MakeCarrier | None = None
    """Puts opaque values where the dialect's clients bring them back though they know nothing of them."""

    def read(self, document: Document, find: Find | None = None, *, compacts: bool = False) -> ReadRequest:
        """A client's request; ``find`` and ``compacts`` mean nothing to a dialect that has no such thing."""
        if self.referring is None:
            return self.read_request(document)
        return self.referring.read_request(document, find, compacts=compacts)

    def field_of(self, neutral: str, document: Document, request: Request) -> str:
        """How the client calls what a writer named, and where it said it; the rest of a path stays."""
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
        """The client's field for the one that a vendor complains of; None where it has none.

        Where in the conversation the vendor means is not told: it counts what was written for it.
        """
        read = vendor.params.get(param.partition(".")[0].partition("[")[0])
        name = self.field_of(read.field, document, request) if read is not None and read.field else ""
        return name if name.partition(".")[0] in self.fields else None

    def _beyond(self, place: str, rest: str) -> str:
        """The path of a member, which a tool may have under another name, or inside another one."""
        first, dot, last = rest.partition(".")
        named = self.paths.get(f"tools.{first}", f"tools.{first}").removeprefix("tools.")
        return ".".join(filter(None, (place, named))) + dot + last

    def lost(self, dropped: Iterable[str], document: Document, request: Request) -> Iterator[str]:
        """What writers dropped, as the client calls it: with a whole field, its parts that the client has elsewhere."""
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
"""What writers call things inside messages and tools, in one spelling."""
