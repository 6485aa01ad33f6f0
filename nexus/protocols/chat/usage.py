"""Token counts: the wire's totals with details inside them, and the neutral disjoint parts.

Cached and written tokens count inside ``prompt_tokens`` and reasoning inside ``completion_tokens``; servers that count
them separately are recognized by sums that would not match. This dialect does not have the lifetime of a cache write:
it is read as five minutes. Sources: OpenAI's API reference; DeepSeek (``prompt_cache_hit_tokens``), Moonshot
(``cached_tokens`` on top), Mistral (``num_cached_tokens`` on top: @ai-sdk/mistral 4.0), LiteLLM and Databricks
(Anthropic's names on top).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nexus.conversation.usage import Usage
from nexus.wire import Json, count, mapping, only, sequence, text

_READS = ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens", "cache_read_input_tokens")


def read_usage(wire: Mapping[str, Json], service_tier: Json = None) -> Usage:
    """``service_tier`` is that of the answer, which has it next to its usage."""
    prompt, completion = count(wire.get("prompt_tokens")), count(wire.get("completion_tokens"))
    details = mapping(wire.get("prompt_tokens_details"))
    read = _first(details.get("cached_tokens"), *(wire.get(name) for name in _READS))
    written = _first(
        details.get("cache_write_tokens"), details.get("cache_creation_tokens"), wire.get("cache_creation_input_tokens")
    )
    reasoning = count(mapping(wire.get("completion_tokens_details")).get("reasoning_tokens"))
    total = count(wire.get("total_tokens"))
    inside = read + written <= prompt
    sent = prompt if inside else prompt + read + written
    beside = total - sent - completion
    if total and not beside:
        # OpenRouter estimates reasoning, which may exceed a short completion.
        reasoning = min(reasoning, completion)
    if reasoning > completion or (reasoning and beside == reasoning):
        output = completion
    elif not reasoning and prompt and beside > 0:
        # Google's compatible endpoint counts thinking only in the total.
        output, reasoning = completion, beside
    else:
        output = completion - reasoning
    return Usage(
        input=prompt - read - written if inside else prompt,
        cache_read=read,
        cache_write_5m=written,
        output=output,
        reasoning=reasoning,
        raw=wire,
        service_tier=text(service_tier),
        vendor_total=total or None,
    )


def write_usage(usage: Usage) -> dict[str, Json]:
    return {
        "prompt_tokens": usage.total_input,
        "completion_tokens": usage.total_output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def usages_in(answer: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """The counts of an answer or a chunk: beside the choices, inside them (Moonshot), or in ``x_groq`` (Groq)."""
    for holder in (answer, mapping(answer.get("x_groq")), *map(mapping, sequence(answer.get("choices")))):
        if wire := mapping(holder.get("usage")):
            yield wire


def merge_usage(earlier: Mapping[str, Json], later: Mapping[str, Json]) -> dict[str, Json]:
    """Counts of a later chunk over those of an earlier one; nulls never erase."""
    if not earlier:
        return only(later)
    merged = dict(earlier)
    for name, value in later.items():
        if isinstance(value, dict):
            merged[name] = merge_usage(mapping(merged.get(name)), value)
        elif value is not None:
            merged[name] = value
    return merged


def _first(*values: Json) -> int:
    for value in values:
        if value and (found := count(value)):
            return found
    return 0
