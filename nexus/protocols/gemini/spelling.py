"""Member names as clients of the Gemini API may spell them, in camelCase.

Google's parser also accepts each name in snake_case, and its own samples use both. Names chosen by the client
(arguments, results, JSON Schemas, properties) stay unchanged. Source: the JSON mapping of protocol buffers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nexus.late import pattern
from nexus.wire import Json

_FREE: Final = frozenset(
    {"args", "response", "parametersJsonSchema", "responseJsonSchema", "labels", "partMetadata", "default", "example"}
)
_NAMED: Final = frozenset({"properties", "defs", "$defs"})
"""Maps, whose keys are names and whose values are schemas."""

_SNAKE = pattern(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
_JOINT = pattern(r"_([a-z0-9])")


def camel_name(name: str) -> str:
    if "_" not in name or not _SNAKE.fullmatch(name):
        return name
    return _JOINT.sub(lambda found: found[1].upper(), name)


def camel(value: Json) -> Json:
    match value:
        case dict():
            return {(own := camel_name(name)): _inside(own, inner) for name, inner in value.items()}
        case list():
            return [camel(inner) for inner in value]
        case _:
            return value


def shallow_camel(value: Mapping[str, Json]) -> dict[str, Json]:
    """Converts the names of the object itself, and none inside it."""
    return {camel_name(name): inner for name, inner in value.items()}


def _inside(name: str, value: Json) -> Json:
    if name in _FREE:
        return value
    if name in _NAMED and isinstance(value, dict):
        return {own: camel(inner) for own, inner in value.items()}
    return camel(value)
