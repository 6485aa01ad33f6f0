"""Helpers for the chat dialect's tests: the SDK's published types as validators, and a replayer of streams."""

from collections.abc import Iterable, Mapping

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)

from nexus.conversation.events import Event
from nexus.protocols.chat.read_stream import StreamReader
from nexus.protocols.chat.write_stream import StreamWriter
from nexus.protocols.sse import FrameDecoder
from nexus.wire import Json, decode
from tests.protocols.kit import Recorded, envelope, events_from, origin, published, whole

RECORDED = Recorded("chat")


def check_request(body: Mapping[str, Json]) -> None:
    """Validates the body against the SDK's create params; unknown members are skipped."""
    shape = CompletionCreateParamsStreaming if body.get("stream") else CompletionCreateParamsNonStreaming
    known = whole(published(shape).validate_python(dict(body)))
    assert known == body, "members that the published types do not have"


def check_response(body: Mapping[str, Json]) -> ChatCompletion:
    return ChatCompletion.model_validate(body)


def check_chunks(written: bytes) -> list[ChatCompletionChunk]:
    frames = [frame.data for frame in FrameDecoder().feed(written) if frame.data is not None]
    return [ChatCompletionChunk.model_validate(decode(data)) for data in frames if data != "[DONE]"]


def events_of(raw: bytes) -> list[Event]:
    """The events of a whole stream, each checked against the legal order."""
    reader = StreamReader(origin())
    events = events_from(raw, reader)
    assert reader.complete
    return events


def write_stream(events: Iterable[Event], *, include_usage: bool = True) -> bytes:
    writer = StreamWriter(envelope(usage=include_usage))
    return b"".join(writer.write(event) for event in events)
