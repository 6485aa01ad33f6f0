"""Shared by the tests of all dialects: recorded answers, their events in order, and published types as reference.

Nothing here knows a dialect or what a test expects.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from nexus.conversation.events import ContentDropped, Event, Order
from nexus.conversation.fold import fold
from nexus.conversation.parts import NOTHING_ASKED, Request, Response, Thinking
from nexus.models.chat_server import PLAIN, ChatServer
from nexus.protocols.codec import AnswerOrigin, Envelope
from nexus.protocols.contract import StreamReader
from nexus.protocols.dialect import AnswerRelay
from nexus.protocols.sse import FrameDecoder


@cache
def published(shape: Any) -> TypeAdapter[Any]:
    """Validates bodies by a type that a vendor's SDK publishes.

    Built on first use: for many types that takes a tenth of a second in every worker.
    """
    return TypeAdapter(shape)


def origin(response_id: str = "r", model: str = "m", server: ChatServer = PLAIN) -> AnswerOrigin:
    """The origin of an answer to an empty request; new ids are numbered."""
    numbers = itertools.count(1)
    return AnswerOrigin(Request(()), response_id, model, lambda: f"call_{next(numbers)}", server)


def envelope(request: Request = NOTHING_ASKED, *, id: str = "r1", model: str = "m", usage: bool = True) -> Envelope:
    """The envelope of an answer to a client that asks for usage and thinking."""
    thinking = request.thinking or Thinking(True)
    return Envelope(id, model, 7, replace(request, include_usage=usage, thinking=thinking))


class Recorded:
    """The recorded answers of a dialect's vendors: whole ones, and streams of server-sent events."""

    def __init__(self, dialect: str) -> None:
        self.folder = Path(__file__).parents[1] / "fixtures" / dialect
        self.streams = sorted(path.parent.name for path in self.folder.glob("*/upstream.sse"))
        self.answers = sorted(path.parent.name for path in self.folder.glob("*/upstream.json"))

    def stream(self, case: str) -> bytes:
        return (self.folder / case / "upstream.sse").read_bytes()

    def answer(self, case: str) -> dict[str, Any]:
        body: dict[str, Any] = json.loads((self.folder / case / "upstream.json").read_bytes())
        return body


def events_from(raw: bytes, reader: StreamReader) -> list[Event]:
    """The events of a stream, to its end, each checked against the legal order."""
    frames = [frame for frame in FrameDecoder().feed(raw) if frame.data is not None]
    events = [event for frame in frames for event in reader.feed(frame.event, frame.data or "")]
    return ordered(events + reader.finish())


def answer_from(body: Mapping[str, Any], reader: StreamReader) -> Response:
    """A complete answer."""
    return fold(ordered(reader.read_whole(body)))


def ordered(events: list[Event]) -> list[Event]:
    """The same events, each checked against the legal order."""
    order = Order()
    for event in events:
        order.check(event)
    return events


def relayed(passthrough: AnswerRelay, stream: bytes) -> bytes:
    """What a client sees of a stream of whole frames."""
    decoder = FrameDecoder()
    edited = b"".join(map(passthrough.frame, decoder.feed(stream)))
    assert decoder.rest == b"", "test streams must hold whole frames"
    return edited


def losses(events: Sequence[Event]) -> list[str]:
    """What is reported as dropped."""
    return [event.dropped for event in events if isinstance(event, ContentDropped)]


def whole(value: Any) -> Any:
    """What a published type made of a body; Iterables are validated lazily, so this walks through all of them."""
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return {name: whole(member) for name, member in value.items()}
    if isinstance(value, str | int | float | bool | None):
        return value
    return [whole(member) for member in value]


def covers(parsed: Any, wire: Any) -> bool:
    """The type knows every member of ``wire`` (it would keep unknown ones as they are, so names are compared)."""
    if isinstance(wire, Mapping):
        return all(name in parsed and covers(parsed[name], member) for name, member in wire.items())
    if isinstance(wire, list):
        return len(wire) == len(parsed) and all(map(covers, parsed, wire))
    return bool(parsed == wire)
