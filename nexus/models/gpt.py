"""What OpenAI's own models take and refuse, by family.

Law: pure; facts about api.openai.com only, as of November 2026. A compatible server is told by its ``quirks`` setting.
"""

from __future__ import annotations

import re

_HOUSE = frozenset({"max_completion_tokens", "no_reasoning_history"})
"""True of every model there."""

_NO_REASONING = re.compile(r"(ft:)?(gpt-3|gpt-4|chatgpt-)")
_REASONING = re.compile(r"(ft:)?(o\d|gpt-[5-9])")


def quirks_of(model: str) -> frozenset[str]:
    """Models that reason refuse sampling knobs; models that do not refuse ``reasoning_effort``."""
    if _NO_REASONING.match(model) or "-chat" in model:
        return _HOUSE | {"no_reasoning_effort"}
    if _REASONING.match(model):
        return _HOUSE | {"no_sampling", "developer_role"}
    return _HOUSE
