"""Tools, the choice among them, and structured output for a Messages vendor.

Law: a choice always names tools that are sent; what the model cannot be forced to is refused, never weakened.
Structured output is ``output_config.format`` where the model has it, else one more tool whose call is the answer.
Source: anthropic.types.ToolParam, ToolChoiceParam and OutputConfigParam.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nexus.conversation import OutputFormat, Request, Tool, ToolCall, WebSearch
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.protocols.checks import Drops
from nexus.protocols.messages.write_parts import Block, write_cache
from nexus.wire import Json

ANSWER_TOOL = "answer"
_FORCING = ("any", "tool")


@dataclass(slots=True)
class Tooling:
    """What the body gets. ``answer_tool`` is the tool whose call is the answer."""

    tools: list[Block] = field(default_factory=list)
    choice: Block | None = None
    format: Block | None = None
    answer_tool: str | None = None

    @property
    def forced(self) -> bool:
        return self.choice is not None and self.choice["type"] in _FORCING


def write_tooling(request: Request, quirks: frozenset[str], drops: Drops) -> Tooling:
    tooling = Tooling([_write_tool(tool, at, quirks, drops) for at, tool in enumerate(request.tools)])
    tooling.choice = _write_choice(request)
    _write_format(request, tooling, quirks, drops)
    if not tooling.tools:
        tooling.tools = _stubs(request)
        tooling.choice = {"type": "none"} if tooling.tools else None
    _write_parallel(request, tooling)
    if tooling.forced and "no_forced_tools" in quirks:
        raise UnsupportedFeature(
            "tool_choice: this model cannot be forced to call a tool; use auto and say so in the prompt"
            if tooling.answer_tool is None
            else "output_format: this model cannot be held to JSON without a schema; send a JSON schema",
            param="tool_choice" if tooling.answer_tool is None else "output_format",
        )
    return tooling


WEB_SEARCH: Block = {"type": "web_search_20250305", "name": "web_search"}


def _write_tool(tool: Tool, at: int, quirks: frozenset[str], drops: Drops) -> Block:
    if isinstance(tool, WebSearch):
        return dict(WEB_SEARCH)
    wire: Block = {"name": tool.name}
    if tool.description is not None:
        wire["description"] = tool.description
    wire["input_schema"] = _write_schema(tool.parameters, f"tools.{at}.parameters")
    if tool.strict is not None and "strict_tools" in quirks:
        wire["strict"] = tool.strict
    elif tool.strict:
        drops.add("tools.strict")
    return wire | write_cache(tool.cache)


def _write_schema(schema: Json, path: str) -> Block:
    """The schema of an object, which the API demands; an unnamed type is an object's."""
    if schema is None:
        return {"type": "object", "properties": {}}
    if not isinstance(schema, dict):
        raise InvalidRequest(f"{path}: a tool's parameters must be a JSON Schema object", param=path)
    if schema.get("type", "object") != "object":
        raise UnsupportedFeature(f"{path}: Claude's tools take an object of arguments", param=path)
    return schema if "type" in schema else {"type": "object"} | schema


def _write_choice(request: Request) -> Block | None:
    choice = request.tool_choice
    if choice is None:
        return None
    names = [tool.name for tool in request.tools]
    match choice.mode:
        case "auto" | "none":
            return {"type": choice.mode} if names else None
        case "required":
            if not names:
                raise InvalidRequest("tool_choice: a tool is required, but there are no tools", param="tool_choice")
            return {"type": "any"}
        case "tool":
            if choice.name not in names:
                raise InvalidRequest(f"tool_choice: there is no tool {choice.name}", param="tool_choice")
            return {"type": "tool", "name": choice.name}


def _write_format(request: Request, tooling: Tooling, quirks: frozenset[str], drops: Drops) -> None:
    format = request.output_format
    if format is None:
        return
    if format.schema is not None and "structured_output" in quirks:
        tooling.format = {"type": "json_schema", "schema": format.schema}
        if format.description is not None:
            drops.add("output_format.description")
        return
    if tooling.forced:
        # The client's own tool is called in this turn, so that there is no answer to shape yet.
        return
    names = {tool.name for tool in request.tools}
    name = next(f"{ANSWER_TOOL}{suffix}" for suffix in _suffixes() if f"{ANSWER_TOOL}{suffix}" not in names)
    free = bool(request.tools) and (tooling.choice or {}).get("type") != "none"
    tooling.tools.append(_answer_tool(format, name))
    tooling.choice = {"type": "any"} if free else {"type": "tool", "name": name}
    tooling.answer_tool = name


def _suffixes() -> list[str]:
    return ["", *(f"_{number}" for number in range(2, 1000))]


def _answer_tool(format: OutputFormat, name: str) -> Block:
    schema = {"type": "object", "additionalProperties": True} if format.schema is None else format.schema
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise UnsupportedFeature(
            "output_format: this model answers with a JSON object only; wrap the schema in an object",
            param="output_format",
        )
    return {
        "name": name,
        "description": format.description or "Gives the final answer. Call it exactly once, with the whole answer.",
        "input_schema": _write_schema(schema, "output_format.schema"),
    }


def _stubs(request: Request) -> list[Block]:
    """Definitions of the tools that the history called: the API refuses calls of tools that it does not know."""
    calls = [part for message in request.messages for part in message.parts if isinstance(part, ToolCall)]
    names = dict.fromkeys(call.name for call in calls)
    return [{"name": name, "input_schema": {"type": "object", "properties": {}}} for name in names]


def _write_parallel(request: Request, tooling: Tooling) -> None:
    if not tooling.tools or (tooling.choice or {}).get("type") == "none":
        return
    parallel = False if tooling.answer_tool and tooling.choice and tooling.choice["type"] == "tool" else None
    parallel = request.parallel_tools if parallel is None else parallel
    if parallel is not None:
        tooling.choice = (tooling.choice or {"type": "auto"}) | {"disable_parallel_tool_use": not parallel}
