"""What system messages among the others may carry besides text: tools that come and go, efforts, a time to live.

Who takes these natively gets them as they are; for everybody else they are said in words or left out, and
named. Source: anthropic.types.beta BetaSystemMessageParam (SDK 2.12); Claude Code 2.1.332 sends them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.protocols.edit import insert_first
from nexus.protocols.rewrite import REMOVE, cut
from nexus.wire import Json, encode, mapping, sequence, text

TOOL_CHANGES = ("tool_addition", "tool_removal")


def as_user_words(words: str) -> str:
    """What a system message says, in a turn of the user's."""
    return f"<system>\n{words}\n</system>"


def is_cleared(messages: Sequence[Json], at: int) -> bool:
    """Whether the system message at this place is shown no more: a user has spoken since, which ended it."""
    if mapping(messages[at]).get("clear_at") != "next_user_message":
        return False
    return any(mapping(later).get("role") == "user" for later in messages[at + 1 :])


def is_silent(message: Json) -> bool:
    """Whether a message of the user or the system has no content at all, which is legal beside other fields."""
    turn = mapping(message)
    return turn.get("role") in ("user", "system") and turn.get("content") is None


def in_words(block: Json) -> str | None:
    """What a change of tools says to the model; None for any other block."""
    change = mapping(block)
    kind = change.get("type")
    if kind not in TOOL_CHANGES:
        return None
    tool = mapping(change.get("tool"))
    name = text(tool.get("name")) or text(mapping(tool.get("definition")).get("name")) or text(tool.get("server_name"))
    if kind == "tool_removal" or tool.get("type") == "tool_definition":
        return f"The tool {name} is not available from here on."
    return f"The tool {name} is available from here on."


def last_effort(messages: Json) -> str | None:
    """The effort that holds for the next answer, where a system message sets one."""
    efforts = (mapping(mapping(message).get("output_config")).get("effort") for message in _systems(messages))
    return next((effort for effort in efforts if isinstance(effort, str)), None)


def _systems(messages: Json) -> list[Mapping[str, Json]]:
    """The system messages, the last one first."""
    met = [mapping(message) for message in sequence(messages)]
    return [message for message in reversed(met) if message.get("role") == "system"]


def with_effort(raw: bytes, document: Mapping[str, Json], effort: str) -> bytes:
    """The body with this effort for its answer, whether or not it had one; ``document`` is its decoded form."""
    level, config = encode(effort), document.get("output_config")
    if mapping(config).get("effort") is not None:
        return cut(raw, {"output_config": {"effort": lambda _: level}})
    added = b'{"effort":%b}' % level
    if config is None:
        raw = cut(raw, {"output_config": lambda _: REMOVE}) if "output_config" in document else raw
        return insert_first(raw, "output_config", added)
    if not isinstance(config, dict):
        return raw
    return cut(raw, {"output_config": lambda value: insert_first(value, "effort", level) if config else added})
