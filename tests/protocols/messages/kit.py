"""Shared by the messages tests: recorded answers, and Anthropic's own types as the reference.

Nothing here knows what a test expects.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from anthropic._models import construct_type
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message as WireMessage
from anthropic.types import RawMessageStreamEvent
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming

from nexus.conversation.events import Event
from nexus.protocols.messages.read_stream import StreamReader
from nexus.protocols.sse import FrameDecoder
from tests.protocols.kit import Recorded, covers, events_from, origin, published, whole

RECORDED = Recorded("messages")

_OLD_KNOBS = {"temperature", "top_p", "top_k"}
"""Fields that the API accepts for older models, although the newest SDK lacks them."""


def check_request(body: Mapping[str, Any]) -> None:
    """The published type accepts the body and knows every member of it."""
    known = {name: value for name, value in body.items() if name not in _OLD_KNOBS}
    shape = MessageCreateParamsStreaming if body.get("stream") else MessageCreateParamsNonStreaming
    assert whole(published(shape).validate_python(known)) == known


def check_count(body: Mapping[str, Any]) -> None:
    assert whole(published(MessageCountTokensParams).validate_python(dict(body))) == body


def check_message(body: Mapping[str, Any]) -> None:
    assert covers(WireMessage.model_validate(body, strict=True).model_dump(), body)


def check_event(name: str | None, data: Mapping[str, Any]) -> None:
    assert name == data["type"]
    if name != "ping":
        assert covers(published(RawMessageStreamEvent).validate_python(data, strict=True).model_dump(), data)


def replay(case: str) -> tuple[list[Event], StreamReader]:
    """The events of a recorded stream."""
    reader = StreamReader(origin())
    return events_from(RECORDED.stream(case), reader), reader


def frames(raw: bytes) -> list[tuple[str | None, dict[str, Any]]]:
    decoder = FrameDecoder()
    decoded = decoder.feed(raw)
    assert decoder.rest == b""
    return [(frame.event, json.loads(frame.data or "")) for frame in decoded]


def accumulated(told: Iterable[tuple[str | None, Any]]) -> WireMessage:
    """The message of a stream, added up by Anthropic's SDK."""
    snapshot: Any = None
    pieces: dict[int, bytes] = {}
    for name, data in told:
        if name not in ("ping", "error"):
            event: Any = construct_type(type_=RawMessageStreamEvent, value=data)
            snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=pieces)
    return snapshot  # type: ignore[no-any-return]
