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
from nexus.protocols.messages.hosted import betas_in, has_systems
from nexus.provider.rejected import UNKNOWN, Rejectable, quirk_about, rejected_by
from nexus.wire import decode, mapping

_STATUSES = (400, 422, 500)
_ROLES, _DEFERRED = "no_system_role", "refuses_deferred"


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
    _DEFERRED: _row(
        r"\bdeferred custom tools are only supported\b",
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
_UNKNOWN_DEFERRED = pattern(r"\btools\W{1,3}\d.{0,20}\bdefer_loading\b.{0,20}not permitted")
_WRONG_USER = pattern(r"\buser_id\b.{0,40}\bdoes not match pattern")
"""DeepSeek's words about the JSON in which Claude Code names its session (awesome-deepseek-agent #67)."""

_NO_METADATA = quirk_about("metadata")
_MEMBERS = Rejectable(
    (
        *("context_management", "diagnostics", "metadata", "service_tier", "speed", "thinking.display"),
        *("tools.*.eager_input_streaming", "tools.*.input_examples"),
        *(
            f"{at}.*.cache_control.{name}"
            for at in ("system", "tools", "messages.*.content")
            for name in ("scope", "ttl")
        ),
    )
)
"""What Claude Code sends to every server and the answer does not depend on: 9router #1468, copilot-api #305, dotcraft
#282, claude-code #51700 and #31033. Anthropic's own API has the same words, for requests without the beta."""


def quirk_of(refused: VendorFailure, body: bytes, *, is_anthropic: bool) -> str | None:
    """The quirk that the error reveals, or None."""
    if refused.status not in _STATUSES:
        return None
    quirk = next((quirk for quirk, row in _ROWS.items() if row.words.search(refused.message)), None)
    if quirk is None and not is_anthropic:
        if _UNKNOWN_DEFERRED.search(refused.message):
            return _DEFERRED
        return _NO_METADATA if _WRONG_USER.search(refused.message) else _MEMBERS.quirk_of(refused, body)
    return None if quirk == _ROLES and not has_systems(mapping(decode(body))) else quirk


BETAS = "anthropic-beta"
_BETAS = "rejected betas: "
"""Begins the quirk of a server that rejects betas of the client's."""

_REJECTS = pattern(rf"{UNKNOWN}|\bsupport", re.IGNORECASE)


def betas_quirk(refused: VendorFailure, header: str) -> str | None:
    """The betas in the header that the error rejects; None if there are none. Sources: new-api #2975 and #4911,
    claude-code #53855, of gateways in front of other hosts of Claude; OpenRouter's words: cc-switch #1888."""
    if refused.status != 400 or not _REJECTS.search(refused.message):
        return None
    named = [beta for beta in betas_in(header, ()) if beta in refused.message]
    return _BETAS + ", ".join(named) if named else None


def accepted_betas(header: str, quirks: frozenset[str]) -> str:
    """The header without the betas that the server is known to reject."""
    rejected = {beta for quirk in quirks if quirk.startswith(_BETAS) for beta in quirk.removeprefix(_BETAS).split(", ")}
    return ",".join(beta for beta in betas_in(header, ()) if beta not in rejected) if rejected else header


def words_about(quirk: str) -> str:
    """The log message about a model's requests from now on."""
    return _ROWS[quirk].says if quirk in _ROWS else "members are refused; they are left out"


def with_quirks(target: Target, quirks: frozenset[str]) -> Target:
    """The target as the server is known to accept requests for it, in addition to what the target says already."""
    if not quirks:
        return target
    facts = {name: value for quirk in quirks if quirk in _ROWS for name, value in _ROWS[quirk].facts.items()}
    rejected = dict.fromkeys((*target.rejected, *(path for quirk in quirks for path in rejected_by(quirk))))
    return replace(target, claude=replace(target.claude, **facts), rejected=tuple(rejected))
