"""``allOf`` merged into the schema that has it, for vendors without this keyword."""

from __future__ import annotations

from collections.abc import Callable

from nexus.protocols.json_schema.refs import definition
from nexus.protocols.json_schema.walk import ANNOTATIONS, Schema
from nexus.wire import Json, mapping, sequence


class Conflict(Exception):
    """The schemas have values of one keyword that a single schema cannot express; the text is the keyword."""


def without_all_of(schema: Schema, root: Schema, count: Callable[[], None]) -> dict[str, Json]:
    """One schema for all; references of the branches are resolved in ``root``.

    ``count`` is called at every step and must eventually raise: nested merges double at every step, and references may
    be circular. Raises Conflict.
    """
    merged: dict[str, Json] = {name: value for name, value in schema.items() if name != "allOf"}
    for branch in map(mapping, sequence(schema.get("allOf"))):
        count()
        for name, value in _resolved(branch, root, count).items():
            _add(merged, name, value)
    return merged


def _resolved(branch: Schema, root: Schema, count: Callable[[], None]) -> Schema:
    while "$ref" in branch:
        count()
        beside = {name: value for name, value in branch.items() if name != "$ref"}
        target = definition(root, str(branch["$ref"]))
        if not isinstance(target, dict):
            raise Conflict("$ref")
        branch = {**target, **beside}
    return without_all_of(branch, root, count) if "allOf" in branch else branch


def _add(merged: dict[str, Json], name: str, value: Json) -> None:
    known = merged.get(name, value)
    if known == value or name in ANNOTATIONS:
        merged[name] = known
    elif name == "required":
        merged[name] = list(dict.fromkeys([*sequence(known), *sequence(value)]))
    elif name == "properties" and all(mapping(known).get(one, schema) == schema for one, schema in value.items()):
        merged[name] = {**mapping(known), **mapping(value)}
    elif name != "additionalProperties":
        raise Conflict(name)
