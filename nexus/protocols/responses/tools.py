"""Tools, and the names under which they are called.

The neutral form has only functions. A custom tool becomes a function with one string argument, ``input``, and its
grammar goes into the description; a namespace is flattened to ``namespace__name``, cut and hashed beyond 64 characters.
``ClientTool`` keeps the client's own definition, so that calls can be converted back with the neutral Request alone. A
tool search that the client runs, and OpenAI's tools that the client runs (client_tools.py), are functions too. Web
search, or another tool that runs at OpenAI, is left out by name if the vendor does not have it. Sources:
openai.types.responses.ToolParam; openai/codex, tools/src/tool_spec.rs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import groupby

from nexus.conversation.parts import Request, Tool, ToolCall, WebSearch
from nexus.dataclasses import dataclass, field, replace
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.late import pattern
from nexus.protocols import tool_calls
from nexus.protocols.checks import Drops, a_name, an_object, maybe_bool, maybe_string, objects_in, wrong
from nexus.protocols.responses.client_tools import KINDS, ClientRun, description_of, run_of
from nexus.protocols.tool_calls import ToolIds, read_input, spelled_json, with_grammar, write_input
from nexus.wire import Json, decode_object, digest, mapping, sequence, text

_LONGEST = 64
_CALL_ID = pattern(r".{1,64}", re.DOTALL)
_FUNCTION_FIELDS = ("type", "name", "description", "parameters", "strict")
_CUSTOM_FIELDS = ("type", "name", "description", "format")
_SEARCH_FIELDS = ("type", "execution", "description", "parameters")
WEB_SEARCH = "web_search"
SEARCH = "tool_search"
"""The tool's type, and its neutral name."""


@dataclass(frozen=True, slots=True)
class ClientTool(Tool):
    """A tool that its client defines in another form: ``wire`` is that definition."""

    wire: Mapping[str, Json] = field(default_factory=dict)
    namespace: str | None = None
    about: str | None = None
    """The namespace's own description."""

    @property
    def kind(self) -> str:
        return text(self.wire.get("type"))

    @property
    def run(self) -> ClientRun | None:
        """The tool's kind, if it is one of OpenAI's own that the client runs."""
        return KINDS.get(self.kind)


def call_ids() -> ToolIds:
    """OpenAI accepts ids of up to 64 characters, whatever they are."""
    return ToolIds(_CALL_ID)


def qualify(namespace: str | None, name: str) -> str:
    """The neutral name of a tool; a pure function, so that calls in the history need no definition."""
    whole = f"{namespace}__{name}" if namespace else name
    if not namespace or len(whole) <= _LONGEST:
        return whole
    return f"{whole[: _LONGEST - 9]}_{digest(whole, 8)}"


class ClientCalls:
    """The client's own form of the calls in an answer to ``request``; ``runs`` includes OpenAI's tools that it runs."""

    def __init__(self, request: Request, *, runs: bool = True) -> None:
        known = {tool.name: tool for tool in request.tools if isinstance(tool, ClientTool)}
        self._tools = {name: tool for name, tool in known.items() if runs or tool.run is None}

    def kind(self, name: str) -> str:
        """The type of the client's tool."""
        tool = self._tools.get(name)
        return "function" if tool is None else tool.kind

    def run(self, name: str) -> ClientRun | None:
        tool = self._tools.get(name)
        return None if tool is None else tool.run

    def call_item(self, call: ToolCall) -> dict[str, Json]:
        """The item's members, except its id and status."""
        tool = self._tools.get(call.name)
        if tool is not None and tool.run is not None:
            return {"type": tool.run.call, "call_id": call.id, **tool.run.write(decode_object(call.arguments))}
        if tool is not None and tool.kind == SEARCH:
            return {"type": "tool_search_call", "call_id": call.id, "execution": "client"} | {
                "arguments": decode_object(call.arguments)
            }
        name = call.name if tool is None else text(tool.wire.get("name"))
        named: dict[str, Json] = {"call_id": call.id, "name": name}
        if tool is not None and tool.namespace is not None:
            named["namespace"] = tool.namespace
        if tool is not None and tool.kind == "custom":
            return {"type": "custom_tool_call", **named, "input": read_input(call.arguments)}
        return {"type": "function_call", **named, "arguments": call.arguments or "{}"}


def call_words(item: Mapping[str, Json]) -> str:
    """The arguments of a call in a vendor's answer."""
    if item.get("type") == "custom_tool_call":
        return write_input(text(item.get("input")))
    return spelled_json(item.get("arguments"))


def write_found(tools: Json) -> str:
    """The tools that a search has found, under the names by which they can be called here."""
    found = [mapping(entry) for entry in sequence(tools)]
    names = [qualify(space, text(tool.get("name"))) for entry in found for space, tool in _inside(entry)]
    return f"Tools that can be called from now on: {', '.join(names)}" if names else "No tool was found."


def _inside(entry: Mapping[str, Json]) -> list[tuple[str | None, Mapping[str, Json]]]:
    if entry.get("type") != "namespace":
        return [(None, entry)]
    return [(text(entry.get("name")), mapping(tool)) for tool in sequence(entry.get("tools"))]


class ToolsReader:
    """Takes lists of tools; ``tools`` has the results by name, ``searches`` the web search tools, ``left_out`` the
    types of others that only run at OpenAI."""

    def __init__(self, drops: Drops) -> None:
        self.tools: dict[str, Tool] = {}
        self.searches: list[WebSearch] = []
        self._deferred: set[str] = set()
        self.left_out: set[str] = set()
        self._drops = drops

    def read(self, value: Json, path: str) -> None:
        for wire, at in objects_in([] if value is None else value, path):
            self._read_tool(wire, at)

    def _read_tool(self, wire: Mapping[str, Json], path: str) -> None:
        kind = a_name(wire, "type", path)
        if kind in ("function", "custom"):
            self._add(wire, path, None, None)
        elif kind == "namespace":
            self._drops.unknown(wire, ("type", "name", "description", "tools"), "tools")
            namespace, about = a_name(wire, "name", path), maybe_string(wire, "description", path)
            for inner, at in objects_in(wire.get("tools"), f"{path}.tools"):
                self._add(inner, at, namespace, about)
        elif kind == SEARCH and wire.get("execution") == "client":
            self._drops.unknown(wire, _SEARCH_FIELDS, "tools")
            schema = None if wire.get("parameters") is None else an_object(wire["parameters"], f"{path}.parameters")
            self._keep(ClientTool(SEARCH, maybe_string(wire, "description", path), schema, wire=wire), path)
        elif kind.startswith(WEB_SEARCH):
            self._offer(kind, wire)
        elif (run := run_of(wire)) is not None:
            self._keep(ClientTool(run.name, description_of(run, wire), run.parameters, wire=wire), path)
        else:
            self.left_out.add(kind)
            self._drops.add(f"tools.{kind}")

    def _offer(self, kind: str, wire: Mapping[str, Json]) -> None:
        if wire.get("external_web_access") is False or self.searches:
            # Without external web access only OpenAI's cached pages are searched, which no other vendor has.
            self._drops.add(f"tools.{kind}")
            return
        lost = tuple(f"tools.{name}" for name in wire if name not in ("type", "external_web_access"))
        self.searches.append(WebSearch(WEB_SEARCH, kind=kind, offered=True, lost=lost))

    def mark_loaded(self, name: str) -> None:
        """Marks a tool that was found or called as loaded."""
        self._deferred.discard(name)

    @property
    def all(self) -> tuple[Tool, ...]:
        """All tools to send: searches come last, if no function has their name. If the client searches for tools, those
        with deferred loading are included once they were found, because nothing else could find them."""
        for search in self.searches:
            if search.name in self.tools:
                self._drops.add(f"tools.{search.kind}")
        hidden = self._deferred if SEARCH in self.tools else set()
        offered = (tool for name, tool in self.tools.items() if name not in hidden)
        return (*offered, *(search for search in self.searches if search.name not in self.tools))

    def _add(self, wire: Mapping[str, Json], path: str, namespace: str | None, about: str | None) -> None:
        kind, name = a_name(wire, "type", path), a_name(wire, "name", path)
        description = maybe_string(wire, "description", path)
        neutral = qualify(namespace, name)
        tool: Tool
        if kind == "custom":
            self._drops.unknown(wire, _CUSTOM_FIELDS, "tools")
            full = _with_grammar(description, wire, path)
            tool = ClientTool(neutral, full, tool_calls.PARAMETERS, wire=wire, namespace=namespace, about=about)
        elif kind == "function":
            self._drops.unknown(wire, _FUNCTION_FIELDS, "tools")
            schema = wire.get("parameters")
            parameters = None if schema is None else an_object(schema, f"{path}.parameters")
            strict = maybe_bool(wire, "strict", path)
            tool = Tool(neutral, description, parameters, strict)
            if namespace is not None:
                tool = ClientTool(neutral, description, parameters, strict, None, wire, namespace, about)
        else:
            raise UnsupportedFeature.about(path, f"a namespace holds functions and custom tools, not {kind}")
        if not path.startswith("tools."):
            self.mark_loaded(neutral)
        elif wire.get("defer_loading") is True and neutral not in self.tools:
            self._deferred.add(neutral)
        self._keep(tool, path)

    def _keep(self, tool: Tool, path: str) -> None:
        if self.tools.setdefault(tool.name, replace(tool, at=path)) != tool:
            raise InvalidRequest.about(f"{path}.name", f"two tools are named {tool.name}")


def _with_grammar(description: str | None, wire: Mapping[str, Json], path: str) -> str | None:
    """A grammar in the description: another vendor's model cannot be forced to follow it, but it can read it."""
    if wire.get("format") is None:
        return description
    format = an_object(wire["format"], f"{path}.format")
    match format.get("type"):
        case "text":
            return description
        case "grammar":
            return with_grammar(description, format)
        case _:
            raise wrong(f"{path}.format.type", '"text" or "grammar"')


def write_tools(tools: Iterable[Tool], *, runs: bool = True) -> list[dict[str, Json]]:
    """Restores flattened namespaces; with ``runs``, OpenAI's tools that the client runs have their own type."""
    written: list[dict[str, Json]] = []
    for key, group in groupby(tools, _space):
        members = [_write_tool(tool, runs=runs) for tool in group]
        if key is None:
            written += members
        else:
            namespace: dict[str, Json] = {"type": "namespace", "name": key[0], "description": key[1] or ""}
            written.append(namespace | {"tools": members})
    return written


def _space(tool: Tool) -> tuple[str, str | None] | None:
    if isinstance(tool, ClientTool) and tool.namespace is not None:
        return tool.namespace, tool.about
    return None


def _write_tool(tool: Tool, *, runs: bool) -> dict[str, Json]:
    if isinstance(tool, ClientTool) and (runs or tool.run is None):
        return dict(tool.wire)
    described = {} if tool.description is None else {"description": tool.description}
    return {
        "type": "function",
        "name": tool.name,
        **described,
        "parameters": tool.parameters,
        # If left out, it would mean true here and false everywhere else.
        "strict": tool.strict is True,
    }
