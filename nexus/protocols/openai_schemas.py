"""Schemas of tools and answers as OpenAI accepts them, in both of its dialects; compatible servers use the same rules.

Nothing that the client requires is weakened silently: a tool that cannot be strict is reported. Sources: OpenAI's 400s
(``object schema missing properties``, ``array schema missing items``, ``schema must have type 'object' and not have
'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level``, ``'propertyNames' is not permitted``, which Zod 4 writes for a
record: vercel/ai #20621, signetai #449) and its guide to structured outputs; DeepSeek's, Kimi's and Volcengine's of a
function without parameters (qwen-code #11956, pi #4311).
"""

from __future__ import annotations

from collections.abc import Callable

from nexus.conversation.parts import OutputFormat, Request, Tool
from nexus.dataclasses import replace
from nexus.models.gpt import TOOL_NAMES
from nexus.protocols.json_schema.refs import references
from nexus.protocols.json_schema.remembered import remembered
from nexus.protocols.json_schema.roots import ObjectRoot, describe, object_root
from nexus.protocols.json_schema.rules import is_refused, move_to_description, plain_tools
from nexus.protocols.json_schema.typed import typed_root
from nexus.protocols.json_schema.walk import Schema, inner, rebuilt, required_of, types_of
from nexus.protocols.renaming import Renaming, rename
from nexus.wire import Json, mapping, text

_NOT_AT_ROOT = ("enum", "not")
_NOT_STRICT = frozenset(
    {"allOf", "dependentRequired", "dependentSchemas", "else", "if", "not", "oneOf", "patternProperties", "then"}
)
_LETTER_FIRST = replace(TOOL_NAMES, first="a-zA-Z")
"""Kimi's 400: ``function name is invalid, must start with a letter`` (openclaw #79179, kimi-cli #1773 and #2531)."""

_ANY_NAME: tuple[Json, ...] = (True, {}, {"type": "string"})
_FORMATS = frozenset({"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"})
"""Formats that ``strict`` has (cyanheads/git-mcp-server #47, oh-my-pi #206: 'uri' is not a valid format)."""


def fit_schemas(
    request: Request, *, typed: bool = False, plain: bool = False
) -> tuple[Request, Renaming, tuple[str, ...]]:
    """The request with accepted names and schemas, the reverse mapping, and what was lost. ``typed``: the server has
    Kimi's rules; ``plain``: it compiles no rules of tools. Raises ClientError."""
    request, renaming = rename(request, _LETTER_FIRST if typed else TOOL_NAMES)
    if not request.tools and request.output_format is None:
        return request, renaming, ()
    lost: list[str] = []
    fitted = typed_root if typed else _changed_root
    tools = tuple(_fit_tool(tool, f"tools.{at}", fitted, lost) for at, tool in enumerate(request.tools))
    if plain:
        tools = plain_tools(tools, lost)
    format = _fit_format(request.output_format, fitted, lost)
    return replace(request, tools=tools, output_format=format), renaming, tuple(lost)


_Fitted = Callable[[Json, str], ObjectRoot | None]


def _fit_format(format: OutputFormat | None, fitted: _Fitted, lost: list[str]) -> OutputFormat | None:
    if format is None or not isinstance(format.schema, dict):
        return format
    path, schema = "output_format.schema", format.schema
    if set(types_of(schema)) - {"object"}:
        # Not an object: the vendor's own error explains it best.
        return replace(format, schema=complete(schema, path, lost))
    root = fitted(schema, path) or ObjectRoot(schema)
    lost += root.lost
    schema, strict = _strict_if_possible(root.schema, format.strict, path, lost)
    return replace(format, schema=schema, strict=strict, description=describe(format.description, root.in_words))


def _fit_tool(tool: Tool, path: str, fitted: _Fitted, lost: list[str]) -> Tool:
    root = fitted(tool.parameters, f"{path}.parameters")
    if root is None and not tool.strict:
        return tool
    root = root or ObjectRoot(tool.parameters)
    lost += root.lost
    schema, strict = _strict_if_possible(root.schema, tool.strict, f"{path}.parameters", lost)
    return replace(tool, parameters=schema, strict=strict, description=describe(tool.description, root.in_words))


@remembered
def _changed_root(schema: Json, path: str) -> ObjectRoot | None:
    """The root as the vendor accepts it; None if it accepts the schema as it is."""
    root = object_root(schema, path, _NOT_AT_ROOT)
    lost = [f"{path}.{keyword}" for keyword in root.lost]
    changed = complete(root.schema, path, lost)
    return None if changed == schema else replace(root, schema=changed, lost=tuple(lost))


def _strict_if_possible(schema: Json, strict: bool | None, path: str, lost: list[str]) -> tuple[Json, bool | None]:
    """A schema as ``strict`` requires, if possible; otherwise it is not strict, and that is reported."""
    if not strict:
        return schema, strict
    changes: list[str] = []
    if takes_strict(closed := _closed(schema, path, changes)):
        lost += changes
        return closed, True
    lost.append(f"{path.rpartition('.')[0]}.strict")
    return schema, False


def _closed(schema: Json, path: str, lost: list[str]) -> Json:
    """Objects without ``additionalProperties`` have no others, as ``strict`` means; other formats become text."""
    if not isinstance(schema, dict):
        return schema
    copy = rebuilt(schema, lambda one, below: _closed(one, f"{path}.{below}", lost))
    if "format" in copy and text(copy["format"]) not in _FORMATS:
        _move_to_description(copy, "format", path, lost)
    return {"additionalProperties": False, **copy} if "object" in types_of(schema) else copy


def complete(schema: Json, path: str, lost: list[str]) -> Json:
    """The schema with ``properties`` in every object and ``items`` in every array, allowing the same values as before;
    patterns and rules for names that the vendor rejects become text."""
    if not isinstance(schema, dict):
        return schema
    copy = rebuilt(schema, lambda one, below: complete(one, f"{path}.{below}", lost))
    if "pattern" in copy and is_refused(copy["pattern"]):
        _move_to_description(copy, "pattern", path, lost)
    if copy.get("propertyNames", {}) not in _ANY_NAME:
        _move_to_description(copy, "propertyNames", path, lost)
    copy.pop("propertyNames", None)
    types = types_of(schema)
    if "object" in types and "properties" not in copy:
        copy["properties"] = {}
    if "array" in types and "items" not in copy:
        copy["items"] = {}
    return copy


def _move_to_description(schema: dict[str, Json], keyword: str, path: str, lost: list[str]) -> None:
    lost.append(f"{path}.{keyword}")
    move_to_description(schema, keyword)


def takes_strict(schema: Json) -> bool:
    """Whether a schema follows the rules of ``strict``: closed objects, every property required, no other logic."""
    is_known = isinstance(schema, dict) and all(reference.startswith("#") for reference in references(schema))
    return is_known and _keeps_rules(schema)


def _keeps_rules(schema: Schema) -> bool:
    if _NOT_STRICT & schema.keys():
        return False
    properties = mapping(schema.get("properties"))
    if properties or "object" in types_of(schema):
        required = set(required_of(schema))
        if schema.get("additionalProperties") is not False or set(properties) - required:
            return False
    held = (one for keyword, one in inner(schema) if keyword != "additionalProperties")
    return all(isinstance(one, dict) and _keeps_rules(one) for one in held)
