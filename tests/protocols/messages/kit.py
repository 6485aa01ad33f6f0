"""What the messages tests share: fixtures, chunkings, and Anthropic's own types as the judge.

Law: nothing here knows what a test expects.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anthropic.types import Message as WireMessage
from anthropic.types import RawMessageStreamEvent
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from pydantic import BaseModel, TypeAdapter

from nexus.events import Event, Order
from nexus.protocols.messages.stream import StreamReader
from nexus.protocols.sse import FrameDecoder

FIXTURES = Path(__file__).parents[2] / "fixtures" / "messages"
STREAMS = sorted(path.parent.name for path in FIXTURES.glob("*/upstream.sse"))
PAIRS = sorted(path.parent.name for path in FIXTURES.glob("*/upstream.json"))

_OLD_KNOBS = {"temperature", "top_p", "top_k"}
"""Taken by the API for older models, though the newest SDK has no names for them."""

_REQUESTS: Mapping[bool, TypeAdapter[Any]] = {
    True: TypeAdapter(MessageCreateParamsStreaming),
    False: TypeAdapter(MessageCreateParamsNonStreaming),
}
_COUNT: TypeAdapter[Any] = TypeAdapter(MessageCountTokensParams)
_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def check_request(body: Mapping[str, Any]) -> None:
    """The published type takes the body and knows every member of it."""
    known = {name: value for name, value in body.items() if name not in _OLD_KNOBS}
    assert _whole(_REQUESTS[bool(body.get("stream"))].validate_python(known)) == known


def check_count(body: Mapping[str, Any]) -> None:
    assert _whole(_COUNT.validate_python(dict(body))) == body


def check_message(body: Mapping[str, Any]) -> None:
    assert _covers(WireMessage.model_validate(body, strict=True).model_dump(), body)


def check_event(name: str | None, data: Mapping[str, Any]) -> None:
    assert name == data["type"]
    if name != "ping":
        assert _covers(_EVENT.validate_python(data, strict=True).model_dump(), data)


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


def stream_bytes(case: str) -> bytes:
    return (FIXTURES / case / "upstream.sse").read_bytes()


def unary(case: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((FIXTURES / case / "upstream.json").read_text())
    return body


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


def frames(raw: bytes) -> list[tuple[str | None, dict[str, Any]]]:
    decoder = FrameDecoder()
    decoded = decoder.feed(raw)
    assert decoder.rest == b""
    return [(frame.event, json.loads(frame.data or "")) for frame in decoded]
