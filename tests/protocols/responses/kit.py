"""Shared by the responses tests: recorded answers, streams from events, and OpenAI's own types as the reference.

Nothing here knows what a test expects.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from openai.types.responses import Response as WireResponse
from openai.types.responses import ResponseStreamEvent
from openai.types.responses.input_token_count_params import InputTokenCountParams
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)

from nexus.conversation.events import Event, Order
from nexus.conversation.parts import NOTHING_ASKED, Request
from nexus.protocols.responses.read_stream import StreamReader
from nexus.protocols.responses.write_stream import StreamWriter
from nexus.protocols.sse import FrameDecoder
from tests.protocols.kit import Recorded, covers, envelope, events_from, origin, published, whole

RECORDED = Recorded("responses")


def check_request(body: Mapping[str, Any]) -> None:
    """The published type accepts the body and knows every member of it."""
    body = _with_ids(body)
    shape = ResponseCreateParamsStreaming if body.get("stream") else ResponseCreateParamsNonStreaming
    assert whole(published(shape).validate_python(dict(body))) == body


def _with_ids(body: Mapping[str, Any]) -> dict[str, Any]:
    """The type requires an id for reasoning, but the vendor does not (vercel/ai #12869): Nexus makes none up."""
    items = [{"id": "rs_1", **item} if item.get("type") == "reasoning" else item for item in body["input"]]
    return {**body, "input": items}


def check_count(body: Mapping[str, Any]) -> None:
    body = _with_ids(body)
    assert whole(published(InputTokenCountParams).validate_python(dict(body))) == body


def check_response(body: Mapping[str, Any]) -> None:
    assert covers(WireResponse.model_validate(body, strict=True).model_dump(by_alias=True), body)


def check_event(event: Mapping[str, Any]) -> None:
    assert covers(published(ResponseStreamEvent).validate_python(event, strict=True).model_dump(by_alias=True), event)


def writer(request: Request = NOTHING_ASKED) -> StreamWriter:
    return StreamWriter(envelope(request, id="resp_1", model="a/m"))


def written(events: Iterable[Event], request: Request = NOTHING_ASKED) -> bytes:
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


def told(events: Iterable[Event], request: Request = NOTHING_ASKED) -> list[dict[str, Any]]:
    """What a client reads; the SDK's types check every event."""
    documents = frames(written(events, request))
    assert [document["sequence_number"] for document in documents] == list(range(len(documents)))
    for document in documents:
        check_event(document)
    return documents


def replay(case: str) -> tuple[list[Event], StreamReader]:
    """The events of a recorded stream."""
    reader = StreamReader(origin())
    return events_from(RECORDED.stream(case), reader), reader
