"""Chunks that only have more text, as nearly all of a stream do."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.wire import Json, mapping, text

_ENVELOPE = frozenset(
    {"id", "object", "created", "model", "system_fingerprint", "service_tier", "choices"}
    # OpenAI's padding; OpenRouter's vendor.
    | {"obfuscation", "provider"}
)
_CHOICE = frozenset({"index", "delta"})
_DELTA = frozenset({"role", "content"})


def plain_words(chunk: Mapping[str, Json], tier: str) -> str | None:
    """Its text; None for a chunk with anything else, or another ``tier`` than before."""
    choices = chunk.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or (chunk.get("service_tier") or tier) != tier:
        return None
    choice = mapping(choices[0])
    delta = mapping(choice.get("delta"))
    if choice.get("index") or holds_more(chunk, _ENVELOPE) or holds_more(choice, _CHOICE):
        return None
    return None if holds_more(delta, _DELTA) else text(delta.get("content")) or None


def holds_more(holder: Mapping[str, Json], known: frozenset[str]) -> bool:
    """Whether it has anything besides the known members."""
    more = holder.keys() - known
    return bool(more) and any(holder[name] is not None for name in more)
