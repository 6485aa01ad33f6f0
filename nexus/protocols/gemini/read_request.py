"""A client's Gemini request, read into neutral form. Sources: ai.google.dev/api/generate-content,
ai.google.dev/gemini-api/docs/function-calling; google.genai.types.Tool and ToolConfig.
"""

from __future__ import annotations

from nexus.conversation.parts import Text, Tool, ToolChoice, WebSearch
from nexus.dataclasses import replace
from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import (
    Body,
    Drops,
    a_name,
    an_array,
    an_object,
    maybe_object,
    maybe_string,
    maybe_strings,
    wrong,
)
from nexus.protocols.codec import ReadRequest
from nexus.protocols.dispositions import dropped_by
from nexus.protocols.gemini.fields import READS
from nexus.protocols.gemini.read_config import read_config
from nexus.protocols.gemini.read_contents import read_contents, several
from nexus.protocols.gemini.read_schema import read_schema
from nexus.protocols.gemini.spelling import camel
from nexus.wire import Json, mapping

_IN_PATH = ("model", "stream")
_TIERS = {"standard": "default", "SERVICE_TIER_STANDARD": "default"}


def read_request(body: Body) -> ReadRequest:
    body = mapping(camel(dict(body)))
    drops = dropped_by(READS, body, _IN_PATH)
    config = maybe_object(body, "generationConfig")
    choice, tools = read_tools_and_choice(body, drops)
    stream = body.get("stream") is True
    tier = maybe_string(body, "serviceTier")
    request = replace(
        read_config(config, drops),
        messages=read_contents(body.get("contents"), drops),
        system=_read_system(body, drops),
        tools=tools,
        tool_choice=choice,
        metadata=maybe_strings(body, "labels"),
        service_tier=None if tier is None else _TIERS.get(tier, tier),
        stream=stream,
        include_usage=stream,
    )
    return ReadRequest(request, drops.names)


def _read_system(body: Body, drops: Drops) -> tuple[Text, ...]:
    if body.get("systemInstruction") is None:
        return ()
    wire = an_object(body["systemInstruction"], "systemInstruction")
    drops.unknown(wire, ("role", "parts"), "systemInstruction")
    texts: list[Text] = []
    for part, path in several(wire.get("parts"), "systemInstruction.parts"):
        if not isinstance(part.get("text"), str):
            raise UnsupportedFeature.about(path, "only text is accepted here")
        drops.unknown(part, ("text",), "systemInstruction.parts")
        texts += [Text(part["text"], at=path)] if part["text"] else []
    return tuple(texts)


_SEARCHES = ("googleSearch", "googleSearchRetrieval")
_CALLING = "toolConfig.functionCallingConfig"


def read_tools_and_choice(body: Body, drops: Drops) -> tuple[ToolChoice | None, tuple[Tool, ...]]:
    """The choice and the tools that it leaves. Raises InvalidRequest, UnsupportedFeature."""
    tools: list[Tool] = []
    for wire, path in several(body.get("tools"), "tools"):
        tools += _read_tool(wire, path, drops)
    config = maybe_object(body, "toolConfig")
    drops.unknown(config, ("functionCallingConfig",), "toolConfig")
    return _read_choice(tuple(tools), config.get("functionCallingConfig"), drops)


def _read_tool(wire: Body, path: str, drops: Drops) -> list[Tool]:
    tools: list[Tool] = []
    for kind, value in wire.items():
        if value is None:
            continue
        if kind == "functionDeclarations":
            tools += [_read_function(one, at, drops) for one, at in several(value, f"{path}.{kind}")]
        elif kind in _SEARCHES:
            lost = tuple(f"tools.{kind}.{name}" for name in an_object(value, f"{path}.{kind}"))
            tools.append(WebSearch(kind, kind=kind, lost=lost, at=f"{path}.{kind}"))
        else:
            raise UnsupportedFeature.about(path, f"{kind} is a tool of Google's own; leave it out")
    return tools


def _read_function(wire: Body, path: str, drops: Drops) -> Tool:
    drops.unknown(wire, ("name", "description", "parameters", "parametersJsonSchema"), "tools.functionDeclarations")
    return Tool(
        a_name(wire, "name", path),
        description=maybe_string(wire, "description", path) or None,
        parameters=_read_parameters(wire, path),
        at=path,
    )


def _read_parameters(wire: Body, path: str) -> Json:
    if wire.get("parametersJsonSchema") is not None:
        if wire.get("parameters") is not None:
            raise wrong(f"{path}.parametersJsonSchema", "parameters or parametersJsonSchema, not both")
        return an_object(wire["parametersJsonSchema"], f"{path}.parametersJsonSchema")
    if wire.get("parameters") is None:
        return None
    return read_schema(an_object(wire["parameters"], f"{path}.parameters"), f"{path}.parameters")


def _read_choice(tools: tuple[Tool, ...], wire: Json, drops: Drops) -> tuple[ToolChoice | None, tuple[Tool, ...]]:
    if wire is None:
        return None, tools
    config = an_object(wire, _CALLING)
    drops.unknown(config, ("mode", "allowedFunctionNames"), _CALLING)
    mode = maybe_string(config, "mode", _CALLING) or "MODE_UNSPECIFIED"
    allowed = _read_names(config, tools)
    match mode.upper():
        case "MODE_UNSPECIFIED":
            return None, tools
        case "AUTO":
            return ToolChoice("auto"), tools
        case "NONE":
            return ToolChoice("none"), tools
        case "VALIDATED":
            drops.add(f"{_CALLING}.mode")
            return ToolChoice("auto"), _only(tools, allowed)
        case "ANY" if len(allowed) == 1:
            return ToolChoice("tool", allowed[0]), tools
        case "ANY":
            return ToolChoice("required"), _only(tools, allowed)
        case _:
            raise wrong(f"{_CALLING}.mode", '"AUTO", "ANY", "NONE" or "VALIDATED"')


def _read_names(config: Body, tools: tuple[Tool, ...]) -> list[str]:
    path = f"{_CALLING}.allowedFunctionNames"
    declared = {tool.name for tool in tools}
    names = an_array(config.get("allowedFunctionNames") or [], path)
    for at, name in enumerate(names):
        if not isinstance(name, str) or name not in declared:
            raise wrong(f"{path}.{at}", "the name of a declared function")
    return list(dict.fromkeys(names))


def _only(tools: tuple[Tool, ...], allowed: list[str]) -> tuple[Tool, ...]:
    """No other vendor supports a choice among some of the tools: the others are left out."""
    names = frozenset(allowed)
    return tuple(tool for tool in tools if tool.name in names) if names else tools
