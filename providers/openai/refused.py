"""What a translation adds of its own accord and some servers refuse: told by their words.

Sources: Ollama (claude-code-router #972, #1046, cherry-studio #18744: ``does not support thinking``), xAI (hermes-agent
#23088, litellm #16265: ``does not support parameter reasoningEffort``), OpenAI's ``unsupported_parameter``.
"""

from __future__ import annotations

import re
from dataclasses import replace

from nexus.errors.failure import VendorFailure
from nexus.protocols.codec import Target

SUMMARY = "reasoning.summary"
"""What OpenAI blames where an organisation is not verified."""

_EFFORT = re.compile(r"reasoning[ _.]?effort|reasoning value|support (thinking|reasoning)\b", re.IGNORECASE)
_VALUE = re.compile(r"\bvalues?\b|\bone of\b|\bshould be\b|\bmust be\b", re.IGNORECASE)
_STATUSES = (400, 422)


def refuses_summary(refused: VendorFailure) -> bool:
    return refused.status == 400 and refused.vendor_param == SUMMARY


def refuses_effort(refused: VendorFailure) -> bool:
    """Whether it takes no effort, or not this one."""
    words = f"{refused.vendor_param} {refused.message}"
    return refused.status in _STATUSES and _EFFORT.search(words) is not None


def refuses_any_effort(refused: VendorFailure) -> bool:
    """Whether it says of no value that another one would do."""
    return refuses_effort(refused) and _VALUE.search(refused.message) is None


def without_summary(target: Target) -> Target:
    return replace(target, summary="off")


def without_effort(target: Target) -> Target:
    return replace(target, chat=replace(target.chat, no_reasoning_effort=True))
