"""A schema of arguments in the form that every vendor accepts: an object with properties, and no union at the root.

What the client allows stays allowed: a merged root has the properties of all alternatives and requires what all of them
require. Lost restrictions become text for the description. Sources: the 400s of Anthropic (``input_schema does not
support oneOf, allOf, or anyOf at the top level``) and OpenAI (``schema must have type 'object' and not have
'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nexus.dataclasses import dataclass
from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import wrong
from nexus.protocols.json_schema.refs import definition, hoisted, inlined
from nexus.protocols.json_schema.remembered import remembered
from nexus.protocols.json_schema.walk import ANNOTATIONS, Schema, rebuilt, required_of, types_of
from nexus.wire import Json, encode, mapping, sequence

_EITHER = ("anyOf", "oneOf")
_UNIONS = (*_EITHER, "allOf")
_CHANGED = frozenset({"exclusiveMinimum", "exclusiveMaximum", "items", "required"})
_BOUNDS = (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum"))
_NO_OBJECT = "this vendor accepts only a schema whose root is an object"

_MOST_CHARACTERS = 4000
"""Maximum number of characters of alternatives in a description."""


@dataclass(frozen=True, slots=True)
class ObjectRoot:
    """``lost`` are keywords of the root that the schema no longer has, ``in_words`` is their text, ``copied`` are the
    bytes that references added."""

    schema: dict[str, Json]
    lost: tuple[str, ...] = ()
    in_words: str = ""
    copied: int = 0


def object_root(schema: Json, path: str, forbidden: Iterable[str] = ()) -> ObjectRoot:
    """``forbidden`` are further keywords that the vendor rejects at the root. Raises ClientError."""
    if schema is None:
        return ObjectRoot({"type": "object", "properties": {}})
    if not isinstance(schema, dict):
        raise wrong(path, "a JSON Schema object")
    if schema.keys().isdisjoint(("$ref", *_UNIONS, *forbidden)):
        return ObjectRoot(_typed(schema, path))
    root = hoisted(schema)
    merge = _Merge(root, path)
    merged = merge.flat(root, ())
    kept = {name: value for name, value in merged.items() if name not in forbidden}
    if "$defs" in root:
        kept["$defs"] = root["$defs"]
    dropped = [*merge.unions, *((name, merged[name]) for name in forbidden if name in merged)]
    return ObjectRoot(_typed(kept, path), tuple(dict.fromkeys(name for name, _ in dropped)), _describe_lost(dropped))


def modern(schema: Json) -> Json:
    """Converts older drafts to 2020-12, which Anthropic's API requires; always returns a copy.

    Source: its own 400, ``JSON schema is invalid. It must match JSON Schema draft 2020-12``.
    """
    if not isinstance(schema, dict):
        return schema
    copy = rebuilt(schema, lambda one, path: modern(one))
    if copy.get("type") == "any":
        del copy["type"]
    if _CHANGED.isdisjoint(copy):
        return copy
    for bound, exclusive in _BOUNDS:
        if isinstance(copy.get(exclusive), bool) and copy.pop(exclusive) and bound in copy:
            copy[exclusive] = copy.pop(bound)
    if isinstance(copy.get("items"), list):
        copy["prefixItems"] = copy.pop("items")
        if "additionalItems" in copy:
            copy["items"] = copy.pop("additionalItems")
    if isinstance(copy.get("required"), bool):
        # In draft 3 the property itself had it; here it is in the object's list or absent.
        del copy["required"]
    return copy


@remembered
def modern_root(schema: Json, path: str) -> ObjectRoot:
    """The object root of a schema of any draft."""
    return object_root(modern(schema), path)


_BARE = ("type", "properties", "required")


@remembered
def bare_root(schema: Json, path: str) -> ObjectRoot:
    """The object root of a schema of any draft, with these three keywords alone and without references."""
    root = modern_root(schema, path)
    found = inlined(root.schema)
    whole = found.schema
    lost = [name for name, value in whole.items() if name not in (*_BARE, *ANNOTATIONS) and value not in (True, {})]
    bare = {name: whole[name] for name in _BARE if name in whole}
    return ObjectRoot(bare, (*root.lost, *lost, *(() if found.whole else ("$ref",))), root.in_words, found.copied)


def describe(description: str | None, in_words: str) -> str | None:
    """A description plus the lost restrictions of a schema."""
    return "\n\n".join(filter(None, (description, in_words))) or None


def keywords_in_words(keywords: Schema) -> str:
    """Keywords as text for a description, in the form of Anthropic's SDK."""
    return f"{{{', '.join(f'{name}: {value}' for name, value in keywords.items())}}}" if keywords else ""


def _typed(schema: Schema, path: str) -> dict[str, Json]:
    types = types_of(schema)
    if types and "object" not in types:
        raise UnsupportedFeature.about(path, _NO_OBJECT)
    return {**schema, "type": "object", "properties": mapping(schema.get("properties"))}


def _describe_lost(lost: Sequence[tuple[str, Json]]) -> str:
    if not lost:
        return ""
    words = "; ".join(f"{name} {encode(value).decode()}" for name, value in lost)
    cut = words if len(words) <= _MOST_CHARACTERS else f"{words[:_MOST_CHARACTERS]}..."
    return f"The arguments together must also match this part of their JSON Schema: {cut}"


MOST_MERGED = 200_000
"""Maximum number of properties and requirements that are merged for one schema."""


class _Merge:
    """Schemas of objects with their references and unions merged in; each definition is merged once.

    ``unions`` are the alternatives that were merged away.
    """

    def __init__(self, root: Schema, path: str) -> None:
        self._root = root
        self._path = path
        self._known: dict[str, Schema] = {}
        self._merged = 0
        self.unions: list[tuple[str, Json]] = []

    def flat(self, schema: Schema, seen: tuple[str, ...]) -> Schema:
        merged: Schema = {name: value for name, value in schema.items() if name not in ("$ref", "$defs", *_UNIONS)}
        if isinstance(schema.get("$ref"), str):
            merged = self._both(merged, self._referred(schema["$ref"], seen))
        for one in map(mapping, sequence(schema.get("allOf"))):
            merged = self._both(merged, self.flat(one, seen))
        for keyword in _EITHER:
            branches = [self.flat(mapping(one), seen) for one in sequence(schema.get(keyword))]
            objects = [one for one in branches if not types_of(one) or "object" in types_of(one)]
            if branches and not objects:
                raise UnsupportedFeature.about(self._path, _NO_OBJECT)
            if len(objects) > 1:
                self.unions.append((keyword, schema[keyword]))
            if objects:
                merged = self._both(merged, self._either(objects))
        return merged

    def _referred(self, reference: str, seen: tuple[str, ...]) -> Schema:
        target = definition(self._root, reference)
        if reference in seen or not isinstance(target, dict):
            raise UnsupportedFeature.about(self._path, f"{reference!r} is not an object of arguments in this schema")
        if reference not in self._known:
            self._known[reference] = self.flat(target, (*seen, reference))
        return self._known[reference]

    def _both(self, one: Schema, other: Schema) -> Schema:
        """A schema for what matches both; for other differences than those handled here, the first is kept."""
        self._count(one, other)
        merged = {**other, **one}
        properties = dict(mapping(one.get("properties")))
        for name, schema in mapping(other.get("properties")).items():
            known = properties.get(name, schema)
            properties[name] = schema if known == schema else {"allOf": [known, schema]}
        if properties:
            merged["properties"] = properties
        required = dict.fromkeys([*required_of(one), *required_of(other)])
        if required:
            merged["required"] = list(required)
        if one.get("additionalProperties") is False or other.get("additionalProperties") is False:
            merged["additionalProperties"] = False
        return merged

    def _either(self, branches: list[Schema]) -> Schema:
        """A schema for what matches any of them, and possibly more."""
        self._count(*branches)
        properties: dict[str, dict[bytes, Json]] = {}
        for branch in branches:
            for name, schema in mapping(branch.get("properties")).items():
                # By their bytes: Python takes 1 and true for the same.
                properties.setdefault(name, {}).setdefault(encode(schema), schema)
        schemas = {name: [*known.values()] for name, known in properties.items()}
        merged: dict[str, Json] = {
            "properties": {name: {"anyOf": known} if len(known) > 1 else known[0] for name, known in schemas.items()}
        }
        first, *rest = (dict.fromkeys(required_of(branch)) for branch in branches)
        shared = [name for name in first if all(name in one for one in rest)]
        if shared:
            merged["required"] = shared
        if all(branch.get("additionalProperties") is False for branch in branches):
            merged["additionalProperties"] = False
        return merged

    def _count(self, *schemas: Schema) -> None:
        """References multiply: a short schema may stand for an endless one."""
        self._merged += sum(len(mapping(one.get("properties"))) + len(required_of(one)) for one in schemas)
        if self._merged > MOST_MERGED:
            raise UnsupportedFeature.about(
                self._path, "the schema's alternatives have too many properties for this vendor"
            )
