"""Validates a request body against the SDKs' published request types.

pydantic reads the SDKs' types, and this module tightens them: every TypedDict that is not declared open rejects unknown
keys, lazy iterables are checked item by item, nothing is coerced, a model's fields have only their JSON names, and an
enum has only its published values.
"""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import ErrorDetails, SchemaValidator, ValidationError

MOST_PROBLEMS = 5
# Keys that discriminate the vendors' unions.
TAGS = ("type", "role")
# google-genai's validators that only warn, about values that are rejected here anyway.
WARNERS = ("_check_field_type_mismatches",)
SCALARS = ("str", "int", "float", "bool", "bytes", "none")

_validators: dict[str, SchemaValidator] = {}
_building = threading.Lock()


def validator(type_name: str) -> SchemaValidator:
    """The strict validator for a type: ``package.module:Type``, or with ``[]`` for a list of it.

    Building one takes up to a second, so it is cached.
    """
    with _building:
        if type_name not in _validators:
            module, _, name = type_name.removesuffix("[]").partition(":")
            published: Any = getattr(import_module(module), name)
            schema = TypeAdapter(list[published] if type_name.endswith("[]") else published).core_schema
            # A class that was used elsewhere has a prebuilt validator, which is not tightened.
            _validators[type_name] = SchemaValidator(_tighten(schema), _use_prebuilt=False)
        return _validators[type_name]


def problems(type_name: str, body: bytes, *, allow: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Problems of ``body``, most specific first; the top-level keys ``allow`` are not checked."""
    try:
        validator(type_name).validate_json(body, strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return _readable([item for item in found if item["loc"] not in {(name,) for name in allow}])
    return ()


def _tighten(schema: Any) -> Any:
    if isinstance(schema, list | tuple):
        return type(schema)(_tighten(item) for item in schema)
    if not isinstance(schema, dict):
        return schema
    new = {key: value if key in ("metadata", "serialization") else _tighten(value) for key, value in schema.items()}
    match new.get("type"):
        case "function-before" if new["function"]["function"].__name__ in WARNERS:
            return new["schema"]
        case "generator":
            new["type"] = "list"
        case "model":
            new["config"] = new.get("config", {}) | {"validate_by_alias": True, "validate_by_name": False}
            # A custom constructor would validate with the original class, which is not tightened.
            new["custom_init"] = False
        case "enum":
            values = [member.value for member in new["members"]]
            return {"type": "literal", "expected": values} | ({"ref": new["ref"]} if "ref" in new else {})
        case "typed-dict" if not _is_open(new):
            new["extra_behavior"] = "forbid"
        case "model-fields" if not _is_open(new):
            # Response objects are allowed inside requests, but must not let unknown keys through.
            new["extra_behavior"] = "forbid"
    return new


def _is_open(schema: dict[str, Any]) -> bool:
    declared = schema.get("extra_behavior") or schema.get("config", {}).get("extra_fields_behavior")
    return declared == "allow" or "extras_schema" in schema


def _readable(errors: list[ErrorDetails]) -> tuple[str, ...]:
    """The errors as text; of a union, for which pydantic reports every member, only those of the intended member."""
    wrong = {error["loc"][:-1] for error in errors if _is_tag(error)}
    meant = [error for error in errors if not any(error["loc"][:n] in wrong for n in range(len(error["loc"]) + 1))]
    places = {_place(error["loc"]) for error in meant}
    for error in errors:
        parent = _place(error["loc"])[:-1]
        if _is_tag(error) and not any(place[: len(parent)] == parent for place in places):
            meant.append(error)
    order = {"extra_forbidden": 0, "missing": 1}
    meant.sort(key=lambda error: (order.get(error["type"], 2), -len(_place(error["loc"]))))
    lines = dict.fromkeys(f"{'.'.join(map(str, _place(error['loc'])))}: {error['msg']}" for error in meant)
    return tuple(lines)[:MOST_PROBLEMS]


def _is_tag(error: ErrorDetails) -> bool:
    return error["type"] in ("literal_error", "missing") and bool(error["loc"]) and error["loc"][-1] in TAGS


def _place(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The path in the document, which is ``loc`` without the names of union members."""
    return tuple(
        part
        for part in loc
        if isinstance(part, int) or not (part in SCALARS or "[" in part or part[:1].isupper() or "-" in part)
    )
