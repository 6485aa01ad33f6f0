"""Google's ``thinkingConfig``, which Gemini clients send, and chat clients of Google's compatibility layer.

Google rejects a level together with a budget. Sources: ai.google.dev/gemini-api/docs/thinking;
ai.google.dev/gemini-api/docs/gemini-3.
"""

from __future__ import annotations

from nexus.conversation.parts import Effort, Thinking
from nexus.dataclasses import dataclass
from nexus.models.efforts import GOOGLE_LEVELS
from nexus.protocols.checks import Body, Drops, googles_whole, join, maybe_bool, maybe_string, one_of, wrong

_DYNAMIC = -1


@dataclass(frozen=True, slots=True)
class ThinkingKeys:
    """The members, as the client's dialect spells them."""

    include: str
    budget: str
    level: str


def read_thinking_config(wire: Body, names: ThinkingKeys, at: str, drops: Drops) -> tuple[Thinking | None, bool | None]:
    """The thinking that ``wire`` requests, or None; and whether the answer is to include the thoughts, by default not.
    Raises InvalidRequest."""
    drops.unknown(wire, (names.include, names.budget, names.level), at)
    include = maybe_bool(wire, names.include, at)
    budget = googles_whole(wire, names.budget, at)
    level = _read_level(maybe_string(wire, names.level, at), join(at, names.level))
    if budget is not None and level is not None:
        raise wrong(at, f"{names.level} or {names.budget}, not both")
    if budget is not None and budget < _DYNAMIC:
        raise wrong(join(at, names.budget), "a number of tokens, or -1")
    if budget == 0:
        return Thinking(False), include
    if budget is None and level is None:
        return None, include
    return Thinking(True, budget=None if budget == _DYNAMIC else budget, effort=level, visible=bool(include)), include


def _read_level(given: str | None, path: str) -> Effort | None:
    level = (given or "").upper().removeprefix("THINKING_LEVEL_")
    if level in ("", "UNSPECIFIED"):
        return None
    if level not in GOOGLE_LEVELS:
        raise wrong(path, one_of(GOOGLE_LEVELS))
    return GOOGLE_LEVELS[level]
