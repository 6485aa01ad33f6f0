"""Tools, tool choice and tool call ids, in both directions.

Functions, and custom tools as functions with one string argument; any other tool type is refused by name.
``allowed_tools`` becomes a shorter list of tools with its mode, which is equivalent. Sources: openai.types.chat tool
params; the 40 characters for tool call ids are OpenAI's limit, the nine alphanumerics Mistral's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nexus.conversation.parts import Tool, ToolCall, ToolChoice, WebSearch
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.late import pattern
from nexus.models.chat_server import ChatServer
from nexus.models.names import is_kimi_k2
from nexus.protocols.chat.call_ids import call_signature, plain_id
from nexus.protocols.chat.read_parts import HINTS, read_cache
from nexus.protocols.chat.reasoning import read_extra
from nexus.protocols.chat.write_parts import cache_fields
from nexus.protocols.checks import (
    Drops,
    a_name,
    a_string,
    an_object,
    asks_for,
    maybe_bool,
    maybe_string,
    objects_in,
    wrong,
)
from nexus.protocols.codec import Target
from nexus.protocols.json_schema.walk import with_required
from nexus.protocols.tool_calls import PARAMETERS, CustomTool, ToolIds, kimi_ids, mistral_ids, with_grammar, write_input
from nexus.wire import Json, mapping, only

_ID = pattern(r"[!-~]{1,40}")


def limits_ids(target: Target) -> bool:
    """Whether the target is known to reject ids of other vendors, OpenAI long ones, Mistral all, or to misread them."""
    return target.gpt is not None or target.chat.mistral_tool_ids or is_kimi_k2(target.model)


def tool_ids(target: Target, calls: Iterable[tuple[str, str]]) -> ToolIds:
    """``calls`` are the id and the tool's name of each call."""
    if is_kimi_k2(target.model):
        return kimi_ids(tuple(calls))
    return mistral_ids() if target.chat.mistral_tool_ids else ToolIds(_ID)


def read_tools(body: Mapping[str, Json], drops: Drops) -> tuple[Tool, ...]:
    if body.get("tools") is None:
        return ()
    return tuple(_read_tool(entry, path, drops) for entry, path in objects_in(body["tools"], "tools"))


def _read_tool(entry: Mapping[str, Json], path: str, drops: Drops) -> Tool:
    if entry.get("type") == "custom":
        return _read_custom(entry, path, drops)
    _need_function(entry, path, "tools")
    function = an_object(entry.get("function"), f"{path}.function")
    parameters = function.get("parameters")
    if parameters is not None:
        an_object(parameters, f"{path}.function.parameters")
    # Codex repeats the name next to the function.
    drops.unknown(entry, ("type", "function", "cache_control", "name"), "tools")
    drops.unknown(function, ("name", "description", "parameters", "strict", "cache_control"), "tools.function")
    return Tool(
        a_name(function, "name", f"{path}.function"),
        maybe_string(function, "description", f"{path}.function"),
        parameters,
        maybe_bool(function, "strict", f"{path}.function"),
        read_cache(entry, path) or read_cache(function, f"{path}.function"),
        at=path,
    )


def _read_custom(entry: Mapping[str, Json], path: str, drops: Drops) -> Tool:
    custom = an_object(entry.get("custom"), f"{path}.custom")
    drops.unknown(entry, ("type", "custom", "cache_control"), "tools")
    drops.unknown(custom, ("name", "description", "format"), "tools.custom")
    description = maybe_string(custom, "description", f"{path}.custom")
    if (format := mapping(custom.get("format"))).get("type") == "grammar":
        description = with_grammar(description, mapping(format.get("grammar")))
    name = a_name(custom, "name", f"{path}.custom")
    return CustomTool(name, description, PARAMETERS, cache=read_cache(entry, path), at=path)


def read_search(body: Mapping[str, Json], tools: tuple[Tool, ...]) -> tuple[WebSearch, ...]:
    """The search that ``web_search_options`` asks for by its presence. Raises UnsupportedFeature."""
    if not asks_for(_SEARCH, body.get(_SEARCH)):
        return ()
    if any(tool.name == _SEARCH_NAME for tool in tools):
        raise UnsupportedFeature.about(_SEARCH, f"cannot be combined with a function named {_SEARCH_NAME}")
    lost = tuple(f"{_SEARCH}.{name}" for name in an_object(body[_SEARCH], _SEARCH))
    return (WebSearch(_SEARCH_NAME, kind="web search", lost=lost, at=_SEARCH),)


_SEARCH, _SEARCH_NAME = "web_search_options", "web_search"


def read_choice(body: Mapping[str, Json], tools: tuple[Tool, ...]) -> tuple[ToolChoice | None, tuple[Tool, ...]]:
    """The choice and the tools that it leaves."""
    value = body.get("tool_choice")
    match value:
        case None:
            return None, tools
        case "auto" | "none" | "required":
            return ToolChoice(value), tools
        case "any":
            # Mistral's own word, which its SDK and clients made for it send.
            return ToolChoice("required"), tools
        case {"type": "function" | "custom"}:
            name = _chosen(value, "tool_choice", {tool.name for tool in tools})
            return ToolChoice("tool", name), tools
        case {"type": "allowed_tools"}:
            return _read_allowed(value, tools)
        case {"type": str(kind)}:
            raise UnsupportedFeature.about("tool_choice", f"type {kind} cannot be translated; use function")
        case _:
            raise wrong("tool_choice", '"none", "auto", "required" or an object with a type')


def _read_allowed(value: Mapping[str, Json], tools: tuple[Tool, ...]) -> tuple[ToolChoice, tuple[Tool, ...]]:
    path = "tool_choice.allowed_tools"
    allowed = an_object(value.get("allowed_tools"), path)
    known = {tool.name for tool in tools}
    names = {_chosen(entry, at, known) for entry, at in objects_in(allowed.get("tools"), f"{path}.tools")}
    left = tuple(tool for tool in tools if tool.name in names)
    match allowed.get("mode"):
        case "auto" | "required" as mode:
            return ToolChoice(mode), left
        case _:
            raise wrong(f"{path}.mode", '"auto" or "required"')


def _chosen(entry: Mapping[str, Json], path: str, known: set[str]) -> str:
    kind = "custom" if entry.get("type") == "custom" else "function"
    if kind == "function":
        _need_function(entry, path, "a choice of tools")
    name = a_name(mapping(entry.get(kind)), "name", f"{path}.{kind}")
    if name not in known:
        raise InvalidRequest.about(path, f"there is no tool named {name}")
    return name


def _need_function(entry: Mapping[str, Json], path: str, where: str) -> None:
    kind = a_name(entry, "type", path)
    if kind != "function":
        raise UnsupportedFeature.about(f"{path}.type", f"{where} of type {kind} cannot be translated; use function")


def read_calls(message: Mapping[str, Json], path: str, drops: Drops) -> list[ToolCall]:
    if message.get("tool_calls") is None:
        return []
    return [_read_call(entry, at, drops) for entry, at in objects_in(message["tool_calls"], f"{path}.tool_calls")]


def _read_call(entry: Mapping[str, Json], path: str, drops: Drops) -> ToolCall:
    is_custom = entry.get("type") == "custom"
    if not is_custom and entry.get("type") is not None:
        _need_function(entry, path, "tool calls")
    kind, field = ("custom", "input") if is_custom else ("function", "arguments")
    called = an_object(entry.get(kind), f"{path}.{kind}")
    # Clients that stream send the index back.
    drops.unknown(entry, ("type", "id", kind, "index", "extra_content", *HINTS), "messages.tool_calls")
    drops.unknown(called, ("name", field), f"messages.tool_calls.{kind}")
    words = maybe_string(called, field, f"{path}.{kind}") or ""
    return ToolCall(
        plain_id(id := a_name(entry, "id", path)),
        a_string(called, "name", f"{path}.{kind}"),
        write_input(words) if is_custom else words,
        read_extra(entry.get("extra_content")) or call_signature(id),
        read_cache(entry, path),
        at=path,
    )


def write_functions(tools: tuple[Tool, ...], server: ChatServer) -> list[dict[str, Json]]:
    return [_write_tool(tool, server) | cache_fields(tool.cache, server, of_tool=True) for tool in tools]


def _write_tool(tool: Tool, server: ChatServer) -> dict[str, Json]:
    strict = None if server.no_strict else tool.strict
    schema = with_required(tool.parameters) if server.listed_required else tool.parameters
    given = only({"description": tool.description, "parameters": schema, "strict": strict})
    return {"type": "function", "function": {"name": tool.name, **given}}


def write_choice(choice: ToolChoice) -> Json:
    match choice.mode:
        case "auto" | "none" | "required":
            return choice.mode
        case "tool":
            return {"type": "function", "function": {"name": choice.name}}
