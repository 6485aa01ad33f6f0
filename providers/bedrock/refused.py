"""Recognizes what a model does not accept, by the service's error messages: models that are newer than the table of
facts, opaque ARNs that name no model, and Claude's structured output, in which accounts and regions differ.

Sources of the messages: stopSequences (dify-official-plugins #1767), temperature (hermes-agent #111043, activepieces
#15261), Claude's temperature (hermes-agent #111438), Claude's structured output (hindsight #3300, lobehub #19876; Haiku
4.5: the notes in @ai-sdk/amazon-bedrock 5.0), forced tools (vercel/ai #4396), tools in streams (pi #3739), the minimum
output (litellm #42470).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nexus.dataclasses import replace
from nexus.errors.failure import VendorFailure
from nexus.late import pattern
from nexus.models import gpt
from nexus.protocols.codec import Target
from nexus.provider.rejected import with_rejected

_FIELD = r"doesn't support the ([\w.]*\.)?"
_ROWS: Mapping[str, tuple[re.Pattern[str], Mapping[str, Any]]] = {
    "stopSequences": (pattern(rf"{_FIELD}stopSequences field"), {"stop": False}),
    "temperature": (
        pattern(rf"{_FIELD}(temperature|topP) field|`(temperature|top_p)` is deprecated"),
        {"sampling": False},
    ),
    "outputConfig": (
        pattern(rf"{_FIELD}(outputConfig[\w.]*|strict) field|\b(output_config\.format|strict): Extra inputs"),
        {"structured_output": False},
    ),
    "toolChoice.tool": (pattern(rf"{_FIELD}toolChoice\.tool field"), {"tool_choice": "any"}),
    "toolConfig in a stream": (pattern("doesn't support tool use in streaming mode"), {"streams_tools": False}),
    "system": (pattern("doesn't support system messages"), {"system": False}),
    "maxTokens": (pattern(rf"integer_below_min_value|>= {gpt.LEAST_OUTPUT}\b"), {"least_output": gpt.LEAST_OUTPUT}),
}
"""By part of a request: the error message that rejects it, and what is then known about the model."""

_CLAUDE: Mapping[str, Mapping[str, Any]] = {
    "temperature": {"sampling": "none"},
    "outputConfig": {"structured_output": False, "strict_tools": False},
}
"""What is then known about a Claude model in its own dialect."""


def quirk_of(refused: VendorFailure, dialect: str) -> str | None:
    """The part of a request that the error rejects, or None."""
    if refused.status != 400:
        return None
    rows = _ROWS if dialect == "converse" else _CLAUDE
    return next((name for name in rows if _ROWS[name][0].search(refused.message)), None)


def with_quirks(target: Target, quirks: frozenset[str]) -> Target:
    if not quirks:
        return target
    known = {name: value for quirk in quirks & _ROWS.keys() for name, value in _ROWS[quirk][1].items()}
    claudes = {name: value for quirk in quirks for name, value in _CLAUDE.get(quirk, {}).items()}
    target = with_rejected(target, quirks)
    return replace(target, converse=replace(target.converse, **known), claude=replace(target.claude, **claudes))
