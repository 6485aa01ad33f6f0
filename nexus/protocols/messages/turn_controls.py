"""What system messages within a conversation may contain besides text: added and removed tools, efforts, a time to
live.

Models that support these natively get them unchanged; for all others they become text or are dropped, and reported.
Source: anthropic.types.beta BetaSystemMessageParam (SDK 2.12); Claude Code 2.1.332 sends them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.protocols.edit import insert_first, set_member
from nexus.protocols.rewrite import cut
from nexus.wire import Json, encode, mapping, sequence, text

TOOL_CHANGES = ("tool_addition", "tool_removal")


def as_user_words(words: str) -> str:
    """The text of a system message, in a user turn."""
    return f"<system>\n{words}\n</system>"


def cleared(messages: Sequence[Json]) -> list[int]:
    """The positions of the messages that no longer apply, because a later user message ended them."""
    clearing = [at for at, message in enumerate(messages) if mapping(message).get("clear_at") == "next_user_message"]
    users = reversed(range(len(messages))) if clearing else ()
    last = next((at for at in users if mapping(messages[at]).get("role") == "user"), 0)
    return [at for at in clearing if at < last]


def is_silent(message: Json) -> bool:
    """Whether a user or system message has no content at all, which is valid together with other fields."""
    turn = mapping(message)
    return turn.get("role") in ("user", "system") and turn.get("content") is None


def in_words(block: Json) -> str | None:
    """A change of tools as text for the model; None for any other block."""
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
    """The effort for the next answer, if a system message sets one."""
    efforts = (mapping(mapping(message).get("output_config")).get("effort") for message in _systems(messages))
    return next((effort for effort in efforts if isinstance(effort, str)), None)


def _systems(messages: Json) -> list[Mapping[str, Json]]:
    turns = [mapping(message) for message in sequence(messages)]
    return [message for message in reversed(turns) if message.get("role") == "system"]


def with_effort(raw: bytes, document: Mapping[str, Json], effort: str) -> bytes:
    """The body with this effort for its answer, replacing any other; ``document`` is its decoded form."""
    level, config = encode(effort), document.get("output_config")
    if config in (None, {}):
        return set_member(raw, document, "output_config", {"effort": effort})
    if not isinstance(config, dict):
        return raw
    if "effort" in config:
        return cut(raw, {"output_config": {"effort": lambda _: level}})
    return cut(raw, {"output_config": lambda value: insert_first(value, "effort", level)})
