"""Google's ``Schema`` (a subset of OpenAPI's) -> JSON Schema.

Types in capital letters become those of JSON Schema, ``nullable`` becomes the type "null", and numbers in strings
become numbers. What is JSON Schema already stays. The other way is openapi_schema.py. Source:
ai.google.dev/api/caching#Schema; google.genai.types.Schema.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols.checks import an_array, an_object, is_whole
from nexus.wire import Json, mapping, sequence

Schema = Mapping[str, Json]

_COUNTS = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})
_RENAMED = {"ref": "$ref", "defs": "$defs"}
_GONE = frozenset({"nullable", "propertyOrdering", "example"})
_MAPS = frozenset({"properties", "$defs", "definitions", "patternProperties"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_ONES = frozenset({"items", "additionalProperties", "not"})


def read_schema(schema: Schema, path: str) -> dict[str, Json]:
    written: dict[str, Json] = {}
    for given, value in schema.items():
        name = _RENAMED.get(given, given)
        if name not in _GONE and value is not None:
            written[name] = _member(name, value, f"{path}.{given}")
    if "example" in schema and "examples" not in written:
        written["examples"] = [schema["example"]]
    if isinstance(kind := written.get("type"), str):
        _write_type(written, kind)
    if schema.get("nullable") is True:
        _allow_null(written)
    if order := [name for name in sequence(schema.get("propertyOrdering")) if isinstance(name, str)]:
        _order(written, order)
    return written


def _member(name: str, value: Json, path: str) -> Json:
    if name in _MAPS:
        held = an_object(value, path)
        return {own: _inner(inner, f"{path}.{own}") for own, inner in held.items()}
    if name in _LISTS:
        return [_inner(inner, f"{path}.{at}") for at, inner in enumerate(an_array(value, path))]
    if name in _ONES:
        return _inner(value, path)
    if name in _COUNTS and isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        return int(value)
    return value


def _inner(value: Json, path: str) -> Json:
    return value if isinstance(value, bool) else read_schema(an_object(value, path), path)


def _write_type(written: dict[str, Json], kind: str) -> None:
    if kind == "TYPE_UNSPECIFIED":
        del written["type"]
        return
    written["type"] = kind = kind.lower() if kind.isupper() else kind
    if written.get("format") == "enum":
        del written["format"]
    values = written.get("enum")
    if kind == "integer" and isinstance(values, list):
        written["enum"] = [int(one) if is_whole(one) else one for one in values]


def _allow_null(written: dict[str, Json]) -> None:
    if isinstance(values := written.get("enum"), list) and None not in values:
        written["enum"] = [*values, None]
    if isinstance(kind := written.get("type"), str) and kind != "null":
        written["type"] = [kind, "null"]
    branches = written.get("anyOf")
    if "type" not in written and isinstance(branches, list):
        nulls = [branch for branch in branches if mapping(branch).get("type") == "null"]
        written["anyOf"] = branches if nulls else [*branches, {"type": "null"}]


def _order(written: dict[str, Json], order: list[str]) -> None:
    """A model answers in the order in which properties are written."""
    properties = written.get("properties")
    if isinstance(properties, dict):
        first = {name: properties[name] for name in order if name in properties}
        written["properties"] = {**first, **properties}
