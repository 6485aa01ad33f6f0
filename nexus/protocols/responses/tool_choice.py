"""Which tools a model may or must call, in both directions.

Web search and other tools that run at OpenAI cannot be forced. Source: openai.types.responses.ToolChoice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nexus.conversation.parts import Tool, ToolChoice
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.protocols.checks import Drops, a_name, maybe_string, objects_in, wrong
from nexus.protocols.responses.client_tools import KINDS
from nexus.protocols.responses.tools import WEB_SEARCH, ClientTool, ToolsReader, qualify
from nexus.wire import Json, text


def read_tool_choice(value: Json, reader: ToolsReader, drops: Drops) -> tuple[ToolChoice | None, tuple[Tool, ...]]:
    """The choice and the tools that it leaves."""
    tools = reader.all
    match value:
        case None:
            return None, tools
        case "auto" | "none" | "required":
            return ToolChoice(value), tools
        case {"type": "function" | "custom"}:
            chosen = _chosen(value, "tool_choice", _by_name(reader.tools.values())).name
            reader.mark_loaded(chosen)
            return ToolChoice("tool", chosen), reader.all
        case {"type": str(kind)} if kind in KINDS:
            return ToolChoice("tool", _chosen(value, "tool_choice", _by_name(tools)).name), tools
        case {"type": "allowed_tools"}:
            return _read_allowed(value, reader, drops)
        case {"type": str(kind)}:
            raise UnsupportedFeature.about(
                "tool_choice", f"tools of type {kind} run only at OpenAI, so they cannot be forced"
            )
        case _:
            raise wrong("tool_choice", '"none", "auto", "required" or an object with a type')


def _read_allowed(
    value: Mapping[str, Json], reader: ToolsReader, drops: Drops
) -> tuple[ToolChoice | None, tuple[Tool, ...]]:
    allowed: set[str] = set()
    named = _by_name(reader.tools.values())
    for tool, path in objects_in(value.get("tools"), "tool_choice.tools"):
        if text(tool.get("type")).startswith(WEB_SEARCH):
            allowed |= {search.name for search in reader.searches}
        elif text(tool.get("type")) not in reader.left_out:
            allowed.add(_chosen(tool, path, named).name)
    left = tuple(tool for tool in reader.all if tool.name in allowed)
    match value.get("mode"):
        case "auto" | "required" as mode:
            return ToolChoice(mode), left
        case _:
            raise wrong("tool_choice.mode", '"auto" or "required"')


_ByName = Mapping[str, list[Tool]]


def _by_name(tools: Iterable[Tool]) -> _ByName:
    """The tools by their plain names, and by their full ones, which win."""
    tools, named = list(tools), dict[str, list[Tool]]()
    for tool in tools:
        if isinstance(tool, ClientTool):
            named.setdefault(text(tool.wire.get("name")), []).append(tool)
    return named | {tool.name: [tool] for tool in tools}


def _chosen(entry: Mapping[str, Json], path: str, named: _ByName) -> Tool:
    """The tool that an entry names: by its full name, with its namespace, or by a plain name that is unique."""
    kind = a_name(entry, "type", path)
    if kind in KINDS:
        return _chosen_run(kind, path, named)
    if kind not in ("function", "custom"):
        raise UnsupportedFeature.about(f"{path}.type", f"tools of type {kind} run only at OpenAI")
    name = a_name(entry, "name", path)
    found = named.get(qualify(maybe_string(entry, "namespace", path), name), [])
    if len(found) != 1:
        raise InvalidRequest.about(path, f"there is no tool named {name}")
    return found[0]


def _chosen_run(kind: str, path: str, named: _ByName) -> Tool:
    for tool in named.get(KINDS[kind].name, ()):
        if isinstance(tool, ClientTool) and tool.run is not None:
            return tool
    raise InvalidRequest.about(path, f"there is no tool of type {kind}")


def write_tool_choice(choice: ToolChoice, tools: Iterable[Tool]) -> Json:
    """The wire form of a choice among these tools, which tool_calls.check_choice has checked."""
    if choice.mode != "tool":
        return choice.mode
    tool = next(tool for tool in tools if tool.name == choice.name)
    if isinstance(tool, ClientTool):
        named = {"name": tool.wire["name"]} if "name" in tool.wire else {}
        return {"type": text(tool.wire.get("type"))} | named
    return {"type": "function", "name": choice.name}
