"""Claude's thinking in a history that Claude does not accept back: it was made in another conversation, because the
client changed the system prompt, the tools or an earlier message, or in another account.

A client of another protocol cannot know that Claude checks this, and a client of a model with several places cannot
know where an answer came from, so the answer is requested without that thinking, on every host. Source:
platform.claude.com, "Prefix checks on thinking blocks" (from Fable 5.1, Opus 5.5, Sonnet 5.5 and Haiku 5.5 on, November
2026); the 400 in opencode #48637.
"""

from __future__ import annotations

from nexus.dataclasses import replace
from nexus.errors.failure import VendorFailure
from nexus.late import pattern
from nexus.protocols.codec import Target
from nexus.provider.request import ProviderRequest, Without

_REFUSAL = pattern("[Ii]nvalid .?signature.? in .?(redacted_)?thinking.? block")


def without_bound(refused: VendorFailure, request: ProviderRequest) -> Without | None:
    if request.dialect != "messages" or refused.status != 400 or not _REFUSAL.search(refused.message):
        return None
    return Without("thinking of another conversation", _change, moved=True)


def _change(target: Target) -> Target:
    return replace(target, claude=replace(target.claude, takes_thinking=False))
