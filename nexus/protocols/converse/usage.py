"""Converse's token counts, both ways.

``inputTokens`` does not include cache reads and writes; a model whose total is the sum of input and output includes
them, and then they are subtracted. Reasoning is not reported separately from the output. Source: the Bedrock user guide
on prompt caching.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.usage import Usage
from nexus.wire import Json, count, mapping, sequence, text


def read_usage(wire: Mapping[str, Json], service_tier: Json = None) -> Usage:
    """``service_tier`` is that of the answer, an object."""
    fresh, output = count(wire.get("inputTokens")), count(wire.get("outputTokens"))
    read, written = count(wire.get("cacheReadInputTokens")), count(wire.get("cacheWriteInputTokens"))
    cached = read + written
    if 0 < cached <= fresh and count(wire.get("totalTokens")) == fresh + output:
        fresh -= cached
    hour = sum(
        count(mapping(detail).get("inputTokens"))
        for detail in sequence(wire.get("cacheDetails"))
        if mapping(detail).get("ttl") == "1h"
    )
    hour = min(hour, written)
    return Usage(
        fresh,
        read,
        written - hour,
        hour,
        output,
        raw=wire or None,
        service_tier=text(mapping(service_tier).get("type")),
        vendor_total=count(wire.get("totalTokens")) or None,
    )


def write_usage(usage: Usage) -> dict[str, Json]:
    """Cached tokens are counted outside ``inputTokens``, and inside the total."""
    fields: dict[str, Json] = {
        "inputTokens": usage.input,
        "outputTokens": usage.total_output,
        "totalTokens": usage.total,
    }
    if usage.cache_read or usage.cache_write:
        fields |= {"cacheReadInputTokens": usage.cache_read, "cacheWriteInputTokens": usage.cache_write}
    if usage.cache_write_1h:
        written = (("5m", usage.cache_write_5m), ("1h", usage.cache_write_1h))
        fields["cacheDetails"] = [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in written]
    return fields
