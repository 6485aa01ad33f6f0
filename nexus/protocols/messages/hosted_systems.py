"""System messages within a conversation for a Claude model without that role: marked text in the neighbouring user
turn.

Bytes of the client's other messages, and of the blocks next to the system's, stay unchanged. The turn that gets the
text stays one turn, with its tool results first, as the API requires after calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from nexus.protocols.messages.turn_controls import as_user_words
from nexus.protocols.rewrite import ANY, REMOVE, cut
from nexus.wire import Json, decode, encode, mapping, sequence

SAID = "messages.role"
"""How the change is reported."""


def has_systems(document: Mapping[str, Json]) -> bool:
    return any(map(_is_system, sequence(document.get("messages"))))


def systems_as_users(raw: bytes) -> bytes:
    messages = sequence(mapping(decode(raw)).get("messages"))
    verdicts: list[bytes | None] = [None] * len(messages)
    turns = groupby(range(len(messages)), lambda at: mapping(messages[at]).get("role") == "assistant")
    joined = [list(group) for is_assistant, group in turns if not is_assistant]
    joined = [places for places in joined if any(_is_system(messages[at]) for at in places)]
    if not joined:
        return raw
    spelled = _spelled(raw)
    for first, *rest in joined:
        blocks = [block for at in (first, *rest) for block in _blocks(messages[at], spelled[at])]
        # A stable order: only results move.
        blocks.sort(key=lambda block: mapping(decode(block)).get("type") != "tool_result")
        if blocks:
            verdicts[first] = b'{"role":"user","content":[%b]}' % b",".join(blocks)
            verdicts[first + 1 : first + 1 + len(rest)] = [REMOVE] * len(rest)
    numbers = iter(range(len(messages)))
    return cut(raw, {"messages": {ANY: lambda _: verdicts[next(numbers)]}})


def _is_system(message: Json) -> bool:
    return mapping(message).get("role") == "system"


def _spelled(raw: bytes) -> list[bytes]:
    met: list[bytes] = []
    cut(raw, {"messages": {ANY: met.append}})
    return met


def _blocks(message: Json, spelled: bytes) -> list[bytes]:
    """A message's content as blocks, those of a system message marked."""
    content = mapping(message).get("content")
    if isinstance(content, str):
        words = as_user_words(content) if _is_system(message) else content
        return [encode({"type": "text", "text": words})] if content else []
    if not isinstance(content, Sequence):
        return []
    met: list[bytes] = []
    rules: dict[str, Any] = {"content": {ANY: met.append}}
    cut(spelled, rules)
    return [_marked(block) for block in met] if _is_system(message) else met


def _marked(block: bytes) -> bytes:
    wire = mapping(decode(block))
    words = wire.get("text")
    return encode({**wire, "text": as_user_words(words)}) if isinstance(words, str) else block
