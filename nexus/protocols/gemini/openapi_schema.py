"""JSON Schema rewritten as Gemini's OpenAPI subset (``Schema``), for servers without ``parametersJsonSchema``.

What the subset expresses differently is converted; what it does not support is refused (recursion, contradictions,
dangling references) or left out and reported with its full path; nothing changes silently. Only keywords without effect
(``$schema``, ``$id``, ``$comment``, definitions already inlined) are removed without a report. Source:
google.genai.types.Schema, ai.google.dev/api/caching#Schema, and the 400 ``items: missing field`` (CLIProxyAPI #5292).
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import Drops
from nexus.protocols.json_schema.refs import Copies, resolved, too_large
from nexus.protocols.json_schema.walk import types_of
from nexus.wire import Json, encode, mapping, sequence, text

MAX_DEPTH = 32
"""Maximum nesting of references."""

_COPIED = frozenset({"title", "description", "default", "required", "propertyOrdering", "nullable", "example"})
_OF_TYPE: Mapping[str, frozenset[str]] = {
    "string": frozenset({"minLength", "maxLength", "pattern", "format", "enum"}),
    "integer": frozenset({"minimum", "maximum", "format", "enum"}),
    "number": frozenset({"minimum", "maximum", "format"}),
    "boolean": frozenset(),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "object": frozenset({"properties", "minProperties", "maxProperties"}),
}
_VALIDATORS = frozenset().union(*_OF_TYPE.values())
_STATELESS = frozenset({"$schema", "$id", "$comment", "$anchor", "$defs", "definitions"})
_FORMATS = frozenset({"enum", "date-time", "int32", "int64", "float", "double"})
_HANDLED = frozenset({"type", "const", "anyOf", "oneOf", "allOf", "$ref", "additionalProperties"})


def write_openapi_schema(schema: Json, path: str, drops: Drops, copies: Copies) -> dict[str, Json]:
    """The Schema for a JSON Schema; ``path`` is its position in the request."""
    return _Writer(schema, drops, copies).write(schema, path, ())


class _Writer:
    """One conversion; references are resolved against ``root``."""

    def __init__(self, root: Json, drops: Drops, copies: Copies) -> None:
        self._root = root
        self._drops = drops
        self._copies = copies

    def write(self, schema: Json, path: str, seen: tuple[str, ...]) -> dict[str, Json]:
        if schema is True:
            return {}
        if not isinstance(schema, dict):
            shown = encode(schema).decode()[:40]
            raise UnsupportedFeature.about(path, f"the schema {shown} cannot be expressed for this model")
        schema, seen = self._resolved(schema, path, seen)
        out: dict[str, Json] = {key: schema[key] for key in schema if key in _COPIED}
        self._write_types(schema, out, path, seen)
        self._write_alternatives(schema, out, path, seen)
        if mapping(schema.get("additionalProperties")) or schema.get("additionalProperties") is False:
            self._drop(path, "additionalProperties")
        for key in schema:
            if key not in _COPIED | _VALIDATORS | _STATELESS | _HANDLED:
                self._drop(path, key)
        return out

    def _resolved(
        self, schema: Mapping[str, Json], path: str, seen: tuple[str, ...]
    ) -> tuple[Mapping[str, Json], tuple[str, ...]]:
        """The schema with its own ``$ref`` and ``allOf`` merged in."""
        while "$ref" in schema or "allOf" in schema:
            rest = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
            bases: list[Json] = []
            if "$ref" in schema:
                reference = text(schema["$ref"])
                if reference in seen:
                    raise UnsupportedFeature.about(
                        path,
                        f"the schema is recursive through {reference}, which this model does not support; "
                        "unroll it to a fixed depth",
                    )
                seen = (*seen, reference)
                bases.append(self._target(reference, path, seen))
            bases += sequence(schema.get("allOf"))
            merged: Mapping[str, Json] = {}
            for base in bases:
                merged = _merged(merged, base, path)
            schema = _merged(merged, rest, path)
        return schema, seen

    def _target(self, reference: str, path: str, seen: tuple[str, ...]) -> Json:
        if (target := resolved(self._root, reference)) is None:
            raise UnsupportedFeature.about(path, f"the reference {reference!r} does not exist in this schema")
        if len(seen) == MAX_DEPTH:
            raise too_large(path)
        self._copies.take(target, path)
        return target

    def _write_types(self, schema: Mapping[str, Json], out: dict[str, Json], path: str, seen: tuple[str, ...]) -> None:
        values = _values(schema)
        types = _types_of(schema, values)
        if len(types) > 1 and "null" in types:
            types.remove("null")
            out["nullable"] = True
        if None in values and types != ["null"]:
            out["nullable"] = True
        if len(types) == 1:
            out.update(self._typed(types[0], schema, path, seen))
        elif not (schema.get("anyOf") or schema.get("oneOf")):
            out["anyOf"] = [self._typed(kind, schema, path, seen) for kind in types]
        else:
            self._drop(path, "type")
        typed_keys = {key for kind in types for key in _OF_TYPE.get(kind or "", ())}
        for key in schema:
            if key in _VALIDATORS - typed_keys and key != "enum":
                self._drop(path, key)

    def _typed(self, kind: str | None, schema: Mapping[str, Json], path: str, seen: tuple[str, ...]) -> dict[str, Json]:
        """``type`` and the validators that belong to it."""
        out: dict[str, Json] = {} if kind is None else {"type": kind.upper()}
        if kind == "array" and "items" not in schema:
            out["items"] = {}
        known = _OF_TYPE.get(kind or "", frozenset())
        for key in schema:
            if key not in known or key == "enum":
                continue
            match key:
                case "properties":
                    found = mapping(schema[key]).items()
                    out[key] = {name: self.write(sub, f"{path}.properties.{name}", seen) for name, sub in found}
                case "items":
                    out[key] = self.write(schema[key], f"{path}.items", seen)
                case "format" if schema[key] not in _FORMATS:
                    self._drop(path, key)
                case _:
                    out[key] = schema[key]
        self._write_enum(kind, _values(schema), out, path)
        return out

    def _write_enum(self, kind: str | None, values: list[Json], out: dict[str, Json], path: str) -> None:
        values = [value for value in values if value is not None]
        strings = [value for value in values if isinstance(value, str) and value]
        whole = [str(value) for value in values if isinstance(value, int) and not isinstance(value, bool)]
        if kind == "string" and strings:
            out["enum"] = strings
        elif kind == "integer" and whole:
            # Google writes the values of a numeric enum as strings.
            out.update({"format": "enum", "enum": whole})
        if "" in values or (values and "enum" not in out):
            # An empty string is rejected (weave-os/router #83, opencode #46676).
            self._drop(path, "enum")

    def _write_alternatives(
        self, schema: Mapping[str, Json], out: dict[str, Json], path: str, seen: tuple[str, ...]
    ) -> None:
        key = "anyOf" if "anyOf" in schema else "oneOf"
        if "anyOf" in schema and "oneOf" in schema:
            self._drop(path, "oneOf")
        found = list(enumerate(sequence(schema.get(key))))
        kept = [(index, sub) for index, sub in found if mapping(sub).get("type") != "null"]
        if len(kept) < len(found):
            out["nullable"] = True
        branches = [self.write(sub, f"{path}.{key}.{index}", seen) for index, sub in kept]
        if len(branches) == 1:
            out.update({name: value for name, value in branches[0].items() if name not in out})
        elif branches:
            out["anyOf"] = branches

    def _drop(self, path: str, key: str) -> None:
        self._drops.add(f"{path}.{key}")


def _values(schema: Mapping[str, Json]) -> list[Json]:
    return [schema["const"]] if "const" in schema else list(sequence(schema.get("enum")))


def _types_of(schema: Mapping[str, Json], values: list[Json]) -> list[str | None]:
    """The types that a schema allows; a single None if it does not restrict them."""
    if named := types_of(schema):
        return list(named)
    some = [value for value in values if value is not None]
    if "properties" in schema:
        return ["object"]
    if "items" in schema:
        return ["array"]
    if some and all(isinstance(value, str) for value in some):
        return ["string"]
    if some and all(isinstance(value, int) and not isinstance(value, bool) for value in some):
        return ["integer"]
    return [None]


def _merged(base: Mapping[str, Json], more: Json, path: str) -> Mapping[str, Json]:
    """Both schemas combined; annotations of ``more`` win, any other difference is refused."""
    out = dict(base)
    for key, value in mapping(more).items():
        if key not in out or out[key] == value or key in ("title", "description", "default", "example"):
            out[key] = value
        elif key == "properties":
            out[key] = _merged(mapping(out[key]), value, path)
        elif key == "required":
            known = sequence(out[key])
            out[key] = [*known, *(name for name in sequence(value) if name not in known)]
        else:
            raise UnsupportedFeature.about(path, f"allOf or $ref combine different values of {key!r}")
    return out
