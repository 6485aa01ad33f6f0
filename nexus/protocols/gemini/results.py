"""Tool results as the JSON objects that Gemini requires.

An object stays an object if the vendor preserves every value: its Struct stores numbers as doubles and gives ``output``
and ``error`` a meaning, so results with larger integers are sent as text, and results with such keys inside ``output``.
Every ``$ref`` in a response is looked up among the ``displayName``s of its parts (googleapis/python-genai 2792,
vercel/ai 14369), so a result that contains one is sent as text. Source: google.genai.types.FunctionResponse,
google.protobuf.Struct.
"""

from __future__ import annotations

from nexus.conversation.parts import Audio, Document, Image, Link, Text, ToolResult
from nexus.models.gemini import Gemini
from nexus.protocols.gemini.media import as_bytes, media_parts
from nexus.wire import Json, decode

_INSIDE = frozenset({"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"})
"""Media types that functionResponse.parts accepts on every model that has it."""

_EXACT = 2**53


def write_response(result: ToolResult) -> dict[str, Json]:
    """``functionResponse.response``."""
    words = "\n".join(part.text for part in result.parts if isinstance(part, Text))
    value = _object(words)
    if result.is_error:
        return {"error": words if value is None else value}
    if value is None:
        return {"output": words}
    return {"output": value} if {"output", "error"} & value.keys() else value


def result_media(result: ToolResult, gemini: Gemini, path: str) -> tuple[list[Json], list[Json]]:
    """The media of a result: parts of the function response itself, and parts that must follow it."""
    inside: list[Json] = []
    beside: list[Json] = []
    for index, part in enumerate(result.parts):
        if isinstance(part, Text):
            continue
        fits = _fits(part) if gemini.media_in_results else None
        if fits is not None:
            inside.append(fits)
        else:
            beside += media_parts(part, gemini, f"{path}.content.{index}")
    return inside, beside


def _fits(part: Image | Document | Audio) -> Json:
    if isinstance(part.source, Link) or (source := as_bytes(part.source)).media_type not in _INSIDE:
        return None
    if isinstance(part, Document) and (part.title or part.context):
        return None
    return {"inlineData": {"mimeType": source.media_type, "data": source.data}}


def _object(words: str) -> dict[str, Json] | None:
    if not words.lstrip().startswith("{"):
        return None
    try:
        value = decode(words)
    except ValueError:
        return None
    return value if isinstance(value, dict) and _exact(value) and not _refers(value) else None


def _refers(value: Json) -> bool:
    match value:
        case dict():
            return "$ref" in value or any(_refers(item) for item in value.values())
        case list():
            return any(_refers(item) for item in value)
        case _:
            return False


def _exact(value: Json) -> bool:
    match value:
        case bool() | str() | float() | None:
            return True
        case int():
            return -_EXACT <= value <= _EXACT
        case dict():
            return all(_exact(item) for item in value.values())
        case _:
            return all(_exact(item) for item in value)
