"""A schema of an object in which every place names one type, as Moonshot requires for Kimi's models.

Its 400s: ``tools.function.parameters`` or ``response_format.json_schema is not a valid moonshot flavored json schema,
details: <At path ...: type is not defined>``, ``when using anyOf, type should be defined in anyOf items instead of the
parent schema``, ``references must start with #/$defs``, ``conflicting keywords found after $ref expansion``, ``items
must be an object``; ``required must be an array`` (pi #4138 and #5822, kimi-cli #2061 and #2531, command-code #594,
recordings of vercel/ai; hermes-agent #68154, as tested there: no null among alternatives or values; patterns: bifrost
#7430). What is less than the client allowed is reported.
"""

from __future__ import annotations

from nexus.protocols.json_schema.refs import Conflict, Copies, inlined, without_all_of
from nexus.protocols.json_schema.remembered import remembered
from nexus.protocols.json_schema.roots import ObjectRoot, modern_root
from nexus.protocols.json_schema.rules import is_refused, move_to_description
from nexus.protocols.json_schema.walk import Schema, rebuilt, required_of, types_of
from nexus.wire import Json, mapping, sequence

_EITHER = ("anyOf", "oneOf")
_LOGIC = ("allOf", "if", "then", "else", "not", "dependentSchemas", "dependentRequired")
_TYPES = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


@remembered
def typed_root(schema: Json, path: str) -> ObjectRoot:
    """``lost`` are full paths. Raises ClientError."""
    root = modern_root(schema, path)
    found = inlined(root.schema)
    typing = _Typing(path)
    whole = mapping(typing.write(found.schema))
    lost = [*root.lost, *(() if found.whole else ("$ref",)), *typing.lost]
    return ObjectRoot(dict(whole), tuple(dict.fromkeys(f"{path}.{name}" for name in lost)), root.in_words)


class _Typing:
    """``lost`` are the keywords that lost something, wherever they were."""

    def __init__(self, path: str) -> None:
        self.lost: list[str] = []
        self._path = path
        self._copies = Copies()

    def write(self, node: Json) -> Json:
        if not isinstance(node, dict):
            return node
        schema = self._merged(node)
        if "pattern" in schema and is_refused(schema["pattern"]):
            self.lost.append("pattern")
            move_to_description(schema, "pattern")
        union = next((keyword for keyword in _EITHER if keyword in schema), None)
        if union is not None and "type" in schema:
            own = schema.pop("type")
            schema[union] = [{"type": own, **mapping(one)} for one in sequence(schema[union])]
        copy = rebuilt(schema, lambda one, path: self.write(one))
        return self._one_type(copy) if union is None else self._either(copy, union)

    def _merged(self, schema: Schema) -> dict[str, Json]:
        """The schema without keywords that the vendor merges into one schema, or confuses with a type."""
        try:
            merged = without_all_of(schema, {}, lambda step: self._copies.take(step, self._path))
        except Conflict:
            merged = dict(schema)
        beside = _EITHER if "properties" in merged else _EITHER[1:] if _EITHER[0] in merged else ()
        refused = [name for name in (*_LOGIC, *beside) if name in merged]
        self.lost += refused
        return {name: value for name, value in merged.items() if name not in (*refused, "nullable")}

    def _either(self, schema: dict[str, Json], union: str) -> dict[str, Json]:
        """The alternatives without null; a single one takes the place of the union."""
        alternatives = [mapping(one) for one in sequence(schema.pop(union))]
        kept = [one for one in alternatives if one.get("type") != "null"]
        self.lost += [union] * (len(kept) < len(alternatives))
        return {**schema, union: kept} if len(kept) > 1 else self._one_type({**schema, **(kept[0] if kept else {})})

    def _one_type(self, schema: dict[str, Json]) -> dict[str, Json]:
        if not schema.keys().isdisjoint(_EITHER):
            return schema
        named = types_of(schema) or _implied(schema)
        type, *others = [name for name in named if name != "null"] or (["null"] if named else ["string"])
        self.lost += ["type"] * (bool(others) or len(named) != 1)
        typed: dict[str, Json] = {**schema, "type": type}
        if type == "object":
            typed["properties"] = known = mapping(schema.get("properties"))
            typed["required"] = [name for name in required_of(schema) if name in known]
            self.lost += ["required"] * (len(required_of(schema)) > len(typed["required"]))
        elif "enum" in schema and type != "array":
            typed["enum"] = [value for value in sequence(schema["enum"]) if value not in (None, "")]
            self.lost += ["enum"] * (typed["enum"] != schema["enum"])
        return typed


def _implied(schema: Schema) -> tuple[str, ...]:
    """The type that the other keywords imply; none if they imply nothing."""
    if not schema.keys().isdisjoint(("properties", "required", "additionalProperties")):
        return ("object",)
    if not schema.keys().isdisjoint(("items", "prefixItems")):
        return ("array",)
    values = [schema["const"]] if "const" in schema else sequence(schema.get("enum"))
    return (_TYPES.get(type(values[0]), "string"),) if values else ()
