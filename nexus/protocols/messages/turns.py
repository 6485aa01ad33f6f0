"""The neutral messages -> the alternating turns that the Messages API requires.

Turns begin with the user and alternate; the results of tool calls are at the head of the next turn, in the order of the
calls; ids are valid; a system turn is only where the API allows one. Source: platform.claude.com, pages on tool use,
thinking and mid-conversation system messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from nexus.conversation.parts import Message, Text
from nexus.dataclasses import dataclass, field, replace
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.late import pattern
from nexus.models.claude import Claude
from nexus.protocols.checks import Drops
from nexus.protocols.messages.signatures import THINKING
from nexus.protocols.messages.turn_controls import as_user_words
from nexus.protocols.messages.write_parts import Block, write_blocks, write_cache
from nexus.protocols.tool_calls import ToolIds
from nexus.wire import Json, mapping, text

OPENING = "(The conversation begins with your own words.)"
"""The user turn before a history that begins with the assistant."""

_VALID_ID = pattern(r"[a-zA-Z0-9_-]{1,64}")


def call_ids() -> ToolIds:
    return ToolIds(_VALID_ID, "toolu_")


def container_id(holder: Mapping[str, Json]) -> str:
    """The container that a request continues in, or that an answer ran in; "" for none, or a new one."""
    container = holder.get("container")
    return text(container) or text(mapping(container).get("id"))


@dataclass(slots=True)
class Turn:
    role: str
    path: str
    blocks: list[Block] = field(default_factory=list)

    def of(self, kind: str) -> list[Block]:
        return [block for block in self.blocks if block["type"] == kind]


@dataclass(frozen=True, slots=True)
class Turns:
    """``leading`` are the blocks of the system text, and of system messages before all others."""

    leading: list[Block]
    turns: list[Turn]

    @property
    def prefill(self) -> bool:
        """Whether the vendor has to continue the assistant's last text."""
        return self.turns[-1].role == "assistant"

    @property
    def allows_budget(self) -> bool:
        """Whether a thinking budget is allowed: not with a prefill, and only if an open turn begins with its
        thinking."""
        talk = [turn for turn in self.turns if turn.role != "system"]
        if self.prefill:
            return False
        return not talk[-1].of("tool_result") or talk[-2].blocks[0]["type"] in THINKING

    def wire(self) -> list[Json]:
        return [{"role": turn.role, "content": turn.blocks} for turn in self.turns]


def write_turns(system: list[Block], messages: tuple[Message, ...], claude: Claude, drops: Drops) -> Turns:
    """``system`` are the blocks before the first message."""
    leading, turns = _written(messages, claude, drops)
    leading = system + leading
    turns = _trimmed(turns, drops)
    turns = _merged(_with_systems_placed(turns, takes_role=claude.system_role))
    if not (turns or leading):
        raise InvalidRequest.about("messages", "there is no content to send")
    if not turns:
        # The API requires a turn: instructions alone become one.
        return Turns([], [Turn("user", "messages", leading)])
    if turns[0].role == "assistant":
        turns.insert(0, Turn("user", turns[0].path, [{"type": "text", "text": OPENING}]))
    _answer_calls(turns)
    _finish(turns[-1], claude)
    return Turns(leading, turns)


def _written(messages: tuple[Message, ...], claude: Claude, drops: Drops) -> tuple[list[Block], list[Turn]]:
    leading: list[Block] = []
    turns: list[Turn] = []
    for at, message in enumerate(messages):
        turn = _turn(message, f"messages.{at}", claude, drops)
        if message.role == "system" and not turns:
            leading += turn.blocks
        elif turn.blocks:
            turns.append(turn)
    return leading, turns


def _turn(message: Message, path: str, claude: Claude, drops: Drops) -> Turn:
    if message.name is not None:
        drops.add("messages.name")
    turn = Turn(message.role, path)
    for at, part in enumerate(message.parts):
        blocks = write_blocks(part, message.role, f"{path}.content.{at}", claude, drops)
        turn.blocks += blocks
        if not blocks and isinstance(part, Text) and turn.blocks and turn.blocks[-1]["type"] not in THINKING:
            # The breakpoint of an empty text moves to the block before it: the cached prefix is the same.
            turn.blocks[-1] = write_cache(part.cache) | turn.blocks[-1]
    return turn


def _with_systems_placed(turns: list[Turn], *, takes_role: bool) -> list[Turn]:
    """System turns where the API allows one (after the user, before the assistant or the end), else user text."""
    placed: list[Turn] = []
    following = [*(turn.role for turn in turns if turn.role != "system"), "assistant"][::-1]
    for turn in turns:
        if turn.role != "system":
            placed.append(turn)
            following.pop()
            continue
        before = placed[-1].role if placed else ""
        if takes_role and before in ("user", "system") and following[-1] == "assistant":
            placed.append(turn)
        else:
            blocks = [block | {"text": as_user_words(block["text"])} for block in turn.blocks]
            placed.append(Turn("user", turn.path, blocks))
    return placed


def _trimmed(turns: list[Turn], drops: Drops) -> list[Turn]:
    """Removes thinking at the end of the assistant's turns, which the API rejects, and turns without content."""
    kept: list[Turn] = []
    for turn in reversed(turns):
        is_last = not kept or kept[-1].role != "assistant"
        while turn.role == "assistant" and is_last and turn.blocks and turn.blocks[-1]["type"] in THINKING:
            turn.blocks.pop()
            drops.add("reasoning")
        if turn.blocks:
            kept.append(turn)
    return kept[::-1]


def _merged(turns: list[Turn]) -> list[Turn]:
    groups = ((role, list(group)) for role, group in groupby(turns, lambda turn: turn.role))
    return [replace(group[0], blocks=_joined([turn.blocks for turn in group], role)) for role, group in groups]


def _joined(turns: list[list[Block]], role: str) -> list[Block]:
    """The blocks of consecutive turns: text of the assistant after calls of an earlier message goes before them."""
    joined: list[Block] = []
    calls: list[Block] = []
    for blocks in turns:
        after_calls = False
        for block in blocks:
            if role == "assistant" and block["type"] == "tool_use":
                calls.append(block)
                after_calls = True
            elif after_calls:
                joined += [*calls, block]
                calls, after_calls = [], False
            else:
                joined.append(block)
    return joined + calls


def _answer_calls(turns: list[Turn]) -> None:
    """Puts a turn's results first, in the order of their calls, and sets the ids of both."""
    ids = call_ids()
    order: dict[str, int] = {}
    for turn in turns:
        for call in turn.of("tool_use"):
            order[call["id"]] = len(order)
            call["id"] = ids[call["id"]]
        if results := turn.of("tool_result"):
            results.sort(key=lambda result: order[result["tool_use_id"]])
            for result in results:
                result["tool_use_id"] = ids[result["tool_use_id"]]
            turn.blocks = results + [block for block in turn.blocks if block["type"] != "tool_result"]


def _finish(last: Turn, claude: Claude) -> None:
    """The model continues a final assistant turn: it must not end in white space."""
    if last.role != "assistant":
        return
    if not claude.prefill:
        raise UnsupportedFeature.about(
            last.path, "this model does not continue an assistant message; end with a user message"
        )
    words = last.blocks[-1]
    if words["type"] == "text":
        words["text"] = words["text"].rstrip()
