"""Usage of the Messages dialect, both ways: it counts cache reads and writes in addition to ``input_tokens``, and
thinking inside ``output_tokens``. Its counts leave out some of the iterations that it lists. Source:
anthropic.types.Usage, MessageDeltaUsage and beta.BetaUsage.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.usage import Usage
from nexus.wire import Json, count, mapping, only, sequence, text

_CACHED = ("cache_creation_input_tokens", "cache_read_input_tokens")
_CUMULATIVE = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


_BESIDE = frozenset({"compaction", "advisor_message"})
"""Types of iterations that are billed, but left out of the counts. Source: anthropic.types.beta.BetaUsage; for the
advisor, Anthropic's page "Advisor tool" (November 2026)."""


def read_usage(wire: Json) -> Usage:
    usage = mapping(wire)
    parts = _parts(usage)
    for iteration in map(mapping, sequence(usage.get("iterations"))):
        if text(iteration.get("type")) in _BESIDE:
            parts = [sum(both) for both in zip(parts, _parts(iteration), strict=True)]
    sent, read, written, long, answered, thought = parts
    return Usage(
        *(sent, read, written, long, answered, thought),
        raw=usage or None,
        service_tier=text(usage.get("service_tier")),
        searches=count(mapping(usage.get("server_tool_use")).get("web_search_requests")),
    )


def _parts(usage: Mapping[str, Json]) -> list[int]:
    """The counts in the order of Usage's parts."""
    written = count(usage.get("cache_creation_input_tokens"))
    by_ttl = mapping(usage.get("cache_creation"))
    hour = count(by_ttl.get("ephemeral_1h_input_tokens"))
    written = max(written, hour + count(by_ttl.get("ephemeral_5m_input_tokens")))
    output = count(usage.get("output_tokens"))
    thinking = min(output, count(mapping(usage.get("output_tokens_details")).get("thinking_tokens")))
    sent, read = count(usage.get("input_tokens")), count(usage.get("cache_read_input_tokens"))
    return [sent, read, written - hour, hour, output - thinking, thinking]


def merge_usage(start: Mapping[str, Json], delta: Mapping[str, Json]) -> dict[str, Json]:
    """The wire usage of ``message_start`` overlaid with the cumulative one of ``message_delta``, field by field.

    Servers that report the cache only in the latter report the whole prompt in the former (DashScope, rust-genai #258).
    A zero there, without any cache, only says that nothing was added (envoyproxy/ai-gateway #1631).
    """
    merged = dict(start)
    late = sum(count(delta.get(name)) for name in _CACHED)
    if late and "input_tokens" not in delta and not any(count(start.get(name)) for name in _CACHED):
        merged["input_tokens"] = max(0, count(start.get("input_tokens")) - late)
    for name, value in delta.items():
        is_no_count = name in _CUMULATIVE and (not isinstance(value, (int, float)) or not (value or late))
        if value is not None and not is_no_count:
            merged[name] = value
    return merged


def write_usage(usage: Usage) -> dict[str, Json]:
    """The complete object of a ``Message``."""
    written = {"ephemeral_5m_input_tokens": usage.cache_write_5m, "ephemeral_1h_input_tokens": usage.cache_write_1h}
    return write_delta_usage(usage) | {"cache_creation": written}


def write_delta_usage(usage: Usage) -> dict[str, Json]:
    """The members that ``message_delta`` has."""
    wire = {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.total_output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning} if usage.reasoning else None,
    }
    return only(wire)
