"""Results of server tools in the history that Claude would reject: Anthropic's at a host that runs none but tool
search, and those of another vendor's servers anywhere.

Such a session could not go on. The readable part of a result becomes text of the assistant in the same place, together
with what its call asked for; the call itself and citations of its pages are removed. A message keeps its other blocks
byte for byte: splitting it, as for other vendors, would separate tool calls from the thinking that must come before
them. Sources: Anthropic's page on Claude in Amazon Bedrock, features; reports of the 400 (coder #26555); for the ids of
other vendors, claude-code-hub #470.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from nexus.late import pattern
from nexus.protocols.checks import Drops
from nexus.protocols.messages.server_tools import CALLS, RESULTS, is_wordless, words_of
from nexus.protocols.rewrite import ANY, REMOVE, Edited, cut
from nexus.wire import Json, decode, encode, mapping, sequence, text

_MARKS = tuple(f'"{kind}"'.encode() for kind in CALLS)
_ANTHROPICS = pattern(r"srvtoolu_[a-zA-Z0-9_]+")
_NOTHING = "(A tool was called; there is no result.)"
_PAGES = b'"web_search_result_location"'


def without_server_tools(raw: bytes) -> Edited:
    """The body with such blocks as text, and the names of what was changed."""
    return _without(raw, _is_call, lambda calls, block: block.get("type") in RESULTS)


def without_foreign_calls(raw: bytes) -> Edited:
    """The same, only for calls whose ids Anthropic did not make."""
    return _without(raw, _is_foreign, lambda calls, block: _names(calls, block.get("tool_use_id")))


Block = Mapping[str, Json]
_Calls = Mapping[str, Block]
_IsCall = Callable[[Block], bool]
_IsResult = Callable[[_Calls, Block], bool]


def _without(raw: bytes, is_call: _IsCall, is_result: _IsResult) -> Edited:
    if not any(mark in raw for mark in _MARKS):
        return Edited(raw)
    drops, calls = Drops(), dict[str, Block]()
    body = cut(raw, {"messages": {ANY: partial(_message, drops, calls, is_call, is_result)}})
    return Edited(body, drops.names)


def _message(
    drops: Drops, calls: dict[str, Block], is_call: _IsCall, is_result: _IsResult, value: bytes
) -> bytes | None:
    """``calls`` are those so far: code that calls a client's tool has its result in a later message."""
    if not calls and not any(mark in value for mark in _MARKS):
        return None
    blocks = [mapping(block) for block in sequence(mapping(decode(value)).get("content"))]
    calls |= {text(block.get("id")): block for block in blocks if is_call(block)}
    if not calls or not blocks:
        return None
    judge = partial(_block, drops, calls, is_result)
    if all(map(is_call, blocks)):
        judge(encode(blocks[0]))
        return cut(value, {"content": lambda _: encode([{"type": "text", "text": _NOTHING}])})
    uncited = cut(value, {"content": {ANY: {"citations": lambda cited: REMOVE if _PAGES in cited else None}}})
    return cut(uncited, {"content": {ANY: judge}})


def _is_call(block: Block) -> bool:
    return block.get("type") in CALLS and not is_wordless(block)


def _is_foreign(block: Block) -> bool:
    return block.get("type") == "server_tool_use" and not _ANTHROPICS.fullmatch(text(block.get("id")))


def _names(calls: _Calls, id: Json) -> bool:
    return bool(text(id)) and text(id) in calls


def _block(drops: Drops, calls: _Calls, is_result: _IsResult, value: bytes) -> bytes | None:
    block = mapping(decode(value))
    kind = text(block.get("type"))
    if kind in CALLS and text(block.get("id")) in calls:
        drops.add(f"messages.content.{kind}")
        return REMOVE
    if _names(calls, mapping(block.get("caller")).get("tool_id")):
        return cut(value, {"caller": lambda _: REMOVE})
    if not is_result(calls, block):
        return None
    drops.add(f"messages.content.{kind}")
    call = calls.get(text(block.get("tool_use_id")), {})
    arguments = encode(call["input"]).decode() if call.get("input") else ""
    words = words_of(block.get("content")) or "nothing"
    result = f"Result of {text(call.get('name')) or kind}{f' for {arguments}' if arguments else ''}:\n{words}"
    kept = {"cache_control": block["cache_control"]} if block.get("cache_control") else {}
    return encode({"type": "text", "text": result, **kept})
