"""Results of Anthropic's server tools in the history, for a host of Claude that runs none but tool search and rejects
the blocks of the others.

A session that began at Anthropic would be lost at such a host. The readable part of a result becomes text of the
assistant in the same place, together with what its call asked for; the call itself and citations of its pages are
removed. A message keeps its other blocks byte for byte: splitting it, as for other vendors, would separate tool calls
from the thinking that must come before them. Sources: Anthropic's page on Claude in Amazon Bedrock, features; reports
of the 400 (coder #26555).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from nexus.protocols.checks import Drops
from nexus.protocols.messages.server_tools import CALLS, RESULTS, is_wordless, words_of
from nexus.protocols.rewrite import ANY, REMOVE, cut
from nexus.wire import Json, decode, encode, mapping, sequence, text

_MARKS = tuple(f'"{kind}"'.encode() for kind in CALLS)
_NOTHING = "(A tool was called; there is no result.)"
_PAGES = b'"web_search_result_location"'


def without_server_tools(raw: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The body with such blocks as text, and the names of what was changed."""
    if not any(mark in raw for mark in _MARKS):
        return raw, ()
    drops = Drops()
    body = cut(raw, {"messages": {ANY: partial(_message, drops)}})
    return body, drops.names


def _message(drops: Drops, value: bytes) -> bytes | None:
    if not any(mark in value for mark in _MARKS):
        return None
    blocks = [mapping(block) for block in sequence(mapping(decode(value)).get("content"))]
    calls = {text(block.get("id")): block for block in blocks if _is_call(block)}
    if not calls:
        return None
    judge = partial(_block, drops, calls)
    if all(map(_is_call, blocks)):
        judge(encode(blocks[0]))
        return cut(value, {"content": lambda _: encode([{"type": "text", "text": _NOTHING}])})
    uncited = cut(value, {"content": {ANY: {"citations": lambda cited: REMOVE if _PAGES in cited else None}}})
    return cut(uncited, {"content": {ANY: judge}})


def _is_call(block: Mapping[str, Json]) -> bool:
    return block.get("type") in CALLS and not is_wordless(block)


def _block(drops: Drops, calls: Mapping[str, Mapping[str, Json]], value: bytes) -> bytes | None:
    block = mapping(decode(value))
    kind = text(block.get("type"))
    if _is_call(block):
        drops.add(f"messages.content.{kind}")
        return REMOVE
    if kind not in RESULTS:
        return None
    drops.add(f"messages.content.{kind}")
    call = calls.get(text(block.get("tool_use_id")), {})
    asked = encode(call["input"]).decode() if call.get("input") else ""
    words = words_of(block.get("content")) or "nothing"
    told = f"Result of {text(call.get('name')) or kind}{f' for {asked}' if asked else ''}:\n{words}"
    kept = {"cache_control": block["cache_control"]} if block.get("cache_control") else {}
    return encode({"type": "text", "text": told, **kept})
