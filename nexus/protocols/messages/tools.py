"""Tools, the choice among them, and structured output for a Messages vendor.

A choice always names tools that are sent. Structured output follows ``answer_form``, or is one more tool whose call is
the answer. Source: anthropic.types.ToolParam, ToolChoiceParam and OutputConfigParam.
"""

from __future__ import annotations

from dataclasses import field

from nexus.conversation.parts import OutputFormat, Request, Tool, ToolCall, WebSearch
from nexus.dataclasses import dataclass
from nexus.errors import UnsupportedFeature
from nexus.models.claude import PROPERTY_KEYS, STRICT_LIMITS, Claude
from nexus.protocols.checks import Drops
from nexus.protocols.codec import Target
from nexus.protocols.forced_answer import answer_tool
from nexus.protocols.json_schema.closed import Closed
from nexus.protocols.json_schema.keys import Forms
from nexus.protocols.json_schema.roots import describe, modern_root
from nexus.protocols.json_schema.strict import FORMAT, strict_tools
from nexus.protocols.messages.answer_form import plan_form
from nexus.protocols.messages.write_parts import Block, write_cache
from nexus.protocols.tool_calls import check_choice
from nexus.wire import only

ANSWER_TOOL = "answer"
_FORCING = ("any", "tool")


@dataclass(slots=True)
class Tooling:
    """What goes into the body. ``answer_tool`` is the tool whose call is the answer, ``answer_keys`` the replaced names
    of its properties, ``answer_call`` the tool whose arguments are the answer; ``instruction`` ends the system text."""

    tools: list[Block] = field(default_factory=list)
    choice: Block | None = None
    format: Block | None = None
    instruction: str | None = None
    answer_call: str | None = None
    answer_tool: str | None = None
    answer_keys: Forms = field(default_factory=dict)

    @property
    def forced(self) -> bool:
        return self.choice is not None and self.choice["type"] in _FORCING


def write_tooling(request: Request, target: Target, drops: Drops) -> Tooling:
    form = plan_form(request, target, drops)
    tooling = Tooling(_write_tools(request.tools, form.format, target.claude, drops))
    tooling.instruction, tooling.answer_call = form.instruction, form.call
    tooling.choice = _write_choice(request) if form.choice is None else {"type": form.choice}
    if form.format is not None:
        tooling.format = {"type": "json_schema", "schema": form.format.schema}
    if form.by_tool and request.output_format is not None and not tooling.forced:
        _answer_by_tool(request.output_format, request, tooling)
    if not tooling.tools:
        tooling.tools = _stubs(request)
        tooling.choice = {"type": "none"} if tooling.tools else None
    _write_parallel(request, tooling)
    if tooling.forced and not target.claude.forced_tools:
        raise UnsupportedFeature.about(
            "tool_choice",
            f"{target.named} does not support a forced call of one of several tools; use auto and a prompt, "
            "or name one tool",
        )
    return tooling


WEB_SEARCH: Block = {"type": "web_search_20250305", "name": "web_search"}


def _write_tools(tools: tuple[Tool, ...], format: Closed | None, claude: Claude, drops: Drops) -> list[Block]:
    if not claude.strict_tools:
        if any(tool.strict for tool in tools):
            drops.add("tools.strict")
        return [_write_tool(tool, at, {}, drops) for at, tool in enumerate(tools)]
    held = strict_tools(tools, STRICT_LIMITS, format)
    drops.add(*held.lost)
    written: list[Block] = []
    for at, tool in enumerate(tools):
        strict = {"strict": at in held.schemas} if tool.strict is not None else {}
        schema = {"input_schema": held.schemas[at]} if at in held.schemas else {}
        written.append(_write_tool(tool, at, schema | strict, drops))
    return written


def _write_tool(tool: Tool, at: int, held: Block, drops: Drops) -> Block:
    """``held`` has the members of a strict tool."""
    if isinstance(tool, WebSearch):
        return dict(WEB_SEARCH)
    path = f"tools.{at}.parameters"
    root = modern_root(tool.parameters, path)
    drops.add(*(f"{path}.{keyword}" for keyword in root.lost))
    description = describe(tool.description, root.in_words)
    wire = only({"name": tool.name, "description": description, "input_schema": root.schema})
    return wire | held | write_cache(tool.cache)


def _write_choice(request: Request) -> Block | None:
    check_choice(request)
    choice = request.tool_choice
    if choice is None or not request.tools:
        return None
    return only({"type": "any" if choice.mode == "required" else choice.mode, "name": choice.name})


def _answer_by_tool(format: OutputFormat, request: Request, tooling: Tooling) -> None:
    """One more tool, whose call is the answer. If one of the client's own tools must be called, there is no answer to
    format."""
    schema = {} if format.schema is None else format.schema
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise UnsupportedFeature.about(
            "output_format", "this model answers with a JSON object only; wrap the schema in an object"
        )
    about = "Gives the final answer. Call it exactly once, with the whole answer."
    tool, tooling.answer_keys = answer_tool(format, request.tools, PROPERTY_KEYS, name=ANSWER_TOOL, about=about)
    root = modern_root(tool.parameters, FORMAT)
    free = bool(request.tools) and (tooling.choice or {}).get("type") != "none"
    tooling.tools.append(
        {"name": tool.name, "description": describe(tool.description, root.in_words), "input_schema": root.schema}
    )
    tooling.choice = {"type": "any"} if free else {"type": "tool", "name": tool.name}
    tooling.answer_tool = tool.name


def _stubs(request: Request) -> list[Block]:
    """Definitions of the tools called in the history: the API rejects calls of unknown tools."""
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
