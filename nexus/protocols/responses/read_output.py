"""The items of a vendor's answer, complete ones, read into neutral parts. Source: openai.types.responses.Response."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import StreamPart
from nexus.errors import ClientError
from nexus.protocols.checks import Drops
from nexus.protocols.responses.read_items import ItemsReader
from nexus.protocols.responses.tools import ToolsReader
from nexus.protocols.tool_calls import read_called
from nexus.wire import Json, text

IMAGE = "image_generation_call"
READ = frozenset({"message", "reasoning", "function_call", "custom_tool_call", IMAGE})
"""Items of an answer that have an equivalent; an image that was not created has none."""


def has_counterpart(item: Mapping[str, Json]) -> bool:
    return text(item.get("type")) in READ and (item.get("type") != IMAGE or bool(text(item.get("result"))))


def read_output(item: Mapping[str, Json]) -> tuple[StreamPart, ...]:
    """Raises ValueError for an item that violates the dialect."""
    drops = Drops()
    reader = ItemsReader(drops, ToolsReader(drops))
    try:
        reader.read_answer([_named(item)])
    except ClientError as error:
        raise ValueError(error.message) from error
    return tuple(part for message in reader.finish() for part in message.parts if isinstance(part, StreamPart))


def _named(item: Mapping[str, Json]) -> Mapping[str, Json]:
    name = item.get("name")
    return {**item, "name": read_called(name)} if isinstance(name, str) else item
