"""Levels of thinking, and the nearest one that a model has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

from nexus.conversation.parts import Effort, Thinking

OFF: Final = "none"
LEVELS: Final[tuple[str, ...]] = (OFF, *get_args(Effort))
"""Every word that a vendor knows, least first."""

PLAIN: Final[tuple[str, ...]] = ("low", "medium", "high", "xhigh", "max")
"""Those of a server without ``none``, which may not know ``minimal`` either."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """``level`` is what the model is asked for, None where it decides; ``lost`` names what it cannot do as asked."""

    level: str | None
    lost: str | None = None


def nearest(wanted: str, offered: Sequence[str]) -> str:
    """The level of ``offered`` that is nearest, the lower one of two; who wants thinking never gets ``none``."""
    at = LEVELS.index(wanted)
    thinking = [level for level in offered if level != OFF or wanted == OFF]
    return min(thinking, key=lambda level: (abs(LEVELS.index(level) - at), LEVELS.index(level)))


def choose(thinking: Thinking, asked: str | None, offered: Sequence[str]) -> Chosen:
    """What a model with the levels ``offered`` is asked for; ``asked`` is the effort that ``thinking`` comes to.

    Thinking that is off is the vendor's off, else its least level.
    """
    if not thinking.enabled:
        return Chosen(OFF) if OFF in offered else Chosen(nearest("minimal", offered), "thinking")
    if asked is None:
        return Chosen(None)
    level = nearest(asked, offered)
    return Chosen(level, None if level == asked or thinking.effort is None else "thinking.effort")
