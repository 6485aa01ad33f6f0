"""Tools, the choice among them, and structured output, which some models only have as a forced tool.

What the client relies on (a tool, a forced call, a schema) is kept exactly or refused by name. "none" has no
equivalent: without tool blocks in the history the tools are left out, which is exact; with them Bedrock requires
toolConfig, so the tools stay and may be called, and ``tool_choice`` is reported as dropped. A request without tools
whose history has tool blocks gets the tools named in the history. Source: the bedrock-runtime service model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from nexus.conversation.parts import OutputFormat, Request, Tool, ToolChoice
from nexus.dataclasses import dataclass, field, replace
from nexus.errors import UnsupportedFeature
from nexus.models.bedrock import PROPERTY_KEYS
from nexus.protocols.checks import wrong
from nexus.protocols.converse.draft import Draft
from nexus.protocols.forced_answer import answer_tool
from nexus.protocols.json_schema.closed import FORMAT, Closed, NotClosed, close_format, strict_tools
from nexus.protocols.json_schema.property_names import Forms
from nexus.protocols.json_schema.refs import Copies
from nexus.protocols.json_schema.roots import bare_root, describe, modern_root
from nexus.protocols.tool_calls import called
from nexus.wire import Json, encode, only


@dataclass(frozen=True, slots=True)
class ToolPlan:
    """``mode`` is auto, any or tool. ``answer_keys`` are the replaced names of the answer tool's properties, ``format``
    is the schema of an answer without such a tool."""

    tools: tuple[Tool, ...] = ()
    mode: Literal["auto", "any", "tool"] = "auto"
    name: str | None = None
    answer_tool: str | None = None
    answer_keys: Forms = field(default_factory=dict)
    format: Closed | None = None

    @property
    def forced(self) -> bool:
        return self.mode != "auto"


def plan_tools(request: Request, draft: Draft) -> ToolPlan:
    """Which tools are sent and which must be called. Raises InvalidRequest, UnsupportedFeature."""
    plan = _chosen(request, draft)
    wanted = request.output_format
    plan = replace(plan, format=_enforced_format(wanted, draft))
    if wanted is not None and plan.format is None:
        plan = _with_answer_tool(plan, wanted, draft)
    if plan.tools and not draft.model.tools:
        raise UnsupportedFeature.about("tools", "this model does not support tools; use another model")
    if plan.forced and draft.model.tool_choice == "auto":
        raise UnsupportedFeature.about(
            "tool_choice", "this model does not support a forced tool call; use tool_choice auto"
        )
    if plan.mode == "tool" and draft.model.tool_choice == "any":
        return replace(plan, mode="any", tools=tuple(tool for tool in plan.tools if tool.name == plan.name))
    return plan


def _chosen(request: Request, draft: Draft) -> ToolPlan:
    choice, tools = request.tool_choice or ToolChoice("auto"), request.tools
    if names := dict.fromkeys(called(request)):
        tools = tools or tuple(map(Tool, names))
        if choice.mode == "none":
            draft.drops.add("tool_choice")
    elif choice.mode == "none":
        tools = ()
    match choice.mode:
        case "auto" | "none":
            return ToolPlan(tools)
        case "required":
            return ToolPlan(tools, "any")
        case "tool":
            return ToolPlan(tools, "tool", choice.name)


def _enforced_format(wanted: OutputFormat | None, draft: Draft) -> Closed | None:
    """The schema of textFormat; "any JSON object" has none. Raises UnsupportedFeature if the model must be forced to
    follow it and cannot."""
    if wanted is None or wanted.schema is None or not draft.model.structured_output:
        return None
    try:
        return close_format(wanted.schema, None)
    except NotClosed as reason:
        if wanted.strict:
            raise UnsupportedFeature.about(FORMAT, f"this model cannot enforce this schema: {reason}") from reason
    return None


def _with_answer_tool(plan: ToolPlan, wanted: OutputFormat, draft: Draft) -> ToolPlan:
    """A tool call and the answer are alternatives: a turn that must call a client's tool has no answer to format."""
    if plan.forced:
        draft.drops.add("output_format")
        return plan
    if draft.model.tool_choice == "auto" or not draft.model.tools:
        raise UnsupportedFeature.about(
            "output_format", "this model supports neither structured output nor a forced tool; use another model"
        )
    if wanted.strict:
        draft.drops.add("output_format.strict")
    tool, forms = answer_tool(wanted, plan.tools, PROPERTY_KEYS)
    forced = ToolPlan((*plan.tools, tool), "any") if plan.tools else ToolPlan((tool,), "tool", tool.name)
    return replace(forced, answer_tool=tool.name, answer_keys=forms)


def write_tool_config(plan: ToolPlan, request: Request, draft: Draft) -> Json:
    """The toolConfig; None without tools."""
    if not plan.tools:
        return None
    tools: list[Json] = []
    strict, copies = _strict_schemas(plan, draft), Copies()
    for number, tool in enumerate(plan.tools):
        path = FORMAT if tool.name == plan.answer_tool else f"tools.{number}.parameters"
        tools.append({"toolSpec": _spec(tool, path, strict.get(number), draft, copies)})
        if tool.cache is not None:
            draft.drops.add("cache")
    config: dict[str, Json] = {"tools": tools}
    if request.parallel_tools is False:
        draft.drops.add("parallel_tools")
    match plan.mode:
        case "any":
            config["toolChoice"] = {"any": {}}
        case "tool":
            config["toolChoice"] = {"tool": {"name": plan.name}}
    return config


def _strict_schemas(plan: ToolPlan, draft: Draft) -> Mapping[int, dict[str, Json]]:
    if not draft.model.structured_output:
        if any(tool.strict for tool in plan.tools):
            draft.drops.add("strict")
        return {}
    held = strict_tools(plan.tools, None, plan.format)
    draft.drops.add(*held.lost)
    return held.schemas


def _spec(tool: Tool, path: str, held: Mapping[str, Json] | None, draft: Draft, copies: Copies) -> Json:
    """``path`` is that of the schema, ``copies`` are those of all tools."""
    if not tool.name:
        raise wrong(f"{path.removesuffix('.parameters')}.name", "a non-empty string")
    root = (bare_root if draft.model.bare_schemas else modern_root)(tool.parameters, path)
    copies.add(root.copied, path)
    draft.drops.add(*(f"{path}.{keyword}" for keyword in root.lost))
    described = describe(tool.description if (tool.description or "").strip() else None, root.in_words)
    schema = {"json": root.schema if held is None else held}
    strict = None if held is None else True
    return only({"name": tool.name, "description": described, "inputSchema": schema, "strict": strict})


def write_text_format(plan: ToolPlan, request: Request, draft: Draft) -> Json:
    """outputConfig.textFormat, if the model supports it. The service enforces the schema strictly."""
    wanted = request.output_format
    if wanted is None or plan.format is None:
        return None
    draft.drops.add(*plan.format.lost)
    schema = encode(plan.format.schema).decode()
    definition = only({"schema": schema, "name": wanted.name, "description": wanted.description})
    return {"type": "json_schema", "structure": {"jsonSchema": definition}}
