"""The conversation as alternating Converse turns.

Turns alternate, the first is the user's, and every turn has content. Consecutive messages of one role are merged.
Inside an assistant's turn tool calls come last, inside a user's turn their results come first and in the calls' order,
and for some models what is beside them becomes a turn of its own; everything else keeps its order. A system message
inside the conversation keeps its place as marked user text: the service model has a role for it, but no model on
Converse accepts it. Source: the bedrock-runtime service model and its 400s.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from nexus.conversation.parts import Message, Request
from nexus.dataclasses import dataclass, field
from nexus.models.bedrock import MOST_CACHE_POINTS
from nexus.protocols.checks import wrong
from nexus.protocols.converse.draft import Draft
from nexus.protocols.converse.write_parts import marked, text_blocks, write_part
from nexus.wire import Json, mapping

PLACEHOLDER = "(no message)"
"""First message of a conversation that does not begin with the user, as Bedrock requires, and what separates the halves
of a turn that the model does not accept as one."""

BlockGroup = list[Json]
"""Blocks that stay together: one part with its cachePoint, or the blocks next to a result."""


@dataclass(slots=True)
class _Turn:
    role: str
    units: list[BlockGroup] = field(default_factory=list)


def _write_system(request: Request, draft: Draft) -> list[Json]:
    """The system field; empty for models without it, whose conversation then begins with the text."""
    if not draft.model.system:
        return []
    blocks: list[Json] = []
    for text in request.system:
        blocks += text_blocks(text.text) + draft.cache_point(text.cache)
    return _tidy(blocks)


def write_conversation(request: Request, draft: Draft) -> tuple[list[Json], list[Json]]:
    """The system field and the messages. Raises InvalidRequest, UnsupportedFeature."""
    if not request.messages and not request.system:
        raise wrong("messages", "at least one message")
    system, turns = _write_system(request, draft), list[_Turn]()
    if not draft.model.system:
        _add(turns, "user", [text_blocks(marked(text.text)) for text in request.system if text.text.strip()])
    for number, message in enumerate(request.messages):
        if message.name is not None:
            draft.drops.add("name")
        role = "assistant" if message.role == "assistant" else "user"
        _add(turns, role, _units(message, f"messages.{number}", draft))
    if system and not turns:
        # Bedrock requires a turn: instructions alone become one.
        system, turns = [], [_Turn("user", [system])]
    if not turns or turns[0].role != "user":
        turns.insert(0, _Turn("user", [[{"text": PLACEHOLDER}]]))
    calls: list[str] = []
    written: list[Json] = []
    for turn in turns:
        written += _messages(turn.role, _content(turn, calls), draft)
        calls = [_call_id(unit, "toolUse") for unit in turn.units if _call_id(unit, "toolUse")]
    _limit_cache_points([system, *(message["content"] for message in written)], draft)
    return system, written


def _add(turns: list[_Turn], role: str, units: list[BlockGroup]) -> None:
    """Blank messages are left out, and their neighbours merged; a blank text's cachePoint joins what came before it."""
    for unit in units:
        if not unit:
            continue
        if "cachePoint" in unit[0]:
            if turns:
                turns[-1].units[-1] += unit
            continue
        if not turns or turns[-1].role != role:
            turns.append(_Turn(role))
        turns[-1].units.append(unit)


def _units(message: Message, path: str, draft: Draft) -> list[BlockGroup]:
    parts = enumerate(message.parts)
    written = (write_part(part, message.role, f"{path}.content.{number}", draft) for number, part in parts)
    return [unit for blocks in written for unit in _split_result(blocks)]


def _split_result(blocks: BlockGroup) -> list[BlockGroup]:
    """A result with its cachePoint, and the blocks after it, which must come after all results."""
    own = sum("toolResult" in block or "cachePoint" in block for block in blocks)
    return [blocks[:own], blocks[own:]] if 0 < own < len(blocks) and "toolResult" in blocks[0] else [blocks]


def _content(turn: _Turn, calls: Sequence[str]) -> list[Json]:
    """The turn's blocks in the order that Bedrock requires; ``calls`` are the ids of the turn before."""
    if turn.role == "assistant":
        units = sorted(turn.units, key=lambda unit: bool(_call_id(unit, "toolUse")))
        return _tidy([block for unit in units for block in unit])
    order = {call: number for number, call in enumerate(calls)}
    results = [unit for unit in turn.units if _call_id(unit, "toolResult")]
    results.sort(key=lambda unit: order.get(_call_id(unit, "toolResult"), len(order)))
    others = [unit for unit in turn.units if not _call_id(unit, "toolResult")]
    blocks = [block for unit in results + others for block in unit]
    return _tidy(_with_text(blocks))


def _messages(role: str, blocks: list[Json], draft: Draft) -> list[Json]:
    """A turn as one message, or as two if the model accepts tool calls and results only by themselves."""
    halves = [list(half) for _, half in groupby(blocks, key=lambda block: "toolUse" in block or "toolResult" in block)]
    if draft.model.mixed_turns or len(halves) == 1:
        return [{"role": role, "content": blocks}]
    between = {"role": "user" if role == "assistant" else "assistant", "content": [{"text": PLACEHOLDER}]}
    first, second = ({"role": role, "content": half} for half in halves)
    return [first, between, second]


def _call_id(unit: BlockGroup, kind: str) -> str:
    """The tool call id of the unit's block of that kind, or ""."""
    return str(mapping(mapping(unit[0]).get(kind)).get("toolUseId", ""))


def _with_text(blocks: list[Json]) -> list[Json]:
    """Bedrock rejects a message with a document but no text; the document's name is added as text."""
    names = [block["document"]["name"] for block in blocks if "document" in block]
    if not names or any("text" in block for block in blocks):
        return blocks
    return [*blocks, {"text": f"Attached: {', '.join(names)}"}]


def _tidy(blocks: list[Json]) -> list[Json]:
    """Removes cachePoints that end nothing: at the start, and after another one."""
    tidy: list[Json] = []
    for block in blocks:
        if "cachePoint" in block and (not tidy or "cachePoint" in tidy[-1]):
            continue
        tidy.append(block)
    return tidy


def _limit_cache_points(contents: list[list[Json]], draft: Draft) -> None:
    """Removes the first cachePoints if there are more than Bedrock accepts."""
    points = [id(block) for blocks in contents for block in blocks if "cachePoint" in block]
    if first := frozenset(points[:-MOST_CACHE_POINTS]):
        draft.drops.add("cache")
        for blocks in contents:
            blocks[:] = [block for block in blocks if id(block) not in first]
