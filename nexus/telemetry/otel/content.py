"""Requests and answers as the GenAI conventions define them; the text of prompts only with ``capture_content``.

Bounded, without known secrets and without file contents. What cannot be parsed, because it was truncated, is exported
as plain text. Source: gen-ai-input-messages.json and gen-ai-output-messages.json of the GenAI conventions v0.1.0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from nexus.conversation.events import Event, ResponseEnd, ResponseStart
from nexus.conversation.fold import fold
from nexus.conversation.parts import (
    NOTHING_ASKED,
    Audio,
    Document,
    Image,
    Link,
    Message,
    Part,
    Reasoning,
    Refusal,
    Request,
    Response,
    Stop,
    Text,
    ToolCall,
    ToolResult,
)
from nexus.errors import NexusError
from nexus.headers.tracing import Content
from nexus.protocols import loader
from nexus.protocols.codec import AnswerOrigin
from nexus.protocols.sse import FrameDecoder
from nexus.wire import Json, decode, mapping

ROOM = 64 * 1024
"""Maximum bytes of a request, and of its answer."""

_UNREADABLE = (NexusError, ValueError, TypeError, KeyError, LookupError)

Entry = dict[str, Json]


def content_attributes(protocol: str, content: Content, cut: Callable[[str], str]) -> dict[str, str]:
    """Attributes by name; ``cut`` removes secrets from a text."""
    request = _request(protocol, content.request)
    found: dict[str, list[Entry]] = {
        "gen_ai.input.messages": [_message(message) for message in request.messages]
        if request is not None
        else [_plain("user", content.request)],
        "gen_ai.output.messages": _answer(protocol, bytes(content.answer), request or NOTHING_ASKED),
    }
    if request is not None and request.system:
        found["gen_ai.system_instructions"] = [_part(text) for text in request.system]
    return {name: cut(json.dumps(value, ensure_ascii=False)) for name, value in found.items() if value}


def _request(protocol: str, body: bytes) -> Request | None:
    try:
        return loader.client(protocol).read(mapping(decode(body))).request
    except _UNREADABLE:
        return None


def _answer(protocol: str, body: bytes, request: Request) -> list[Entry]:
    if not body:
        return []
    try:
        parts, reason = _read(protocol, body, request)
    except _UNREADABLE:
        return [_plain("assistant", body)]
    if not parts:
        return [_plain("assistant", body)]
    output: Entry = {"role": "assistant", "parts": [_part(part) for part in parts]}
    return [{**output, "finish_reason": reason} if reason else output]


def _read(protocol: str, body: bytes, request: Request) -> tuple[list[Part], str]:
    vendor, origin = loader.vendor(protocol), AnswerOrigin(request, "", "", lambda: "")
    if body.lstrip().startswith(b"{"):
        return _parts_and_stop(fold(vendor.stream_reader(origin).read_whole(mapping(decode(body)))))
    # A stream that was truncated has no end, and may have lost its start.
    reader, events = vendor.stream_reader(origin), list[Event]([ResponseStart("", "")])
    if body.lstrip().startswith(b"["):
        events += reader.feed(None, body.decode())
    for frame in FrameDecoder().feed(body):
        events += reader.feed(frame.event, frame.data) if frame.data else ()
    if any(isinstance(event, ResponseEnd) for event in events):
        return _parts_and_stop(fold(events))
    return list(fold([*events, ResponseEnd(Stop("end"))]).parts), ""


def _parts_and_stop(response: Response) -> tuple[list[Part], str]:
    return list(response.parts), response.stop.raw or response.stop.reason


def _message(message: Message) -> Entry:
    return {"role": message.role, "parts": [_part(part) for part in message.parts]}


def _part(part: Part) -> Entry:
    match part:
        case Text(text=text) | Refusal(text=text):
            return {"type": "text", "content": text}
        case Reasoning(text=text):
            return {"type": "reasoning", "content": text}
        case ToolCall():
            return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": _arguments(part.arguments)}
        case ToolResult():
            return {
                "type": "tool_call_response",
                "id": part.call_id,
                "response": [_part(inner) for inner in part.parts],
            }
        case Image(source=source) | Audio(source=source) | Document(source=source):
            kind = "document" if isinstance(part, Document) else "audio" if isinstance(part, Audio) else "image"
            if isinstance(source, Text):
                return {"type": "text", "content": source.text}
            if isinstance(source, Link):
                # A link may itself be a secret: export only that there is one.
                return {"type": "uri", "modality": kind}
            return {"type": "blob", "modality": kind, "mime_type": source.media_type}


def _arguments(text: str) -> Json:
    try:
        return decode(text.encode()) if text else {}
    except ValueError:
        return text


def _plain(role: str, body: bytes) -> Entry:
    return {"role": role, "parts": [{"type": "text", "content": body.decode("utf-8", "replace")}]}


Value = str | int | float

_TEXT = 64

_CONFIG = "generationConfig"

_FIELDS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "gen_ai.request.max_tokens": (
        ("max_completion_tokens",),
        ("max_tokens",),
        ("max_output_tokens",),
        (_CONFIG, "maxOutputTokens"),
        ("inferenceConfig", "maxTokens"),
    ),
    "gen_ai.request.temperature": (("temperature",), (_CONFIG, "temperature"), ("inferenceConfig", "temperature")),
    "gen_ai.request.top_p": (("top_p",), (_CONFIG, "topP"), ("inferenceConfig", "topP")),
    "gen_ai.request.top_k": (("top_k",), (_CONFIG, "topK")),
    "gen_ai.request.seed": (("seed",), (_CONFIG, "seed")),
    "gen_ai.request.frequency_penalty": (("frequency_penalty",), (_CONFIG, "frequencyPenalty")),
    "gen_ai.request.presence_penalty": (("presence_penalty",), (_CONFIG, "presencePenalty")),
}

_LEVEL: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "gen_ai.request.reasoning.level": (
        ("reasoning_effort",),
        ("reasoning", "effort"),
        ("output_config", "effort"),
        (_CONFIG, "thinkingConfig", "thinkingLevel"),
    )
}


def request_attributes(document: Mapping[str, Json]) -> dict[str, Value]:
    """A request's attributes by name; values of a wrong type are omitted."""
    numbers = {name: value for name, value in _found(document, _FIELDS) if isinstance(value, int | float)}
    words = {name: value for name, value in _found(document, _LEVEL) if isinstance(value, str) and len(value) <= _TEXT}
    return {name: value for name, value in numbers.items() if not isinstance(value, bool)} | words


def _found(
    document: Mapping[str, Json], fields: Mapping[str, tuple[tuple[str, ...], ...]]
) -> Iterator[tuple[str, Json]]:
    """Each attribute with the first of its fields that the document has."""
    for name, paths in fields.items():
        values = (_at(document, path) for path in paths)
        if (value := next((one for one in values if one is not None), None)) is not None:
            yield name, value


def _at(document: Mapping[str, Json], path: tuple[str, ...]) -> Json:
    value: Json = dict(document)
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
