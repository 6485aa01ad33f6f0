"""What compatible servers reject in a conversation: the request is sent again without it, and so are later ones for the
model.

System messages inside a conversation become text of the user's turns: Claude Code sends none again only after a 400 in
words that it knows (colibri #725), and these servers use others. Thinking is switched off where it is rejected
(``messages/needed_thinking``). Sources: llama.cpp #27367 (a 500 from Qwen's template), vLLM #41114, #48874 and #57324
(tools of Claude Code that a system message adds), QwenLM/Qwen #2244, claude-code #63469, kiro-gateway #197; Kimi's
words: oh-my-pi #1077, claude-code #69379; Alibaba's: claude-code #29531; DeepSeek's about a tool of Claude Code:
cc-switch #7236; MiniMax's: MiniMax-M2.7 #43; LM Studio's about Claude Code's tools: lmstudio-bug-tracker #2220 and
#2236.
"""

from __future__ import annotations

import re

from nexus.dataclasses import replace
from nexus.errors.failure import VendorFailure
from nexus.late import pattern
from nexus.protocols.codec import Target
from nexus.protocols.messages.hosted import has_systems
from nexus.wire import decode, mapping

_STATUSES = (400, 422, 500)
_WORDS = pattern(
    r"system message must be (at the beginning|the first|first)|invalid message role: system"
    r"|roles are supported, got system|\brole\b.{0,60}\buser\W{1,3}or\W{1,3}assistant\b"
    r"|\binput should be .{0,600}\btool_(addition|removal)\b",
    re.IGNORECASE | re.DOTALL,
)
_STRICT = pattern(
    r"\bthinking\b.{0,60}\b(must be passed back|cannot be disabled when reasoning_effort)\b"
    r"|support this tool_choice|tool_choice\b.{0,30}incompatible with thinking",
    re.IGNORECASE | re.DOTALL,
)
_NEEDED = pattern(r"\bthinking\b.{0,20}\bonly type=enabled is allowed", re.IGNORECASE | re.DOTALL)
# Anthropic's own words differ: its clients see its refusal.
_ADAPTIVE = pattern(r"\bthinking\b.{0,40}\badaptive\W{1,3}is not\s+supported", re.IGNORECASE | re.DOTALL)
_UNCOMPILED = pattern(r"\bis not a \W?regex|\bpars(e|ing) grammar\b", re.IGNORECASE)
ROLES, STRICT, NEEDED, ADAPTIVE = "no_system_role", "strict_thinking", "needs_thinking", "refuses_adaptive"
RULES = "plain_tools"
LEARNED = {
    ROLES: "system messages within a conversation are refused; they become user text",
    ADAPTIVE: "adaptive thinking is refused; a budget is requested",
    NEEDED: "thinking is required; the minimum is requested where the client requests none",
    RULES: "patterns and lengths in tools' schemas are refused; they become text",
    STRICT: "thinking is refused with forced tools and with calls that lack theirs; it is switched off there",
}
"""What a model's server rejected, each with the log message about its requests from now on."""


def quirk_of(refused: VendorFailure, body: bytes) -> str | None:
    """The quirk that the error reveals, or None."""
    if refused.status not in _STATUSES:
        return None
    if _STRICT.search(refused.message):
        return STRICT
    if _NEEDED.search(refused.message):
        return NEEDED
    if _ADAPTIVE.search(refused.message):
        return ADAPTIVE
    if _UNCOMPILED.search(refused.message):
        return RULES
    return ROLES if _WORDS.search(refused.message) and has_systems(mapping(decode(body))) else None


def with_quirks(target: Target, quirks: frozenset[str]) -> Target:
    """The target as the server is known to accept requests for it."""
    if not quirks:
        return target
    claude = target.claude
    claude = replace(claude, system_role=False, refuses_system=True) if ROLES in quirks else claude
    claude = replace(claude, strict_thinking=STRICT in quirks, needs_thinking=NEEDED in quirks)
    claude = replace(claude, refuses_adaptive=ADAPTIVE in quirks, plain_tools=RULES in quirks)
    return replace(target, claude=claude)
