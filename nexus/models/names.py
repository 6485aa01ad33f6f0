"""The one parser of model names: which family and version a vendor's or a host's id of a model tells."""

from __future__ import annotations

import re
from dataclasses import dataclass

Version = tuple[int, int]

_NEW = re.compile(r"claude-(opus|sonnet|haiku|fable|mythos)-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_OLD = re.compile(r"claude-(\d)(?:[-.](\d))?-(opus|sonnet|haiku)")
_OLDEST = re.compile(r"claude-(?:instant|v?[12])(?!\d)")


@dataclass(frozen=True, slots=True)
class ClaudeName:
    """``name`` is the id in lower case; ``family`` is empty and ``version`` None where it does not tell."""

    name: str
    family: str = ""
    version: Version | None = None


def claude_name(model: str) -> ClaudeName | None:
    """A Claude by any host's id: ``claude-opus-4-5``, ``claude-3.7-sonnet``, ``us.anthropic.claude-...-v1:0``, an ARN
    that holds one; None for a name that is not Claude's."""
    name = model.lower()
    if "claude" not in name:
        return None
    if new := _NEW.search(name):
        return ClaudeName(name, new[1], (int(new[2]), int(new[3] or 0)))
    if old := _OLD.search(name):
        return ClaudeName(name, old[3], (int(old[1]), int(old[2] or 0)))
    if _OLDEST.search(name):
        return ClaudeName(name, "", (2, 0))
    return ClaudeName(name, "mythos" if "mythos" in name else "")
