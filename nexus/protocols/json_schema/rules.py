"""Rules in a schema that some servers cannot compile, such as patterns: they become text of the description.

Sources: the 400s of OpenAI (``is not a 'regex'``, which means Python's: claude-code #92969, clodex #195, and ``regex
lookaround is not supported``: smartbear-mcp #491, vercel/ai #21037), DeepSeek (xLyra #71), Muse Spark (fleet-harness
#1140) and Command Code (relay-ai #75). November 2026.
"""

from __future__ import annotations

from collections.abc import Iterable

from nexus.conversation.parts import Tool
from nexus.dataclasses import replace
from nexus.late import pattern
from nexus.protocols.json_schema.roots import describe, keywords_in_words
from nexus.protocols.json_schema.walk import rebuilt
from nexus.wire import Json, decode, encode, text

_NOT_EVERYWHERE = pattern(r"\(\?[=!<]|(?<!\\)(?:\\\\)*\\(?:[ckpP\d]|u\{)")
"""What regular expressions have in JavaScript, but not at every vendor: lookaround, named groups, Unicode properties,
control characters, octal numbers and backreferences."""

_COMPILED = ("pattern", "format", "minLength", "maxLength", "minItems", "maxItems")


def is_refused(regex: Json) -> bool:
    """Whether some vendor cannot compile this ``pattern``."""
    return _NOT_EVERYWHERE.search(text(regex)) is not None


def move_to_description(schema: dict[str, Json], *keywords: str) -> None:
    words = keywords_in_words({keyword: schema.pop(keyword) for keyword in keywords})
    schema["description"] = describe(text(schema.get("description")), words)


def without_rules(schema: Json, path: str, lost: list[str]) -> Json:
    """The schema without rules that a server compiles into a grammar, which become text."""
    if not isinstance(schema, dict):
        return schema
    copy = rebuilt(schema, lambda one, below: without_rules(one, f"{path}.{below}", lost))
    if rules := [name for name in _COMPILED if name in copy]:
        lost += (f"{path}.{name}" for name in rules)
        move_to_description(copy, *rules)
    return copy


def plain_tools(tools: Iterable[Tool], lost: list[str]) -> tuple[Tool, ...]:
    """The tools with schemas without such rules."""
    return tuple(
        replace(tool, parameters=without_rules(tool.parameters, f"tools.{at}.parameters", lost))
        for at, tool in enumerate(tools)
    )


def encoded_without_rules(raw: bytes) -> bytes | None:
    """The same for a schema's own bytes; None if it has no such rule."""
    lost: list[str] = []
    schema = without_rules(decode(raw), "", lost)
    return encode(schema) if lost else None
