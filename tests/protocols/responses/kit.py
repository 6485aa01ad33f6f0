"""What the responses tests share: streams from events, chunkings, and OpenAI's own types as the judge.

Law: nothing here knows what a test expects.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from openai.types.responses import Response as WireResponse
from openai.types.responses import ResponseStreamEvent
from openai.types.responses.input_token_count_params import InputTokenCountParams
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from pydantic import BaseModel, TypeAdapter

from nexus.conversation import Request
from nexus.events import Event, Order
from nexus.protocols.responses.stream import StreamReader, StreamWriter
from nexus.protocols.sse import FrameDecoder

FIXTURES = Path(__file__).parents[2] / "fixtures" / "responses"
STREAMS = sorted(path.parent.name for path in FIXTURES.glob("*/upstream.sse"))

_REQUESTS: Mapping[bool, TypeAdapter[Any]] = {
    True: TypeAdapter(ResponseCreateParamsStreaming),
    False: TypeAdapter(ResponseCreateParamsNonStreaming),
}
_COUNT: TypeAdapter[Any] = TypeAdapter(InputTokenCountParams)
_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def check_request(body: Mapping[str, Any]) -> None:
    """The published type takes the body and knows every member of it."""
    assert _whole(_REQUESTS[bool(body.get("stream"))].validate_python(dict(body))) == body


def check_count(body: Mapping[str, Any]) -> None:
    assert _whole(_COUNT.validate_python(dict(body))) == body


def check_response(body: Mapping[str, Any]) -> None:
    assert _covers(WireResponse.model_validate(body, strict=True).model_dump(by_alias=True), body)


def check_event(event: Mapping[str, Any]) -> None:
    if event["type"] != "keepalive":
        assert _covers(_EVENT.validate_python(event, strict=True).model_dump(by_alias=True), event)


def _whole(value: Any) -> Any:
    """Iterables are validated lazily: walk through all of them."""
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return {name: _whole(member) for name, member in value.items()}
    if isinstance(value, str | int | float | bool | None):
        return value
    return [_whole(member) for member in value]


def _covers(parsed: Any, wire: Any) -> bool:
    """Every member of ``wire`` is one that the type knows (extra ones would be kept as they are, so look at names)."""
    if isinstance(wire, Mapping):
        return all(name in parsed and _covers(parsed[name], member) for name, member in wire.items())
    if isinstance(wire, list):
        return len(wire) == len(parsed) and all(map(_covers, parsed, wire))
    return bool(parsed == wire)


def writer(request: Request | None = None) -> StreamWriter:
    return StreamWriter(model="a/m", response_id="resp_1", created=7, include_usage=True, request=request)


def written(events: Iterable[Event], request: Request | None = None) -> bytes:
    stream, order = writer(request), Order()
    pieces = []
    for event in events:
        order.check(event)
        pieces.append(stream.write(event))
    return b"".join(pieces)


def frames(raw: bytes) -> list[dict[str, Any]]:
    """The data of each event; its name agrees with its type."""
    decoder = FrameDecoder()
    decoded = [frame for frame in decoder.feed(raw) if frame.data is not None]
    assert decoder.rest == b""
    documents = [json.loads(frame.data or "") for frame in decoded]
    assert [frame.event for frame in decoded] == [document["type"] for document in documents]
    return documents


def told(events: Iterable[Event], request: Request | None = None) -> list[dict[str, Any]]:
    """What a client reads, every event judged by the SDK."""
    documents = frames(written(events, request))
    assert [document["sequence_number"] for document in documents] == list(range(len(documents)))
    for document in documents:
        check_event(document)
    return documents


def chunkings(raw: bytes) -> Iterator[list[bytes]]:
    yield [raw]
    yield raw.splitlines(keepends=True)
    yield [raw[at : at + 1] for at in range(len(raw))]
    for seed in range(5):
        yield list(_random_pieces(raw, random.Random(seed)))


def _random_pieces(raw: bytes, dice: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        size = dice.randint(1, 40)
        yield raw[at : at + size]
        at += size


def replay(pieces: list[bytes]) -> tuple[list[Event], StreamReader]:
    """The events of a stream, each checked against the grammar."""
    decoder, reader, order, events = FrameDecoder(), StreamReader(), Order(), list[Event]()
    for piece in pieces:
        for frame in decoder.feed(piece):
            if frame.data is not None:
                events += reader.feed(frame.event, frame.data)
    events += reader.finish()
    for event in events:
        order.check(event)
    return events, reader
