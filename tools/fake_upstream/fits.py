"""Vendors' checks of tools and media beyond their types; independent of Nexus's own facts.

Pure. The messages are those of the vendors' 400s, if known. Sources: OpenAI's ``invalid_function_parameters``,
Anthropic's ``String should match pattern`` and ``input_schema does not support oneOf, allOf, or anyOf at the top
level``, Google's ``Unsupported MIME type`` and references into a function's response.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

OPENAI_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
CLAUDE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
CLAUDE_KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
UNIONS = ("oneOf", "anyOf", "allOf")
GOOGLES_IMAGES = ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")


def openai_problems(tools: list[tuple[str, Any]]) -> Iterator[str]:
    """Problems of ``tools``, which are names and schemas."""
    for name, schema in tools:
        if not OPENAI_NAME.fullmatch(name):
            yield f"Invalid '{name[:80]}': string does not match pattern '^[a-zA-Z0-9_-]+$', or is too long."
        if isinstance(schema, dict):
            yield from (f"Invalid schema for function '{name}': {words}" for words in _openai_schema(schema, root=True))


def _openai_schema(schema: dict[str, Any], *, root: bool = False) -> Iterator[str]:
    if root and (schema.get("type") != "object" or any(word in schema for word in (*UNIONS, "enum", "not"))):
        yield "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."
    # Further in, OpenAI accepts it (community.openai.com/t/1368533).
    if root and schema.get("type") == "object" and "properties" not in schema:
        yield "object schema missing properties"
    if schema.get("type") == "array" and "items" not in schema:
        yield "array schema missing items"
    if re.search(r"\(\?<?[=!]", str(schema.get("pattern", ""))):
        yield "regex lookaround is not supported"
    if not _is_python(str(schema.get("pattern", ""))):
        yield f"{schema['pattern']!r} is not a 'regex'."
    if "propertyNames" in schema:
        yield "'propertyNames' is not permitted"
    for inner in _inside(schema):
        yield from _openai_schema(inner)


def _is_python(regex: str) -> bool:
    try:
        re.compile(regex)
    except re.error:
        return False
    return True


def claude_problems(tools: list[Any]) -> Iterator[str]:
    for at, tool in enumerate(tools):
        schema = tool.get("input_schema")
        if not isinstance(schema, dict):
            continue
        if not CLAUDE_NAME.fullmatch(tool.get("name", "")):
            yield f"tools.{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        if any(word in schema for word in UNIONS):
            yield f"tools.{at}.custom: input_schema does not support oneOf, allOf, or anyOf at the top level"
        for key in schema.get("properties") or {}:
            if not CLAUDE_KEY.fullmatch(key):
                yield f"tools.{at}.custom.input_schema: Property keys should match '^[a-zA-Z0-9_.-]{{1,64}}$'"


def gemini_problems(contents: list[Any]) -> Iterator[str]:
    for at, content in enumerate(contents):
        for part in content.get("parts") or ():
            kind = (part.get("inlineData") or {}).get("mimeType", "")
            if kind.startswith("image/") and kind not in GOOGLES_IMAGES:
                yield f"contents.{at}: Unsupported MIME type: {kind}"
            if "$ref" in str((part.get("functionResponse") or {}).get("response") and _keys(part["functionResponse"])):
                yield f"contents.{at}: a reference in a function response leads nowhere"


def _keys(value: Any) -> set[str]:
    match value:
        case dict():
            return set(value).union(*map(_keys, value.values()))
        case list():
            return set().union(*map(_keys, value))
        case _:
            return set()


def _inside(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in schema.items():
        if name in ("properties", "$defs") and isinstance(value, dict):
            yield from (inner for inner in value.values() if isinstance(inner, dict))
        elif name == "items" and isinstance(value, dict):
            yield value
        elif name in UNIONS and isinstance(value, list):
            yield from (inner for inner in value if isinstance(inner, dict))
