"""Where a JSON Schema contains schemas: the only walk over them. Source: JSON Schema 2020-12, and the same in older
drafts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from nexus.wire import Json, sequence

Schema = Mapping[str, Json]

_ONE: Final = frozenset(
    {"items", "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "not"}
    | {"propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"}
)
_MANY: Final = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_NAMED: Final = frozenset(
    {"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"}
)

_HOLDERS: Final = _ONE | _MANY | _NAMED

ANNOTATIONS: Final = frozenset(
    {"$anchor", "$comment", "$id", "$schema", "default", "deprecated", "description", "example", "examples"}
    | {"propertyOrdering", "readOnly", "title", "writeOnly"}
)
"""Keywords that restrict no value: dropping them is not a loss."""

SILENT: Final = frozenset({"$anchor", "$comment", "$id", "$schema"})
"""Keywords without information for a model."""


def inner(schema: Schema) -> Iterator[tuple[str, Json]]:
    """The direct subschemas, each with its keyword."""
    for keyword, value in schema.items():
        if keyword not in _HOLDERS:
            continue
        if keyword in _NAMED and isinstance(value, dict):
            yield from ((keyword, one) for one in value.values() if is_schema(one))
        elif keyword in _MANY and isinstance(value, list):
            yield from ((keyword, one) for one in value)
        elif keyword in _ONE and is_schema(value):
            yield keyword, value


def nodes(schema: Json) -> Iterator[Schema]:
    """The schema and every one inside it, except true and false."""
    waiting = [schema]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            yield here
            if not _HOLDERS.isdisjoint(here):
                waiting += [one for _, one in inner(here)]


def rebuilt(schema: Schema, change: Callable[[Json, str], Json]) -> dict[str, Json]:
    """A copy in which every direct subschema is replaced by the result of ``change`` for it and its relative path;
    anything else stays unchanged."""
    copy: dict[str, Json] = dict(schema)
    for keyword, value in schema.items():
        if keyword not in _HOLDERS:
            continue
        if keyword in _NAMED and isinstance(value, dict):
            copy[keyword] = {name: change(one, f"{keyword}.{name}") for name, one in value.items()}
        elif keyword in _MANY and isinstance(value, list):
            copy[keyword] = [change(one, f"{keyword}.{at}") for at, one in enumerate(value)]
        elif keyword in _ONE:
            copy[keyword] = change(value, keyword)
    return copy


def required_of(schema: Schema) -> list[str]:
    return [name for name in sequence(schema.get("required")) if isinstance(name, str)]


def with_required(schema: Json) -> Json:
    """The schema with ``required`` in every object, allowing the same values as before."""
    if not isinstance(schema, dict):
        return schema
    copy = rebuilt(schema, lambda one, _: with_required(one))
    return {**copy, "required": list[Json](required_of(schema))} if "object" in types_of(schema) else copy


def is_schema(value: Json) -> bool:
    return isinstance(value, (dict, bool))


def types_of(schema: Schema) -> tuple[str, ...]:
    """The types that a schema names; none if it does not restrict them."""
    named = schema.get("type")
    if isinstance(named, str):
        return (named,)
    return tuple(one for one in named if isinstance(one, str)) if isinstance(named, list) else ()
