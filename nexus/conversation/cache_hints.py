"""Breakpoints of prompt caches on the parts of a request."""

from __future__ import annotations

from dataclasses import replace

from nexus.conversation.parts import Request, ToolResult


def with_hint_outside(result: ToolResult) -> ToolResult:
    """The result as the breakpoint's only place: vendors take none on the parts inside it."""
    hints = [part.cache for part in result.parts if part.cache is not None]
    if not hints:
        return result
    parts = tuple(replace(part, cache=None) for part in result.parts)
    return replace(result, parts=parts, cache=result.cache or hints[-1])


def has_cache_hints(request: Request) -> bool:
    """Whether there is a breakpoint anywhere in it."""
    parts = [part for message in request.messages for part in message.parts]
    inner = [one for part in parts if isinstance(part, ToolResult) for one in part.parts]
    return any(getattr(holder, "cache", None) for holder in (*request.system, *request.tools, *parts, *inner))
