"""What compatible servers reject in a conversation: the request is sent again without it, and so are later ones for the
model.

System messages inside a conversation become text of the user's turns: Claude Code sends none again only after a 400 in
words that it knows (colibri #725), and these servers use others. Thinking is switched off where it is rejected
(``messages/needed_thinking``). Sources: llama.cpp #27367 (a 500 from Qwen's template), vLLM #41114, #48874 and #57324
(tools of Claude Code that a system message adds), QwenLM/Qwen #2244, claude-code #63469, kiro-gateway #197; Kimi's
words: oh-my-pi #1077, claude-code #69379; Alibaba's: claude-code #29531; DeepSeek's about a tool of Claude Code:
cc-switch #7236; MiniMax's: MiniMax-M2.7 #43; SenseNova's: Codewhale #4978; LM Studio's about Claude Code's tools:
lmstudio-bug-tracker #2220 and #2236.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nexus.dataclasses import dataclass, replace
from nexus.errors.failure import VendorFailure
from nexus.late import pattern
from nexus.protocols.codec import Target
from nexus.protocols.messages.hosted import has_systems
from nexus.provider.rejected import with_rejected
from nexus.wire import decode, mapping

_STATUSES = (400, 422, 500)
_ROLES = "no_system_role"


@dataclass(frozen=True, slots=True)
class _Row:
    """``words`` are those of the error, ``facts`` what is then known about the model, ``says`` what the log says."""

    words: re.Pattern[str]
    facts: Mapping[str, Any]
    says: str


def _row(words: str, says: str, **facts: Any) -> _Row:
    return _Row(pattern(words, re.IGNORECASE | re.DOTALL), facts, says)


# Anthropic's own words differ: its clients see its refusals.
_ROWS: Mapping[str, _Row] = {
    "strict_thinking": _row(
        r"\bthinking\b.{0,60}\b(must be passed back|cannot be disabled when reasoning_effort)\b"
        r"|support this tool_choice|tool_choice\b.{0,30}incompatible with thinking",
        "thinking is refused with forced tools and with calls that lack theirs; it is switched off there",
        strict_thinking=True,
    ),
    "needs_thinking": _row(
        r"\bthinking\b.{0,20}\bonly type=enabled is allowed",
        "thinking is required; the minimum is requested where the client requests none",
        needs_thinking=True,
    ),
    "refuses_adaptive": _row(
        r"\bthinking\b.{0,40}\badaptive\W{1,3}is not\s+supported|\btype\W{1,2}must be in \[\W?enabled\b",
        "adaptive thinking is refused; a budget is requested",
        refuses_adaptive=True,
    ),
    "plain_tools": _row(
        r"\bis not a \W?regex|\bpars(e|ing) grammar\b",
        "patterns and lengths in tools' schemas are refused; they become text",
        plain_tools=True,
    ),
    "refuses_deferred": _row(
        r"\bdeferred custom tools are only supported\b|\btools\W{1,3}\d.{0,20}\bdefer_loading\b.{0,20}not permitted",
        "deferred tools are refused; those that a conversation has found are sent",
        refuses_deferred=True,
    ),
    _ROLES: _row(
        r"system message must be (at the beginning|the first|first)|invalid message role: system"
        r"|roles are supported, got system|\brole\b.{0,60}\buser\W{1,3}or\W{1,3}assistant\b"
        r"|\binput should be .{0,600}\btool_(addition|removal)\b",
        "system messages within a conversation are refused; they become user text",
        system_role=False,
        refuses_system=True,
    ),
}
LEARNED = {quirk: row.says for quirk, row in _ROWS.items()}
"""What a model's server rejected, each with the log message about its requests from now on."""


def quirk_of(refused: VendorFailure, body: bytes) -> str | None:
    """The quirk that the error reveals, or None."""
    if refused.status not in _STATUSES:
        return None
    quirk = next((quirk for quirk, row in _ROWS.items() if row.words.search(refused.message)), None)
    return None if quirk == _ROLES and not has_systems(mapping(decode(body))) else quirk


def with_quirks(target: Target, quirks: frozenset[str]) -> Target:
    """The target as the server is known to accept requests for it, in addition to what the target says already."""
    if not quirks:
        return target
    facts = {name: value for quirk in quirks & LEARNED.keys() for name, value in _ROWS[quirk].facts.items()}
    return replace(with_rejected(target, quirks), claude=replace(target.claude, **facts))
