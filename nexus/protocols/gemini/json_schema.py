"""JSON Schema as Gemini accepts it in ``parametersJsonSchema`` and ``responseJsonSchema``.

Next to ``$ref`` only keys that begin with ``$`` are allowed: the client's other keys go into a copy of the referenced
schema. An answer's schema may only have keywords of a fixed list: others are expressed with these, or are moved into
the description and reported. Sources: google.genai.types.GenerationConfig.response_json_schema; the 400 ``can only
contain properties starting with '$' when $ref is present`` (google-gemini/gemini-cli 4758, about parameters).
"""

from __future__ import annotations

from typing import Final

from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import Drops
from nexus.protocols.json_schema.refs import Conflict, Copies, definition, hoisted, without_all_of
from nexus.protocols.json_schema.roots import describe, keywords_in_words
from nexus.protocols.json_schema.walk import ANNOTATIONS, SILENT, Schema, rebuilt, types_of
from nexus.wire import Json, mapping, sequence, text

_SUPPORTED: Final = frozenset(
    {"$anchor", "$defs", "$id", "$ref", "additionalProperties", "anyOf", "description", "enum", "format", "items"}
    | {"maxItems", "maximum", "minItems", "minimum", "oneOf", "prefixItems", "properties", "propertyOrdering"}
    | {"required", "title", "type"}
)
MOST_STEPS = 200
"""Maximum nesting of a schema, as steps of its path."""


def write_json_schema(
    schema: Schema, path: str, drops: Drops, copies: Copies, *, answer: bool = False
) -> dict[str, Json]:
    """``answer`` is for the schema of an answer. Everything lost is added to ``drops``. Raises UnsupportedFeature."""
    root = hoisted(schema)
    return _Writer(root, drops, copies, answer).write(root, path, copying=True)


class _Writer:
    def __init__(self, root: Schema, drops: Drops, copies: Copies, answer: bool) -> None:
        self._root = root
        self._drops = drops
        self._answer = answer
        self._copies = copies

    def write(
        self, schema: Schema, path: str, *, copying: bool, above: frozenset[str] = frozenset()
    ) -> dict[str, Json]:
        """``copying`` is off inside a copy, because the referenced schema may refer to itself. ``above`` are the
        references that were merged around it."""
        if path.count(".") > MOST_STEPS:
            raise UnsupportedFeature.about(path, "the schema is nested too deeply, or recursive in what allOf combines")
        if self._answer and (reference := _only_reference(schema)) in above:
            # As pydantic writes a reference beside a default: its schema is merged around it already.
            schema, copying = {**schema, "$ref": reference}, False
            del schema["allOf"]
        if "$ref" not in schema:
            flat, merged = self._flat(schema, path) if self._answer else (schema, frozenset())
            return self._inside(flat, path, copying=copying, above=above | merged)
        beside = {name: value for name, value in schema.items() if not name.startswith("$")}
        target = self._target(text(schema["$ref"]), path) if beside and copying else None
        if target is not None:
            self._copies.take(target, path)
            return self.write(self._copied(target, beside, path), path, copying=False, above=above)
        self._drop(beside, path)
        bare = {name: value for name, value in schema.items() if name not in beside}
        return self._inside(bare, path, copying=copying, above=above)

    def _target(self, reference: str, path: str) -> Schema | None:
        """The final target of a reference; None if that is not a schema."""
        seen: set[str] = set()
        while reference not in seen:
            self._copies.add(len(reference), path)
            seen.add(reference)
            target = definition(self._root, reference)
            if not isinstance(target, dict):
                return None
            if "$ref" not in target:
                return target
            reference = text(target["$ref"])
        return None

    def _inside(self, schema: Schema, path: str, *, copying: bool, above: frozenset[str]) -> dict[str, Json]:
        def inner(one: Json, at: str) -> Json:
            here = frozenset[str]() if at.startswith("$defs.") else above
            return self.write(one, f"{path}.{at}", copying=copying, above=here) if isinstance(one, dict) else one

        return rebuilt(schema, inner)

    def _copied(self, target: Schema, beside: Schema, path: str) -> dict[str, Json]:
        """The referenced schema, with the keys next to the reference."""
        fits = {name: value for name, value in beside.items() if name in ANNOTATIONS or name not in target}
        self._drop({name: value for name, value in beside.items() if name not in fits}, path)
        return {**target, **fits}

    def _flat(self, schema: Schema, path: str) -> tuple[dict[str, Json], frozenset[str]]:
        """The schema with keywords of the fixed list only, and the references that were merged into it."""
        branches = map(mapping, sequence(schema.get("allOf")))
        merged = frozenset(text(one["$ref"]) for one in branches if one.get("$ref"))
        try:
            flat = without_all_of(schema, self._root, lambda merged: self._copies.take(merged, path))
        except Conflict:
            flat, merged = dict(schema), frozenset()
        _write_bounds(flat)
        supported = _SUPPORTED if _write_values(flat) else _SUPPORTED - {"enum"}
        rest = {name: value for name, value in flat.items() if name not in supported | SILENT}
        kept = {name: value for name, value in flat.items() if name in supported}
        self._drop(rest, path)
        if (words := describe(text(kept.get("description")), keywords_in_words(rest))) is not None:
            kept["description"] = words
        return kept, merged

    def _drop(self, keywords: Schema, path: str) -> None:
        self._drops.add(*(f"{path}.{name}" for name in keywords if name not in ANNOTATIONS))


def _only_reference(schema: Schema) -> str:
    """The reference that is the only item of an ``allOf``; "" if there is none."""
    match schema.get("allOf"):
        case [{"$ref": str(reference), **rest}] if not rest:
            return reference
        case _:
            return ""


def _write_values(schema: dict[str, Json]) -> bool:
    """Writes a constant as an enum of one value, and null as a type; returns whether all values are strings or numbers,
    as required."""
    if "const" in schema and "enum" not in schema:
        schema["enum"] = [schema.pop("const")]
    values = list(sequence(schema.get("enum")))
    plain = [value for value in values if isinstance(value, (str, int, float)) and not isinstance(value, bool)]
    if len(plain) == len(values):
        return True
    named = [one for one in types_of(schema) if one != "null"]
    if values == [None]:
        del schema["enum"]
        schema["type"] = "null"
    elif len(plain) == len(values) - values.count(None) and "anyOf" not in schema:
        del schema["enum"]
        schema.pop("type", None)
        typed = {"type": named[0]} if len(named) == 1 else {}
        schema["anyOf"] = [{**typed, "enum": plain}, {"type": "null"}]
    else:
        return False
    return True


def _write_bounds(schema: dict[str, Json]) -> None:
    """Makes exclusive bounds of integers inclusive: above 0 is at least 1."""
    if types_of(schema) != ("integer",):
        return
    for exclusive, bound, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
        limit = schema.get(exclusive)
        if isinstance(limit, int) and not isinstance(limit, bool) and bound not in schema:
            schema[bound] = limit + step
            del schema[exclusive]
