"""Token counts: the wire's totals with details inside them, and the neutral disjoint parts.

Cached and written tokens count inside ``input_tokens``, reasoning inside ``output_tokens``; a server whose details
exceed their total counts them separately. A write without a lifetime is read as the short one. Source:
openai.types.responses.ResponseUsage.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.usage import Usage
from nexus.wire import Json, count, mapping, sequence, text


def read_usage(wire: Mapping[str, Json], service_tier: Json = None, output: Json = None) -> Usage:
    """``service_tier`` and ``output`` are those of the answer, which has them next to its usage."""
    sent, answered = count(wire.get("input_tokens")), count(wire.get("output_tokens"))
    details = mapping(wire.get("input_tokens_details"))
    cached, written = count(details.get("cached_tokens")), count(details.get("cache_write_tokens"))
    long = min(written, count(mapping(details.get("cache_write_tokens_details")).get("ttl_12h_tokens")))
    reasoning = count(mapping(wire.get("output_tokens_details")).get("reasoning_tokens"))
    return Usage(
        input=sent - cached - written if cached + written <= sent else sent,
        cache_read=cached,
        cache_write_5m=written - long,
        cache_write_1h=long,
        output=answered - reasoning if reasoning <= answered else answered,
        reasoning=reasoning,
        raw=wire or None,
        service_tier=text(service_tier),
        vendor_total=count(wire.get("total_tokens")) or None,
        searches=sum(map(_is_search, sequence(output))),
    )


def _is_search(item: Json) -> bool:
    """Whether an item is one that OpenAI bills: opening and reading a page is free. Source: OpenAI's guide to web
    search (November 2026)."""
    call = mapping(item)
    return call.get("type") == "web_search_call" and mapping(call.get("action")).get("type") == "search"


def write_usage(usage: Usage) -> dict[str, Json]:
    return {
        "input_tokens": usage.total_input,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.total_output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }
