"""The form of an answer, for a Messages vendor: an output format, an instruction, or a tool to call.

A model is forced wherever that is possible; if an instruction has to replace it, the loss is reported, and if the
client asked for strict, it is refused instead. Models that cannot be forced to call a tool answer with the arguments of
the one that must be called, in an output format with its schema. Sources: platform.claude.com, structured outputs, and
"What's new in Claude Opus 5.5" (forced tool use is not supported; structured outputs in its place).
"""

from __future__ import annotations

from nexus.conversation.parts import OutputFormat, Request, Tool, WebSearch
from nexus.dataclasses import dataclass
from nexus.errors import UnsupportedFeature
from nexus.models.claude import STRICT_LIMITS
from nexus.protocols.checks import Drops
from nexus.protocols.codec import Target
from nexus.protocols.json_schema.closed import Closed, NotClosed
from nexus.protocols.json_schema.roots import modern, object_root
from nexus.protocols.json_schema.strict import FORMAT, close_format
from nexus.wire import encode

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
    """Raises UnsupportedFeature."""
    free = not target.claude.forced_tools
    if free and (at := _to_be_called(request)) is not None:
        return _as_call(request.tools[at], at, target, drops)
    wanted = request.output_format
    if wanted is None:
        return AnswerForm()
    closed = _held(wanted, target)
    if closed is not None:
        if wanted.description is not None:
            drops.add("output_format.description")
    elif free:
        drops.add("output_format")
        return AnswerForm(instruction=_in_words(wanted))
    else:
        return AnswerForm(by_tool=True)
    drops.add(*closed.lost)
    return AnswerForm(closed)


def _to_be_called(request: Request) -> int | None:
    """The index of the tool that must be called: one by name, or the only one there is."""
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


def _held(wanted: OutputFormat, target: Target) -> Closed | None:
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
