"""Gemini's finish and block reasons -> neutral stop reasons.

Law: total and honest. Every published word has a row; a word without one, or one that says only that something went
wrong, becomes ``unknown`` and keeps the vendor's word, as do all others. A vendor dialect only: nothing is written.
Source: google.genai.types.FinishReason and BlockedReason.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Stop, StopReason

FINISH_REASONS: Mapping[str, StopReason] = {
    "STOP": "end",
    "MAX_TOKENS": "max_tokens",
    # The answer reached the vendor's limit for one request; going on takes a token that no other dialect can carry.
    "CONTINUATION": "max_tokens",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
    "FINISH_REASON_UNSPECIFIED": "unknown",
    "OTHER": "unknown",
    "MALFORMED_FUNCTION_CALL": "unknown",
    "MALFORMED_RESPONSE": "unknown",
    "UNEXPECTED_TOOL_CALL": "unknown",
    "TOO_MANY_TOOL_CALLS": "unknown",
    "MISSING_THOUGHT_SIGNATURE": "unknown",
    "IMAGE_OTHER": "unknown",
    "NO_IMAGE": "unknown",
}


BROKEN = frozenset(word for word, reason in FINISH_REASONS.items() if reason == "unknown") - {
    "FINISH_REASON_UNSPECIFIED"
}
"""The model failed: where it said nothing before, there is no answer."""


def read_finish(reason: str | None, *, called: bool) -> Stop:
    """``called``: the answer holds function calls, which Gemini's STOP does not tell apart."""
    known = FINISH_REASONS.get(reason or "", "unknown")
    return Stop("tool_use" if known == "end" and called else known, raw=reason)


def read_block(reason: str) -> Stop:
    """A blocked prompt is a blocked prompt, whatever the reason is called."""
    return Stop("content_filter", raw=reason)
