"""Checks requests against botocore's service model of bedrock-runtime: names, types, enums, patterns, lengths, unions.

Applies the model that boto3 ships to the JSON as received; unlike boto3's own validation, also checks enums, patterns
and upper bounds. The vendor's ``warm_up``, or else the first check, imports botocore.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "blob": (str,),
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
}


@cache
def service() -> Any:
    import botocore.session  # type: ignore[import-untyped]

    return botocore.session.get_session().get_service_model("bedrock-runtime")


def shape_problems(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """Problems of ``value``, which must have ``shape``; ``path`` leads to it."""
    if getattr(shape, "is_document_type", False):
        return
    here = path or "body"
    kind = shape.type_name
    if not _is_a(kind, value):
        yield f"{here}: {type(value).__name__} where {kind} is due"
        return
    yield from _bounds(shape, value, here)
    match kind:
        case "structure":
            yield from _members(shape, value, path)
        case "list":
            for index, item in enumerate(value):
                yield from shape_problems(shape.member, item, f"{here}.{index}")
        case "map":
            for name, item in value.items():
                yield from shape_problems(shape.key, name, f"{here}.{name}")
                yield from shape_problems(shape.value, item, f"{here}.{name}")


def body_shape(operation: str) -> Any:
    return service().operation_model(operation).input_shape


def uri_problems(operation: str, model: str) -> Iterator[str]:
    """Problems with the model id in the path."""
    yield from shape_problems(body_shape(operation).members["modelId"], model, "modelId")


def _is_a(kind: str, value: Any) -> bool:
    return isinstance(value, JSON_TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _members(shape: Any, value: dict[str, Any], path: str) -> Iterator[str]:
    dot = f"{path}." if path else ""
    in_body = {name: member for name, member in shape.members.items() if "location" not in member.serialization}
    for name in value:
        if name not in in_body:
            yield f"{dot}{name}: no such member"
    for name in shape.required_members:
        if name in in_body and value.get(name) is None:
            yield f"{dot}{name}: is required"
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        yield f"{path or 'body'}: a union must have exactly one member, not {sorted(value)}"
    for name, member in in_body.items():
        if value.get(name) is not None:
            yield from shape_problems(member, value[name], f"{dot}{name}")


def _bounds(shape: Any, value: Any, here: str) -> Iterator[str]:
    enum, pattern = getattr(shape, "enum", None), shape.metadata.get("pattern")
    if enum and value not in enum:
        yield f"{here}: {value!r} is not one of {enum}"
    if pattern and isinstance(value, str) and not re.fullmatch(pattern, value):
        yield f"{here}: {value!r} does not satisfy {pattern}"
    size: float
    if shape.type_name == "blob":
        try:
            size = len(base64.b64decode(value, validate=True))
        except (binascii.Error, ValueError):
            yield f"{here}: not base64"
            return
    elif isinstance(value, str | list | dict):
        size = len(value)
    elif isinstance(value, bool):
        return
    else:
        size = value
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"{here}: {size} is less than {low}"
    if high is not None and size > high:
        yield f"{here}: {size} is more than {high}"
