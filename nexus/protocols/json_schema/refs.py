"""References of a JSON Schema, all of them to ``#/$defs/NAME`` of the root; and ``allOf``.

Equal in meaning to what the client wrote, so that a schema can be taken apart afterwards without breaking a
pointer into it. A reference that does not exist in the schema stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import unquote

from nexus.errors import UnsupportedFeature
from nexus.protocols.json_schema.walk import ANNOTATIONS, Schema, nodes, rebuilt
from nexus.wire import Json, encode, item_at, mapping, sequence

DEFS = "#/$defs/"


def hoisted(schema: Schema) -> dict[str, Json]:
    """``schema`` with what it refers to in its ``$defs``; itself where it refers to nothing else."""
    wanted = {reference for reference in references(schema) if _needs_hoisting(reference, schema)}
    return _Hoist(schema).write() if wanted else dict(schema)


def references(schema: Json) -> Iterator[str]:
    """Every ``$ref`` inside, wherever it leads."""
    return (here["$ref"] for here in nodes(schema) if isinstance(here.get("$ref"), str))


def definition(root: Schema, reference: str) -> Json:
    """The schema that ``#/$defs/NAME`` refers to; None if there is none."""
    if not reference.startswith(DEFS):
        return None
    return mapping(root.get("$defs")).get(_step(reference.removeprefix(DEFS)))


def _needs_hoisting(reference: str, root: Schema) -> bool:
    return definition(root, reference) is None and resolved(root, reference) is not None


def _step(step: str) -> str:
    return unquote(step).replace("~1", "/").replace("~0", "~")


def resolved(root: Json, reference: str) -> Json:
    """The schema that a pointer from the root leads to; None if it leads to none."""
    if not reference.startswith("#"):
        return None
    pointer = reference[1:].strip("/")
    node: Json = root
    for step in map(_step, pointer.split("/") if pointer else ()):
        if (item := item_at(sequence(node), step)) is not None:
            node = item
        elif isinstance(node, dict) and step in node:
            node = node[step]
        else:
            return None
    return node if isinstance(node, (dict, bool)) else None


class _Hoist:
    def __init__(self, root: Schema) -> None:
        self._root = root
        self._names: dict[str, str] = {}
        self._defs: dict[str, Json] = {}
        self._taken = set(mapping(root.get("$defs")))

    def write(self) -> dict[str, Json]:
        whole = self._rewritten(self._root)
        own = mapping(whole.get("$defs"))
        # Definitions are kept only under their new names.
        rest = {name: value for name, value in whole.items() if name not in ("$defs", "definitions")}
        return rest | {"$defs": {**own, **self._defs}}

    def _rewritten(self, node: Json) -> dict[str, Json]:
        copy = rebuilt(mapping(node), lambda one, path: self._rewritten(one) if isinstance(one, dict) else one)
        if isinstance(copy.get("$ref"), str) and _needs_hoisting(copy["$ref"], self._root):
            copy["$ref"] = DEFS + self._name(copy["$ref"])
        return copy

    def _name(self, reference: str) -> str:
        if reference not in self._names:
            name = wanted = re.sub("[^a-zA-Z0-9]", "_", reference.rpartition("/")[2].strip("#")) or "root"
            number = 1
            while name in self._taken:
                number += 1
                name = f"{wanted}_{number}"
            self._taken.add(name)
            self._names[reference] = name
            target = resolved(self._root, reference)
            self._defs[name] = target if isinstance(target, bool) else self._rewritten(target)
        return self._names[reference]


MOST_COPIED = 1024 * 1024
"""Maximum bytes that references and ``allOf`` may add to the schemas of one request where a vendor has neither: they
multiply."""

_DEEPEST = 32


def too_large(path: str) -> UnsupportedFeature:
    return UnsupportedFeature.about(path, "with its references inlined the schema is too large")


class Copies:
    """Counts the bytes that are copied."""

    def __init__(self) -> None:
        self.size = 0

    def fits(self, schema: Json) -> bool:
        """Counts a copy of a schema; returns whether it fits."""
        if self.size <= MOST_COPIED:
            self.size += len(encode(schema))
        return self.size <= MOST_COPIED

    def take(self, schema: Json, path: str) -> None:
        """Counts a copy of a schema. Raises UnsupportedFeature if it does not fit."""
        self.add(len(encode(schema)), path)

    def add(self, size: int, path: str) -> None:
        self.size += size
        if self.size > MOST_COPIED:
            raise too_large(path)


class Inlined(NamedTuple):
    """A schema with the targets of its references in their place; if it is not ``whole``, any value is allowed in place
    of those that are circular, dangling or too large. ``copied`` is in bytes."""

    schema: Schema
    whole: bool
    copied: int


def inlined(schema: Schema) -> Inlined:
    inline = _Inline(schema)
    return Inlined(mapping(inline.write(schema, ())), inline.whole, inline._copies.size)


class _Inline:
    def __init__(self, root: Schema) -> None:
        self._root = root
        self._copies = Copies()
        self.whole = True

    def write(self, node: Json, seen: tuple[str, ...]) -> Json:
        if not isinstance(node, dict):
            return node
        here: Schema = node
        while isinstance(reference := here.get("$ref"), str):
            target = resolved(self._root, reference)
            fits = reference not in seen and len(seen) < _DEEPEST and self._copies.fits(target)
            if not fits or target in (None, False):
                self.whole, target = False, {}
            seen = (*seen, reference)
            here = {**mapping(target), **{name: value for name, value in here.items() if name != "$ref"}}
        rest = {name: value for name, value in here.items() if name not in ("$defs", "definitions")}
        return rebuilt(rest, lambda one, path: self.write(one, seen))


class Conflict(Exception):
    """The schemas have values of one keyword that a single schema cannot express; the text is the keyword."""


def without_all_of(schema: Schema, root: Schema, count: Callable[[Schema], None]) -> dict[str, Json]:
    """``allOf`` merged into the schema that has it, for vendors without this keyword; references of the branches are
    resolved in ``root``.

    ``count`` gets what was merged at every step and must eventually raise: nested merges double at every step, and
    references may be circular. Raises Conflict.
    """
    merged: dict[str, Json] = {name: value for name, value in schema.items() if name != "allOf"}
    for branch in map(mapping, sequence(schema.get("allOf"))):
        count(merged)
        for name, value in _resolved(branch, root, count).items():
            _add(merged, name, value)
    return merged


def _resolved(branch: Schema, root: Schema, count: Callable[[Schema], None]) -> Schema:
    while "$ref" in branch:
        count(branch)
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
