"""A Messages client's tools -> neutral ones.

Reads custom tools, and Anthropic's own that the client runs (client_tools.py). A tool with deferred loading is included
once the history has found or called it, as at Anthropic; if Anthropic's own search was to find it, which no other
vendor has, it is included immediately. Sources: anthropic.types.ToolUnionParam; platform.claude.com on tool search.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from nexus.conversation.parts import Tool, WebSearch
from nexus.protocols.checks import Body, Drops, a_string, an_object, blocks_in, maybe_bool, maybe_string, objects_in
from nexus.protocols.messages.client_tools import is_toolset, members_of, tool_kind
from nexus.protocols.messages.read_parts import read_cache_control
from nexus.wire import mapping, sequence, text

_OWN = ("type", "name", "strict", "cache_control", "defer_loading")
_CUSTOM = (*_OWN, "description", "input_schema")

_WEB_SEARCH = "web_search_"
_TOOL_SEARCH = "tool_search_tool_"


def read_tools(body: Body, drops: Drops) -> tuple[Tool, ...]:
    if body.get("tools") is None:
        return ()
    wires = [wire for wire, _ in objects_in(body["tools"], "tools")]
    searched = any(map(is_search, wires))
    known = known_tools(body) if any("defer_loading" in wire for wire in wires) else frozenset()
    tools: list[Tool] = []
    for at, wire in enumerate(wires):
        path, kind = f"tools.{at}", wire.get("type")
        if is_search(wire):
            drops.add(f"tools.{kind}")
            continue
        if maybe_bool(wire, "defer_loading", path):
            drops.add("tools.defer_loading")
            if not searched and text(wire.get("name")) not in known:
                continue
        if kind is None or kind == "custom":
            tools.append(_read_custom(wire, path, drops))
        else:
            tools += _read_own(wire, text(kind), path, drops)
    return tuple(tools)


def is_search(tool: Body) -> bool:
    """Whether it is Anthropic's tool that finds tools with deferred loading."""
    return text(tool.get("type")).startswith(_TOOL_SEARCH)


def known_tools(body: Body) -> Set[str]:
    """The tools that the history has found or called, and the one that must be called."""
    names = {text(mapping(body.get("tool_choice")).get("name"))}
    for block in blocks_in(body):
        if block.get("type") == "tool_use":
            names.add(text(block.get("name")))
        for inner in map(mapping, sequence(block.get("content"))):
            if inner.get("type") == "tool_reference":
                names.add(text(inner.get("tool_name")))
    return names


def _read_custom(wire: Body, path: str, drops: Drops) -> Tool:
    drops.unknown(wire, _CUSTOM, "tools")
    schema = wire.get("input_schema")
    return Tool(
        a_string(wire, "name", path),
        description=maybe_string(wire, "description", path),
        parameters=None if schema is None else an_object(schema, f"{path}.input_schema"),
        strict=maybe_bool(wire, "strict", path),
        cache=read_cache_control(wire, path, drops),
        at=path,
    )


def _read_own(wire: Body, type: str, path: str, drops: Drops) -> Sequence[Tool]:
    """One of Anthropic's own tools, which may become several functions."""
    if type.startswith(_WEB_SEARCH):
        lost = tuple(f"tools.{name}" for name in wire if name not in ("type", "name", "cache_control"))
        return [WebSearch(a_string(wire, "name", path), kind=type, lost=lost, at=path)]
    if is_toolset(type):
        drops.unknown(wire, ("type", "configs", "cache_control"), "tools")
        return members_of(wire, path)
    if (own := tool_kind(type)) is None:
        drops.add(f"tools.{type}")
        return []
    kind, version = own
    drops.unknown(wire, (*_OWN, *kind.takes), "tools")
    tool = Tool(
        a_string(wire, "name", path),
        description=kind.describe(wire),
        parameters=kind.parameters(version),
        cache=read_cache_control(wire, path, drops),
        at=path,
    )
    return [tool]
