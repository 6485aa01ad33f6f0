"""Gemini's usage, both ways: counts that overlap, and the disjoint parts.

The prompt count includes cached tokens; tokens of server-side tool results are counted separately; the candidates count
excludes thoughts. A difference between the total and its items is output that the vendor did not itemise or counted
twice. Source: google.genai.types.GenerateContentResponseUsageMetadata.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.usage import Usage
from nexus.wire import Json, count, only, text


def read_usage(metadata: Mapping[str, Json]) -> Usage:
    """``usageMetadata`` -> Usage; missing counts are zero."""
    prompt = count(metadata.get("promptTokenCount"))
    cached = min(count(metadata.get("cachedContentTokenCount")), prompt)
    tool_results = count(metadata.get("toolUsePromptTokenCount"))
    thoughts = count(metadata.get("thoughtsTokenCount"))
    candidates = count(metadata.get("candidatesTokenCount"))
    total = count(metadata.get("totalTokenCount"))
    if (written := total - prompt - tool_results) >= 0 and total:
        thoughts = min(thoughts, written)
        candidates = written - thoughts
    return Usage(
        input=prompt - cached + tool_results,
        cache_read=cached,
        output=candidates,
        reasoning=thoughts,
        raw=metadata or None,
        service_tier=text(metadata.get("serviceTier")) or text(metadata.get("trafficType")),
        vendor_total=total or None,
    )


def write_usage(usage: Usage) -> dict[str, Json]:
    """The prompt count includes cache reads and writes; thoughts are counted in addition to the candidates."""
    counts = {
        "promptTokenCount": usage.total_input,
        "candidatesTokenCount": usage.output,
        "totalTokenCount": usage.total,
        "cachedContentTokenCount": usage.cache_read or None,
        "thoughtsTokenCount": usage.reasoning or None,
    }
    return only(counts)
