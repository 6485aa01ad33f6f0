"""Strict schemas that are together too large for Claude's hosts to compile, which no limit of theirs reveals before.

The answer is requested without them: tools are not strict, and a format is a forced tool or an instruction. Sources:
anthropic-sdk-python #1185, claude-code #55539, pome-sh/digital-twins #527.
"""

from __future__ import annotations

from nexus.dataclasses import replace
from nexus.errors.failure import VendorFailure
from nexus.late import pattern
from nexus.protocols.codec import Target
from nexus.provider.request import ProviderRequest, Without

_REFUSAL = pattern("compiled grammar is too large")


def without_strict(refused: VendorFailure, request: ProviderRequest) -> Without | None:
    if request.dialect != "messages" or refused.status != 400 or not _REFUSAL.search(refused.message):
        return None
    return Without("strict schemas", _change)


def _change(target: Target) -> Target:
    return replace(target, claude=replace(target.claude, strict_tools=False, structured_output=False))
