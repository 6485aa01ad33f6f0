"""Loads a dialect's codec by name: its side for clients, and its side for vendors.

Law: a codec is loaded when a call first needs it, so that a vendor nobody configured costs nothing at start.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nexus.conversation.events import Event
from nexus.conversation.parts import Request, Response
from nexus.errors import VendorError
from nexus.protocols.codec import Disposition, Find, NewId, ReadRequest, ReadResponse, Target, VendorRequest
from nexus.protocols.locations import location_of
from nexus.protocols.room import Room
from nexus.wire import Json, mapping


class StreamWriter(Protocol):
    """Neutral events to a client's bytes."""

    @property
    def whole(self) -> Mapping[str, Json] | None:
        """The answer as the client may refer to it, once it is whole."""
        ...

    def write(self, event: Event) -> bytes: ...


class StreamReader(Protocol):
    """A vendor's events to neutral ones. ``complete`` tells a whole stream from a cut one."""

    complete: bool

    def feed(self, event: str | None, data: str) -> list[Event]: ...

    def finish(self) -> list[Event]: ...


class MakeWriter(Protocol):
    def __call__(
        self,
        *,
        model: str,
        response_id: str,
        created: int,
        include_usage: bool,
        request: Request | None = None,
        now: Callable[[], int] | None = None,
    ) -> StreamWriter: ...


class ReadClientRequest(Protocol):
    """``find`` finds earlier answers, where the dialect can refer to them and any are kept. ``compacts`` asks for a
    summary in place of an answer, where the dialect has such a thing.
    """

    def __call__(
        self, document: Mapping[str, Json], find: Find | None = None, *, compacts: bool = False
    ) -> ReadRequest: ...


def _never(document: Mapping[str, Json]) -> bool:
    return False


class Carrier(Protocol):
    def pass_on(self, event: Event) -> Event: ...


class MakeCarrier(Protocol):
    def __call__(self, *, thinking: bool) -> Carrier: ...


class WriteResponse(Protocol):
    def __call__(
        self, response: Response, *, created: int, request: Request | None = None, now: Callable[[], int] | None = None
    ) -> dict[str, Json]: ...


@dataclass(frozen=True, slots=True)
class AnswerOrigin:
    """What a reader of an answer may have to know of its question; the ids are the gateway's own.

    ``quirks`` are those of the target.
    """

    request: Request
    response_id: str
    model: str
    new_id: NewId
    quirks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ClientCodec:
    """The side that faces clients."""

    read_request: ReadClientRequest
    write_response: WriteResponse
    stream_writer: MakeWriter
    fields: Mapping[str, Disposition]
    paths: Mapping[str, str]
    """What the client calls parts of neutral fields that it has elsewhere than the whole."""

    headers: frozenset[str]
    """Request headers that ask for something of the client's own vendor."""

    room: Room
    """What its answers can hold."""

    refers: Callable[[Mapping[str, Json]], bool] = _never
    """Whether a request refers to earlier answers."""

    carrier: MakeCarrier | None = None
    """Puts opaque values where the dialect's clients bring them back though they know nothing of them."""

    def field_of(self, neutral: str, document: Mapping[str, Json], request: Request) -> str:
        """How the client calls what a writer named, and where it said it; the rest of a path stays."""
        said = _SAID_SHORTLY.get(neutral, neutral)
        if (place := location_of(said, request)) is not None:
            return self._beyond(*place)
        if said in self.paths:
            return self.paths[said]
        head, dot, rest = said.partition(".")
        names = [name for name, disposition in self.fields.items() if disposition.field == head]
        used = [name for name in names if name in document] or [
            path
            for part, path in self.paths.items()
            if part.partition(".")[0] == head and path.partition(".")[0] in document and not rest
        ]
        return (used or names or [head])[0] + dot + rest

    def param_of(self, param: str, vendor: str, document: Mapping[str, Json], request: Request) -> str | None:
        """The client's field for the one that a vendor of OpenAI's dialects complains of; None where it has none.

        Where in the conversation the vendor means is not told: it counts what was written for it.
        """
        read = client(vendor).fields.get(param.partition(".")[0].partition("[")[0])
        field = self.field_of(read.field, document, request) if read is not None and read.field else ""
        return field if field.partition(".")[0] in self.fields else None

    def _beyond(self, place: str, rest: str) -> str:
        """The path of a member, which a tool may have under another name, or inside another one."""
        first, dot, last = rest.partition(".")
        named = self.paths.get(f"tools.{first}", f"tools.{first}").removeprefix("tools.")
        return ".".join(filter(None, (place, named))) + dot + last

    def lost(self, dropped: Iterable[str], document: Mapping[str, Json], request: Request) -> Iterator[str]:
        """What writers dropped, as the client calls it: with a whole field, its parts that the client has elsewhere."""
        for neutral in dropped:
            yield self.field_of(neutral, document, request)
            yield from (
                path for part, path in self.paths.items() if part.startswith(f"{neutral}.") and _holds(document, path)
            )


def _holds(document: Mapping[str, Json], path: str) -> bool:
    held: Json = document
    for name in path.split("."):
        held = mapping(held).get(name)
    return held is not None


_SAID_SHORTLY = {
    "cache": "cache_control",
    "cache_ttl": "cache_control.ttl",
    "reasoning": "messages.reasoning",
    "name": "messages.name",
    "detail": "messages.image.detail",
    "image.detail": "messages.image.detail",
    "strict": "tools.strict",
}
"""What writers call things inside messages and tools, in one spelling."""


@dataclass(frozen=True, slots=True)
class VendorCodec:
    """The side that faces vendors."""

    write_request: Callable[[Request, Target], VendorRequest]
    read_response: Callable[[Mapping[str, Json], AnswerOrigin], ReadResponse]
    stream_reader: Callable[[AnswerOrigin], StreamReader]
    read_error: Callable[[int, Mapping[str, str], bytes], VendorError]


@functools.cache
def client(dialect: str) -> ClientCodec:
    read = _module(dialect, "read_request").read_request
    return ClientCodec(
        read_request=read if dialect in _REFERRING else lambda document, find=None, *, compacts=False: read(document),
        write_response=_module(dialect, "write_response").write_response,
        stream_writer=_module(dialect, "write_stream").StreamWriter,
        fields=_module(dialect, "fields").READS,
        paths=_module(dialect, "fields").PATHS,
        headers=_module(dialect, "fields").HEADERS,
        room=_module(dialect, "write_response").ROOM,
        refers=_module(dialect, "earlier").refers if dialect in _REFERRING else _never,
        carrier=_module(dialect, "call_ids").SignaturesInIds if dialect in _CARRYING else None,
    )


_CARRYING = frozenset({"chat"})
"""Dialects that have no place of their own for opaque values."""

_REFERRING = frozenset({"responses"})
"""Dialects whose requests may refer to earlier answers."""


@functools.cache
def vendor(dialect: str) -> VendorCodec:
    read_response, reader = (
        _module(dialect, "read_response").read_response,
        _module(dialect, "read_stream").StreamReader,
    )
    needs = _NEEDS.get(dialect, _nothing)
    return VendorCodec(
        write_request=_module(dialect, "write_request").write_request,
        read_response=lambda body, origin: read_response(body, **needs(origin)),
        stream_reader=lambda origin: reader(**needs(origin)),
        read_error=_module(dialect, "read_error").read_error,
    )


@dataclass(frozen=True, slots=True)
class Counter:
    """How a vendor is asked for the number of tokens in a request."""

    write_count: Callable[[Request, Target], VendorRequest]
    read_count: Callable[[Mapping[str, Json]], int]


COUNT_ONLY = ("responses",)
"""Dialects in which a vendor may count though its answers are asked for in another."""


@functools.cache
def counter(dialect: str) -> Counter:
    module = _module(dialect, "count")
    return Counter(module.write_count, module.read_count)


def _nothing(origin: AnswerOrigin) -> dict[str, Any]:
    return {}


def _gemini(origin: AnswerOrigin) -> dict[str, Any]:
    return {"new_id": origin.new_id}


def _converse(origin: AnswerOrigin) -> dict[str, Any]:
    return {"response_id": origin.response_id, "model": origin.model}


def _chat(origin: AnswerOrigin) -> dict[str, Any]:
    return {"quirks": origin.quirks}


_NEEDS: dict[str, Callable[[AnswerOrigin], dict[str, Any]]] = {"gemini": _gemini, "converse": _converse, "chat": _chat}


def _module(dialect: str, part: str) -> Any:
    return importlib.import_module(f"nexus.protocols.{dialect}.{part}")
