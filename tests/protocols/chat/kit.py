"""What the tests of this dialect share: the SDK's published types as validators, and the streams' replayer."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import TypeAdapter

from nexus.events import Event, Order
from nexus.protocols.chat.stream import StreamReader, StreamWriter
from nexus.protocols.sse import FrameDecoder
from nexus.wire import Json, decode

FIXTURES = Path(__file__).parents[2] / "fixtures" / "chat"

_UNARY: TypeAdapter[Json] = TypeAdapter(CompletionCreateParamsNonStreaming)
_STREAMED: TypeAdapter[Json] = TypeAdapter(CompletionCreateParamsStreaming)


def check_request(body: Mapping[str, Json]) -> None:
    """Against the SDK's create params; Iterables are validated as they are walked, unknown members fall away."""
    known = _walk((_STREAMED if body.get("stream") else _UNARY).validate_python(dict(body)))
    assert known == body, "members that the published types do not have"


def _walk(value: Json) -> Json:
    match value:
        case Mapping():
            return {name: _walk(entry) for name, entry in value.items()}
        case str():
            return value
        case Iterable():
            return [_walk(entry) for entry in value]
        case _:
            return value


def check_response(body: Mapping[str, Json]) -> ChatCompletion:
    return ChatCompletion.model_validate(body)


def check_chunks(written: bytes) -> list[ChatCompletionChunk]:
    frames = [frame.data for frame in FrameDecoder().feed(written) if frame.data is not None]
    return [ChatCompletionChunk.model_validate(decode(data)) for data in frames if data != "[DONE]"]


def events_of(pieces: Iterable[bytes]) -> list[Event]:
    """The events of a whole stream, each checked against the legal order."""
    reader, decoder, order = StreamReader(), FrameDecoder(), Order()
    events: list[Event] = []
    for piece in pieces:
        for frame in decoder.feed(piece):
            if frame.data is not None:
                events += reader.feed(frame.event, frame.data)
    events += reader.finish()
    for event in events:
        order.check(event)
    assert reader.complete
    return events


def chunkings(raw: bytes) -> Iterator[list[bytes]]:
    yield [raw]
    yield raw.splitlines(keepends=True)
    yield [raw[at : at + 1] for at in range(len(raw))]
    for seed in range(5):
        dice = random.Random(seed)
        cuts = sorted(dice.randrange(len(raw)) for _ in range(len(raw) // 20))
        yield [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]


def write_stream(events: Iterable[Event], *, include_usage: bool = True) -> bytes:
    writer = StreamWriter(model="m", response_id="r1", created=7, include_usage=include_usage)
    return b"".join(writer.write(event) for event in events)
