"""Servers that cannot defer tools, which Claude Code requests of every endpoint: the tools that the conversation has
found or called are sent like any other, or all if Anthropic's search was to find them, which such servers lack; what
found them becomes text. A translation does the same.
OpenRouter's words: claude-code #89211, August 2026.
"""

from __future__ import annotations

from nexus.protocols.messages.read_parts import found_tool
from nexus.protocols.messages.read_tools import is_search, known_tools
from nexus.protocols.rewrite import ANY, REMOVE, Edited, Rules, cut, remove
from nexus.wire import decode, encode, mapping, sequence, text


def loaded(raw: bytes) -> Edited:
    """The request as such a server accepts it."""
    document = mapping(decode(raw))
    known = known_tools(document)
    searched = any(map(is_search, map(mapping, sequence(document.get("tools")))))

    def judge_tool(value: bytes) -> bytes | None:
        wire = mapping(decode(value))
        if is_search(wire):
            return REMOVE
        if wire.get("defer_loading") is not True:
            return None
        is_sent = searched or text(wire.get("name")) in known
        return cut(value, {"defer_loading": remove}) if is_sent else REMOVE

    rules: Rules = {"tools": {ANY: judge_tool}, "messages": {ANY: {"content": {ANY: {"content": {ANY: _as_text}}}}}}
    return Edited(raw).without(rules, "tools.defer_loading")


def _as_text(value: bytes) -> bytes | None:
    block = mapping(decode(value))
    if block.get("type") != "tool_reference":
        return None
    return encode({"type": "text", "text": found_tool(text(block.get("tool_name")))})
