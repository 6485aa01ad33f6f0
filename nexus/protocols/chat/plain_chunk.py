"""Chunks that have some more words of a text and nothing else, as nearly all of a stream do."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.wire import Json

_ENVELOPE = frozenset({"id", "object", "created", "model", "system_fingerprint", "service_tier", "choices"})
_CHOICE = frozenset({"index", "delta"})
_DELTA = frozenset({"role", "content"})


def plain_words(chunk: Mapping[str, Json], tier: str) -> str | None:
    """Its words; None for a chunk that says anything beside them, or another ``tier`` than was known."""
    present = {name: value for name, value in chunk.items() if value is not None}
    choices = present.get("choices")
    if not present.keys() <= _ENVELOPE or present.get("service_tier", tier) != tier or not isinstance(choices, list):
        return None
    if len(choices) != 1 or not isinstance(choices[0], dict):
        return None
    choice = {name: value for name, value in choices[0].items() if value is not None}
    delta = choice.get("delta")
    if not choice.keys() <= _CHOICE or choice.get("index", 0) != 0 or not isinstance(delta, dict):
        return None
    filled = {name: value for name, value in delta.items() if value is not None}
    words = filled.get("content")
    return words if filled.keys() <= _DELTA and isinstance(words, str) and words else None
