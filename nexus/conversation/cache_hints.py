"""Breakpoints of prompt caches on the parts of a request."""

from __future__ import annotations

from itertools import islice

from nexus.conversation.parts import Document, Image, Message, Request, Text, Tool, ToolResult
from nexus.dataclasses import replace


def with_hint_outside(result: ToolResult) -> ToolResult:
    """The result with the breakpoint on itself: vendors accept none on the parts inside it."""
    hints = [part.cache for part in result.parts if part.cache is not None]
    if not hints:
        return result
    parts = tuple(replace(part, cache=None) for part in result.parts)
    return replace(result, parts=parts, cache=result.cache or hints[-1])


def has_cache_hints(request: Request) -> bool:
    parts = [part for message in request.messages for part in message.parts]
    inner = [one for part in parts if isinstance(part, ToolResult) for one in part.parts]
    return any(getattr(holder, "cache", None) for holder in (*request.system, *request.tools, *parts, *inner))


TURNS = 2
"""Number of last turns that end with a breakpoint: what one request writes, the next one reads."""


def with_own_hints(request: Request) -> tuple[Request, tuple[str, ...]]:
    """The request with up to four breakpoints if it has none, and their positions: after the tools, the system text and
    the user's last turns."""
    if has_cache_hints(request):
        return request, ()
    tools, system = list(request.tools), list(request.system)
    named: list[str] = []
    for index in [index for index, tool in enumerate(tools) if type(tool) is Tool][-1:]:
        tools[index] = replace(tools[index], cache="5m")
        named.append("tools")
    for index in [index for index, part in enumerate(system) if part.text][-1:]:
        system[index] = replace(system[index], cache="5m")
        named.append("system")
    messages = list(request.messages)
    users = (index for index in reversed(range(len(messages))) if messages[index].role == "user")
    marked = ((index, hinted) for index in users if (hinted := _marked(messages[index])) is not None)
    for index, hinted in reversed(tuple(islice(marked, TURNS))):
        messages[index] = hinted
        named.append(f"messages[{index}]")
    return replace(request, tools=tuple(tools), system=tuple(system), messages=tuple(messages)), tuple(named)


def _marked(message: Message) -> Message | None:
    """The message with a breakpoint on the last part that can have one; None if none can."""
    for at, part in reversed(tuple(enumerate(message.parts))):
        if isinstance(part, (Image, Document, ToolResult)) or (isinstance(part, Text) and part.text.strip()):
            return replace(message, parts=(*message.parts[:at], replace(part, cache="5m"), *message.parts[at + 1 :]))
    return None
