"""Tools, the choice among them, and structured output for a Messages vendor.

A choice always names tools that are sent. Structured output is an output format, an instruction, or one more tool whose
call is the answer. Sources: anthropic.types.ToolParam, ToolChoiceParam and OutputConfigParam; platform.claude.com,
structured outputs, and "What's new in Claude Opus 5.5" (forced tool use is not supported; structured outputs in its
place).
"""

from __future__ import annotations

from nexus.conversation.parts import OutputFormat, Request, Tool, WebSearch
from nexus.dataclasses import dataclass, field
from nexus.errors import UnsupportedFeature
from nexus.models.claude import PROPERTY_KEYS, STRICT_LIMITS, Claude
from nexus.protocols.checks import Drops
from nexus.protocols.codec import Target
from nexus.protocols.forced_answer import answer_tool
from nexus.protocols.json_schema.closed import FORMAT, Closed, NotClosed, close_format, strict_tools
from nexus.protocols.json_schema.property_names import Forms
from nexus.protocols.json_schema.roots import describe, modern, modern_root, object_root
from nexus.protocols.json_schema.rules import plain_tools
from nexus.protocols.messages.write_parts import Block, write_cache
from nexus.protocols.tool_calls import called
from nexus.wire import encode, only

_ALONE = "and nothing else: no words before or after it, and no code fence around it."
_OBJECT = f"Give your answer as one JSON object {_ALONE}"
_MATCHING = f"Give your answer as JSON that matches the JSON Schema below {_ALONE}"


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """``instruction`` goes after the system text, ``format`` into output_config. ``choice`` replaces the client's own;
    ``call`` is the tool whose arguments are in the answer's text. ``by_tool`` means a forced tool."""

    format: Closed | None = None
    instruction: str | None = None
    choice: str | None = None
    call: str | None = None
    by_tool: bool = False


def plan_form(request: Request, target: Target, drops: Drops) -> AnswerForm:
    """Enforces the form wherever that is possible. An instruction instead is reported as a loss, or refused if the
    client asked for strict. Models that cannot be forced to call a tool answer with the arguments of the one that must
    be called, in an output format with its schema."""
    free = not target.claude.forced_tools
    if free and (at := _to_be_called(request)) is not None:
        return _as_call(request.tools[at], at, target, drops)
    wanted = request.output_format
    if wanted is None:
        return AnswerForm()
    closed = _enforced(wanted, target)
    if closed is None and not free:
        return AnswerForm(by_tool=True)
    if closed is None:
        drops.add("output_format")
        return AnswerForm(instruction=_in_words(wanted))
    if wanted.description is not None:
        drops.add("output_format.description")
    drops.add(*closed.lost)
    return AnswerForm(closed)


def _to_be_called(request: Request) -> int | None:
    """The index of the tool that must be called: the named one, or the only one."""
    choice, tools = request.tool_choice, request.tools
    named = choice.name if choice is not None and choice.mode == "tool" else None
    if choice is not None and choice.mode == "required" and len(tools) == 1:
        named = tools[0].name
    found = (at for at, tool in enumerate(tools) if tool.name == named and not isinstance(tool, WebSearch))
    return next(found, None)


def _as_call(tool: Tool, at: int, target: Target, drops: Drops) -> AnswerForm:
    path = f"tools.{at}.parameters"
    schema = object_root(modern(tool.parameters), path).schema
    try:
        closed = close_format(schema, STRICT_LIMITS, path) if target.claude.structured_output else None
    except NotClosed:
        closed = None
    if closed is None:
        drops.add("tool_choice")
        return AnswerForm(instruction=f"Call the tool {tool.name}, once, before anything else.", choice="auto")
    drops.add(*closed.lost)
    words = f"Give, as your answer, the arguments of one call of the tool {tool.name}; it is called with them for you."
    return AnswerForm(closed, words, choice="none", call=tool.name)


def _enforced(wanted: OutputFormat, target: Target) -> Closed | None:
    """The schema of the answer, if the model can be forced to follow it. Raises UnsupportedFeature if it must be."""
    if wanted.schema is None:
        return None
    if target.claude.structured_output:
        try:
            return close_format(wanted.schema, STRICT_LIMITS)
        except NotClosed as why:
            reason = str(why)
    elif not target.claude.forced_tools:
        reason = "the model has no structured output there; omit strict to send the schema as an instruction"
    else:
        # A forced tool is close enough.
        return None
    if wanted.strict:
        raise UnsupportedFeature.about(FORMAT, f"{target.named} cannot enforce this schema: {reason}")
    return None


def _in_words(wanted: OutputFormat) -> str:
    if wanted.schema is None:
        return _OBJECT
    about = f"\n\nWhat it is: {wanted.description}" if wanted.description else ""
    return f"{_MATCHING}{about}\n\n{encode(wanted.schema).decode()}"


_FORCING = ("any", "tool")


@dataclass(slots=True)
class Tooling:
    """What goes into the body. ``answer_tool`` is the tool whose call is the answer, ``answer_keys`` the replaced names
    of its properties."""

    form: AnswerForm
    tools: list[Block]
    choice: Block | None
    answer_tool: str | None = None
    answer_keys: Forms = field(default_factory=dict)

    @property
    def forced(self) -> bool:
        return self.choice is not None and self.choice["type"] in _FORCING


def write_tooling(request: Request, target: Target, drops: Drops) -> Tooling:
    form = plan_form(request, target, drops)
    tools = _write_tools(request.tools, form.format, target.claude, drops)
    tooling = Tooling(form, tools, _write_choice(request) if form.choice is None else {"type": form.choice})
    if form.by_tool and request.output_format is not None:
        _answer_by_tool(request.output_format, request, tooling, drops)
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


WEB_SEARCH: Block = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
"""After ten steps Anthropic pauses the turn, which only a Messages client can continue. Source: platform.claude.com,
"Handling stop reasons"."""


def _write_tools(tools: tuple[Tool, ...], format: Closed | None, claude: Claude, drops: Drops) -> list[Block]:
    if not claude.strict_tools:
        if any(tool.strict for tool in tools):
            drops.add("tools.strict")
        if claude.plain_tools:
            lost: list[str] = []
            tools = plain_tools(tools, lost)
            drops.add(*lost)
        return [_write_tool(tool, at, {}, drops) for at, tool in enumerate(tools)]
    held = strict_tools(tools, STRICT_LIMITS, format)
    drops.add(*held.lost)
    written = []
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
    choice = request.tool_choice
    if choice is None or not request.tools:
        return None
    return only({"type": "any" if choice.mode == "required" else choice.mode, "name": choice.name})


def _answer_by_tool(format: OutputFormat, request: Request, tooling: Tooling, drops: Drops) -> None:
    """One more tool, whose call is the answer. If one of the client's own tools must be called, there is no answer to
    format."""
    if tooling.forced:
        drops.add("output_format")
        return
    tool, tooling.answer_keys = answer_tool(format, request.tools, PROPERTY_KEYS)
    if format.strict:
        drops.add("output_format.strict")
    root = modern_root(tool.parameters, FORMAT)
    free = bool(request.tools) and (tooling.choice or {}).get("type") != "none"
    tooling.tools.append(
        {"name": tool.name, "description": describe(tool.description, root.in_words), "input_schema": root.schema}
    )
    tooling.choice = {"type": "any"} if free else {"type": "tool", "name": tool.name}
    tooling.answer_tool = tool.name


def _stubs(request: Request) -> list[Block]:
    """Definitions of the tools called in the history: the API rejects calls of unknown tools."""
    stub = {"input_schema": {"type": "object", "properties": {}}}
    return [{"name": name} | stub for name in dict.fromkeys(called(request))]


def _write_parallel(request: Request, tooling: Tooling) -> None:
    if not tooling.tools or (tooling.choice or {}).get("type") == "none":
        return
    alone = tooling.answer_tool and tooling.choice and tooling.choice["type"] == "tool"
    parallel = False if alone else request.parallel_tools
    if parallel is not None:
        tooling.choice = (tooling.choice or {"type": "auto"}) | {"disable_parallel_tool_use": not parallel}
