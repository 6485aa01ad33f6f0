"""The published types as the reference for everything that is sent to a client: names, values and nothing else.

Strict. A member that a type does not know is a failure unless ``EXTRA_FIELDS`` lists its exact place.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

import anthropic.types.shared
import openai.types.shared
from anthropic.types import Message, RawMessageStreamEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel

from nexus.wire import decode, encode
from tests.protocols.kit import published
from tools.docs.extra_fields import EXTRA_FIELDS

from .kit import frames

WHOLE: Mapping[str, Any] = {"chat": ChatCompletion, "messages": Message, "responses": Response}
EVENT: Mapping[str, Any] = {
    "chat": ChatCompletionChunk,
    "messages": RawMessageStreamEvent,
    "responses": ResponseStreamEvent,
}

Kind = Literal["invalid_request_error", "permission_error", "rate_limit_error", "insufficient_quota", "server_error"]
OPENAI_KINDS = frozenset(get_args(Kind))
"""OpenAI's type accepts any string; these are the values in its error guide."""

_PLACES = {client: {place for field in fields for place in field.places} for client, fields in EXTRA_FIELDS.items()}


def judge_whole(client: str, answer: Mapping[str, Any]) -> None:
    _judge(client, WHOLE[client], answer)


def judge_stream(client: str, written: bytes) -> None:
    """Checks every event, and errors among them against the type of errors."""
    for name, data in frames(written):
        if data != "[DONE]":
            judge_event(client, name, decode(data))


def judge_event(client: str, name: str | None, event: Mapping[str, Any]) -> None:
    match client:
        case "chat" if "error" in event:
            judge_error(client, event)
        case "messages" if name == "error":
            judge_error(client, event)
        case "messages" if name == "ping":
            assert event == {"type": "ping"}
        case "chat":
            _judge(client, EVENT[client], _without_custom(event))
        case _:
            _judge(client, EVENT[client], event)


def _without_custom(chunk: Mapping[str, Any]) -> dict[str, Any]:
    """A call of a custom tool as a function call, the only kind that the type of chunks has."""
    told: dict[str, Any] = decode(encode(chunk))
    for choice in told["choices"]:
        for call in choice["delta"].get("tool_calls", ()):
            if call.get("type") == "custom":
                call["type"] = "function"
    return told


def judge_error(client: str, body: Mapping[str, Any]) -> None:
    if client == "messages":
        # Anthropic's page of errors lists 413, and Claude Code looks for its type, but the published types lack it.
        body = _renamed(body) if body["error"]["type"] == "request_too_large" else body
        _judge(client, anthropic.types.shared.ErrorResponse, body)
        return
    assert list(body) == ["error"] and body["error"]["type"] in OPENAI_KINDS
    _judge(client, openai.types.shared.ErrorObject, body["error"])


def _renamed(body: Mapping[str, Any]) -> dict[str, Any]:
    return {**body, "error": {**body["error"], "type": "invalid_request_error"}}


def _judge(client: str, shape: Any, value: Mapping[str, Any]) -> None:
    found = published(shape).validate_python(value, strict=True)
    unknown = set(_beyond(found, "")) - _PLACES[client]
    assert not unknown, unknown


def _beyond(found: Any, place: str) -> Iterator[str]:
    """The places of members that the types do not know."""
    match found:
        case BaseModel():
            for name in found.model_extra or {}:
                yield f"{place}.{name}".lstrip(".")
            for name in found.model_fields_set & type(found).model_fields.keys():
                alias = type(found).model_fields[name].alias or name
                yield from _beyond(getattr(found, name), f"{place}.{alias}".lstrip("."))
        case list():
            for entry in found:
                yield from _beyond(entry, f"{place}[]")
        case _:
            pass
