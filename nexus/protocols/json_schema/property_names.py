"""Replaces names of properties in a JSON Schema everywhere: in the schema, and in values that follow it.

Restoring is exact to the byte: it changes only keys of the JSON text, complete or truncated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from nexus.protocols.json_schema.walk import Schema, nodes, rebuilt
from nexus.wire import Json, encode, mapping, sequence

Forms = Mapping[str, str]
"""Name -> its replacement, for renamed ones."""

_LISTS = ("required", "propertyOrdering")
_VALUES = ("const", "default", "enum", "example", "examples")
_BY_NAME = ("dependencies", "dependentRequired", "dependentSchemas", "properties")
_NAMING = frozenset({*_LISTS, *_BY_NAME})


def keys_of(schema: Json) -> Iterator[str]:
    for here in nodes(schema):
        if _NAMING.isdisjoint(here):
            continue
        for keyword in _BY_NAME:
            yield from mapping(here.get(keyword))
        for keyword in _LISTS:
            yield from (name for name in sequence(here.get(keyword)) if isinstance(name, str))


def renamed_schema(schema: Schema, forms: Forms) -> dict[str, Json]:
    """``schema`` must have everything that it refers to in ``$defs`` (refs.hoisted)."""
    copy = rebuilt(schema, lambda one, path: renamed_schema(one, forms) if isinstance(one, dict) else one)
    for keyword in _BY_NAME:
        if isinstance(copy.get(keyword), Mapping):
            copy[keyword] = {forms.get(name, name): _names(value, forms) for name, value in copy[keyword].items()}
    for keyword in _LISTS:
        if keyword in copy:
            copy[keyword] = _names(copy[keyword], forms)
    for keyword in _VALUES:
        if keyword in copy:
            copy[keyword] = renamed_value(copy[keyword], forms)
    return copy


def _names(value: Json, forms: Forms) -> Json:
    if not isinstance(value, list):
        return value
    return [forms.get(name, name) if isinstance(name, str) else name for name in value]


def renamed_value(value: Json, forms: Forms) -> Json:
    match value:
        case dict():
            return {forms.get(name, name): renamed_value(inside, forms) for name, inside in value.items()}
        case list():
            return [renamed_value(inside, forms) for inside in value]
        case _:
            return value


def renamed_text(words: str, forms: Forms) -> str:
    """Renames keys of the objects in JSON text, which may be truncated. The replaced names consist of plain letters."""
    names = "|".join(map(re.escape, forms))
    # Inside a string the closing quotation mark would be escaped, so only keys match.
    return re.sub(rf'(?<!\\)"({names})"(?=\s*:)', lambda found: encode(forms[found[1]]).decode(), words)
