"""The subset of JSON Schema that constrains decoding at Anthropic and on Bedrock, and its limits per request.

For pydantic's schemas of types without free maps, the result equals the transformation of Anthropic's own SDK
(anthropic.lib._parse._transform). Objects are closed, ``oneOf`` becomes ``anyOf``, references have no other keys,
keywords without effect there become text in the description. Schemas whose meaning would change are not supported: free
maps, recursion, references out of the schema. Sources: platform.claude.com and the Bedrock user guide, structured
outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from nexus.conversation.parts import Tool
from nexus.dataclasses import dataclass
from nexus.models.tool_rules import StrictLimits
from nexus.protocols.json_schema.refs import DEFS, Conflict, Copies, definition, hoisted, references, without_all_of
from nexus.protocols.json_schema.roots import describe, keywords_in_words, modern, modern_root
from nexus.protocols.json_schema.walk import ANNOTATIONS, SILENT, Schema, inner, required_of, types_of
from nexus.wire import Json, mapping, sequence, text

_FORMATS: Final = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"}
)
_UNIONS = ("anyOf", "oneOf", "allOf")


class NotClosed(Exception):
    """A schema that the subset cannot express; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Closed:
    """``lost`` are the paths, below ``path``, of keywords that no longer apply."""

    schema: dict[str, Json]
    lost: tuple[str, ...]
    optional: int
    unions: int


def close(schema: Json, path: str, copies: Copies | None = None) -> Closed:
    """The closed form of a schema; ``copies`` are those of all tools, if it is one of several. Raises NotClosed."""
    if not isinstance(schema, dict):
        raise NotClosed(f"{path}: any value at all is allowed")
    root = hoisted(schema)
    writer = _Writer(root, copies or Copies())
    closed = writer.write(root, path)
    weight = _Weights(closed)
    optional, unions = weight.of(closed)
    return Closed(closed, tuple(dict.fromkeys(writer.lost)), optional, unions)


class _Writer:
    def __init__(self, root: Schema, copies: Copies) -> None:
        self._root = root
        self._copies = copies
        self.lost: list[str] = []
        for reference in references(root):
            if definition(root, reference) is None:
                raise NotClosed(f"the reference {reference!r} does not exist in this schema")
        _refuse_recursion(root)

    def write(self, schema: Json, path: str) -> dict[str, Json]:
        if not isinstance(schema, dict):
            raise NotClosed(f"{path}: any value at all is allowed" if schema else f"{path}: no value is allowed")
        rest = {name: value for name, value in schema.items() if name not in SILENT}
        out: dict[str, Json] = {}
        if definitions := mapping(rest.pop("$defs", None)):
            out["$defs"] = {name: self.write(one, f"{path}.$defs.{name}") for name, one in definitions.items()}
        if "$ref" in rest:
            out["$ref"] = rest.pop("$ref")
            self._lose(rest, path)
            return out
        if "allOf" in rest:
            rest = self._merged(rest, path)
            if "$ref" in rest:
                return out | {"$ref": rest["$ref"]}
        return out | self._node(rest, path)

    def _node(self, rest: dict[str, Json], path: str) -> dict[str, Json]:
        types = types_of(rest)
        if len(types) > 1 and {"object", "array"} & set(types):
            rest = _split(rest, types)
            types = ()
        out = self._kind(rest, types, path)
        rest.pop("type", None)
        for name in ("description", "title"):
            if rest.get(name) is not None:
                out[name] = rest[name]
            rest.pop(name, None)
        if not {"enum", "const"} & out.keys():
            self._write_members(rest, types, out, path)
        self._lose(rest, path)
        if rest:
            out["description"] = describe(text(out.get("description")), keywords_in_words(rest))
        return out

    def _kind(self, rest: dict[str, Json], types: tuple[str, ...], path: str) -> dict[str, Json]:
        """Writes a node as values, alternatives or a type."""
        out: dict[str, Json] = {}
        if rest.get("enum") and all(map(_plain, sequence(rest.get("enum")))):
            out["enum"] = rest.pop("enum")
        if "const" in rest and _plain(rest["const"]):
            out["const"] = rest.pop("const")
        for keyword in ("anyOf", "oneOf"):
            if isinstance(rest.get(keyword), list) and rest[keyword] and "anyOf" not in out:
                branches = rest.pop(keyword)
                out["anyOf"] = [self.write(one, f"{path}.{keyword}.{at}") for at, one in enumerate(branches)]
        if not out:
            if not types:
                raise NotClosed(f"{path}: any value at all is allowed")
            out["type"] = types[0] if len(types) == 1 else list(types)
        return out

    def _write_members(self, rest: dict[str, Json], types: tuple[str, ...], out: dict[str, Json], path: str) -> None:
        if "object" in types:
            self._write_object(rest, out, path)
        if "string" in types and rest.get("format") in _FORMATS:
            out["format"] = rest.pop("format")
        if "array" in types:
            if "items" in rest:
                out["items"] = self.write(rest.pop("items"), f"{path}.items")
            if rest.get("minItems") in (0, 1):
                out["minItems"] = rest.pop("minItems")

    def _write_object(self, rest: dict[str, Json], out: dict[str, Json], path: str) -> None:
        free = rest.pop("additionalProperties", None if "properties" in rest or "anyOf" in out else True)
        properties = mapping(rest.pop("properties", None))
        if free not in (None, False) and not properties:
            raise NotClosed(f"{path}: an object of any properties")
        if free not in (None, False):
            self.lost.append(f"{path}.additionalProperties")
        out["properties"] = {name: self.write(one, f"{path}.properties.{name}") for name, one in properties.items()}
        out["additionalProperties"] = False
        if isinstance(required := rest.pop("required", None), list):
            out["required"] = required

    def _merged(self, schema: dict[str, Json], path: str) -> dict[str, Json]:
        """``allOf`` of objects as one object: each alone would be closed to the properties of the others."""
        branches = [mapping(one) for one in sequence(schema["allOf"])]
        beside = schema.keys() - {"allOf"}
        if len(branches) == 1 and branches[0].keys() == {"$ref"} and beside <= ANNOTATIONS:
            return {**branches[0]}
        try:
            merged = without_all_of(schema, self._root, lambda merged: self._copy(merged, path))
        except Conflict as keyword:
            raise NotClosed(f"{path}: allOf combines different values of {keyword}") from keyword
        self._copy(merged, path)
        return merged

    def _copy(self, schema: Schema, path: str) -> None:
        """Counts a copy: nested merges double at every step. Raises NotClosed."""
        if not self._copies.fits(schema):
            raise NotClosed(f"{path}: the schema is too large")

    def _lose(self, rest: Mapping[str, Json], path: str) -> None:
        self.lost += [f"{path}.{name}" for name in rest if name not in ANNOTATIONS]


def _plain(value: Json) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


_OF_OBJECTS = ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties")
_OF_ARRAYS = ("items", "prefixItems", "minItems", "maxItems", "uniqueItems")


def _split(schema: dict[str, Json], types: tuple[str, ...]) -> dict[str, Json]:
    """A node of several types, one of which has members, as alternatives of one type each."""
    about: dict[str, Json] = {name: schema[name] for name in ("title", "description") if name in schema}
    if any(name in schema for name in ("enum", "const", *_UNIONS)):
        return {name: value for name, value in schema.items() if name != "type"}
    common = {name: value for name, value in schema.items() if name not in ("type", *about)}
    branches: list[Json] = []
    for one in types:
        others = (*(() if one == "object" else _OF_OBJECTS), *(() if one == "array" else _OF_ARRAYS))
        branches.append({"type": one} | {name: value for name, value in common.items() if name not in others})
    return {**about, "anyOf": branches}


def _refuse_recursion(root: Schema) -> None:
    done: set[str] = set()

    def follow(schema: Json, above: tuple[str, ...]) -> None:
        for reference in references(schema):
            if reference in above:
                raise NotClosed(f"it is recursive through {reference.removeprefix(DEFS)!r}")
            if reference not in done:
                follow(definition(root, reference), (*above, reference))
                done.add(reference)

    # Definitions are followed where they are referenced.
    follow({name: value for name, value in root.items() if name != "$defs"}, ())
    for name in mapping(root.get("$defs")):
        follow({"$ref": f"{DEFS}{name}"}, ())


class _Weights:
    """Optional properties and unions as a decoder counts them: a definition counts wherever it is referenced."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, schema: Json) -> tuple[int, int]:
        if not isinstance(schema, dict):
            return 0, 0
        reference = text(schema.get("$ref"))
        if reference:
            if reference not in self._known:
                self._known[reference] = self.of(definition(self._root, reference))
            return self._known[reference]
        required = set(required_of(schema))
        optional = sum(name not in required for name in mapping(schema.get("properties")))
        unions = int("anyOf" in schema or isinstance(schema.get("type"), list))
        for keyword, one in inner(schema):
            if keyword != "$defs":
                more = self.of(one)
                optional, unions = optional + more[0], unions + more[1]
        return optional, unions


FORMAT = "output_format.schema"


@dataclass(frozen=True, slots=True)
class StrictTools:
    """``schemas`` of the tools that stay strict, by index; ``lost`` lists the others, and keywords that no longer
    apply."""

    schemas: Mapping[int, dict[str, Json]]
    lost: tuple[str, ...]


def over(limits: StrictLimits | None, closed: Sequence[Closed], tools: int) -> bool:
    """Whether these schemas, this many of them of tools, exceed the vendor's limits for one request."""
    if limits is None:
        return False
    optional, unions = sum(one.optional for one in closed), sum(one.unions for one in closed)
    return tools > limits.tools or optional > limits.optional or unions > limits.unions


def close_format(schema: Json, limits: StrictLimits | None, path: str = FORMAT) -> Closed:
    """The schema of an answer that the model is forced to follow. Raises NotClosed."""
    closed = close(modern(schema), path)
    if limits is not None and over(limits, [closed], 0):
        raise NotClosed(
            f"{path}: it has more than {limits.optional} properties that are not required, or more than "
            f"{limits.unions} schemas of several types"
        )
    return closed


def strict_tools(tools: Sequence[Tool], limits: StrictLimits | None, format: Closed | None) -> StrictTools:
    """Keeps as many tools strict as the vendor's limits allow, the first ones first; ``format`` stays, and counts."""
    kept: dict[int, Closed] = {}
    lost: list[str] = []
    copies = Copies()
    for at, tool in enumerate(tools):
        if tool.strict:
            try:
                kept[at] = close(modern_root(tool.parameters, f"tools.{at}.parameters").schema, "", copies)
            except NotClosed:
                lost.append(f"tools.{at}.strict")
    beside = [] if format is None else [format]
    while over(limits, [*beside, *kept.values()], len(kept)):
        at, _ = kept.popitem()
        lost.append(f"tools.{at}.strict")
    lost += [f"tools.{at}.parameters{path}" for at, closed in kept.items() for path in closed.lost]
    return StrictTools({at: closed.schema for at, closed in kept.items()}, tuple(lost))
