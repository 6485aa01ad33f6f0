"""A vendor's complete answer, read into neutral form.

Text is kept; items without an equivalent are reported. Source: openai.types.responses.Response.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Response, StreamPart
from nexus.errors import ClientError, VendorError
from nexus.protocols.checks import Drops
from nexus.protocols.codec import AnswerOrigin, ReadResponse
from nexus.protocols.responses.read_error import read_stream_error
from nexus.protocols.responses.read_items import ItemsReader
from nexus.protocols.responses.read_parts import lost
from nexus.protocols.responses.stops import read_stop
from nexus.protocols.responses.tools import ToolsReader
from nexus.protocols.responses.usage import read_usage
from nexus.protocols.tool_calls import read_called
from nexus.wire import Json, mapping, sequence, text

IMAGE = "image_generation_call"
READ = frozenset({"message", "reasoning", "function_call", "custom_tool_call", IMAGE})
"""Items of an answer that have an equivalent; an image that was not created has none."""


def read_response(body: Mapping[str, Json], origin: AnswerOrigin) -> ReadResponse:
    if body.get("status") == "failed" or mapping(body.get("error")) or not is_answer(body):
        raise VendorError(read_stream_error(body))
    drops = Drops()
    items = [mapping(item) for item in sequence(body.get("output"))]
    drops.add(*(f"output.{text(item.get('type'))}" for item in items if not has_counterpart(item)))
    items = [item for item in items if has_counterpart(item)]
    drops.add(*lost(items))
    parts = read_output(items)
    stop = read_stop({**body, "status": text(body.get("status")) or "completed"})
    usage = read_usage(mapping(body.get("usage")), body.get("service_tier"), body.get("output"))
    return ReadResponse(Response(text(body.get("id")), text(body.get("model")), parts, stop, usage), drops.names)


def is_answer(body: Mapping[str, Json]) -> bool:
    """Whether a 200 contains an answer; a failed response is one too, and has the reason."""
    return isinstance(body.get("output"), list) or text(body.get("object")).startswith("response")


def has_counterpart(item: Mapping[str, Json]) -> bool:
    return text(item.get("type")) in READ and (item.get("type") != IMAGE or bool(text(item.get("result"))))


def read_output(items: list[Mapping[str, Json]]) -> tuple[StreamPart, ...]:
    """Raises ValueError for items that violate the dialect."""
    drops = Drops()
    reader = ItemsReader(drops, ToolsReader(drops))
    try:
        reader.read_answer([_named(item) for item in items])
    except ClientError as error:
        raise ValueError(error.message) from error
    return tuple(part for message in reader.finish() for part in message.parts if isinstance(part, StreamPart))


def _named(item: Mapping[str, Json]) -> Mapping[str, Json]:
    name = item.get("name")
    return {**item, "name": read_called(name)} if isinstance(name, str) else item
