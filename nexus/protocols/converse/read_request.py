"""A client's Converse request, read into neutral form. Sources: the bedrock-runtime service model; for
``additionalModelRequestFields`` the pages of Claude, Nova and gpt-oss.
"""

from __future__ import annotations

from typing import cast, get_args

from nexus.conversation.parts import Effort, Message, OutputFormat, Request, Role, Thinking, Tool, ToolChoice
from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import (
    Body,
    Drops,
    a_name,
    an_array,
    an_object,
    maybe_bool,
    maybe_number,
    maybe_object,
    maybe_string,
    maybe_strings,
    maybe_whole,
    objects_in,
    one_of,
    stop_sequences,
    wrong,
)
from nexus.protocols.codec import ReadRequest
from nexus.protocols.converse.fields import READS
from nexus.protocols.converse.read_parts import mark_last, only_member, read_cache_point, read_content, read_texts
from nexus.protocols.dispositions import dropped_by
from nexus.protocols.openai_request import read_effort
from nexus.wire import decode, mapping, text

_EFFORTS = get_args(Effort)
_IN_PATH = ("model", "stream")
_MORE = "additionalModelRequestFields"
_STOP_PATHS = frozenset({"/stop_sequence", "/delta/stop_sequence"})


def read_request(body: Body) -> ReadRequest:
    drops = dropped_by(READS, body, _IN_PATH)
    config, output = maybe_object(body, "inferenceConfig"), maybe_object(body, "outputConfig")
    more, tools, tier = (maybe_object(body, name) for name in (_MORE, "toolConfig", "serviceTier"))
    drops.unknown(config, ("maxTokens", "temperature", "topP", "stopSequences"), "inferenceConfig")
    drops.unknown(output, ("textFormat", "effort"), "outputConfig")
    drops.unknown(tools, ("tools", "toolChoice"), "toolConfig")
    drops.unknown(tier, ("type",), "serviceTier")
    _report_unread(body, more, drops)
    stream = body.get("stream") is True
    request = Request(
        messages=tuple(_read_message(wire, path, drops) for wire, path in objects_in(body.get("messages"), "messages")),
        system=() if body.get("system") is None else read_texts(body["system"], "system", drops),
        tools=_read_tools(tools, drops),
        tool_choice=_read_tool_choice(tools, drops),
        parallel_tools=_read_parallel(more),
        thinking=_read_thinking(more, output),
        output_format=_read_output_format(output, drops),
        max_tokens=maybe_whole(config, "maxTokens", 0, path="inferenceConfig"),
        temperature=maybe_number(config, "temperature", path="inferenceConfig"),
        top_p=maybe_number(config, "topP", path="inferenceConfig"),
        top_k=_read_top_k(more),
        stop=stop_sequences(config.get("stopSequences") or [], "inferenceConfig.stopSequences"),
        metadata=maybe_strings(body, "requestMetadata"),
        service_tier=maybe_string(tier, "type", "serviceTier"),
        stream=stream,
        include_usage=stream,
    )
    return ReadRequest(request, drops.names)


def _read_message(wire: Body, path: str, drops: Drops) -> Message:
    role = wire.get("role")
    if role not in ("user", "assistant", "system"):
        raise wrong(f"{path}.role", '"user" or "assistant"')
    drops.unknown(wire, ("role", "content"), "messages")
    if role == "system":
        return Message("system", read_texts(wire.get("content"), f"{path}.content", drops), at=path)
    return Message(
        cast(Role, role), read_content(wire.get("content"), cast(Role, role), f"{path}.content", drops), at=path
    )


def _read_tools(config: Body, drops: Drops) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for entry, path in objects_in(config.get("tools") or [], "toolConfig.tools"):
        kind, value = only_member(entry, path)
        if kind == "cachePoint":
            mark_last(tools, read_cache_point(value, path, drops), drops)
        elif kind == "toolSpec":
            tools.append(_read_tool(an_object(value, f"{path}.toolSpec"), path, drops))
        else:
            raise UnsupportedFeature.about(path, f"{kind} is a tool of Bedrock's own; leave it out")
    return tuple(tools)


def _read_tool(spec: Body, path: str, drops: Drops) -> Tool:
    drops.unknown(spec, ("name", "description", "inputSchema", "strict"), "toolConfig.tools.toolSpec")
    schema = an_object(spec.get("inputSchema"), f"{path}.toolSpec.inputSchema").get("json")
    return Tool(
        a_name(spec, "name", f"{path}.toolSpec"),
        description=maybe_string(spec, "description", f"{path}.toolSpec"),
        parameters=None if schema is None else an_object(schema, f"{path}.toolSpec.inputSchema.json"),
        strict=maybe_bool(spec, "strict", f"{path}.toolSpec"),
        at=path,
    )


def _read_tool_choice(config: Body, drops: Drops) -> ToolChoice | None:
    if config.get("toolChoice") is None:
        return None
    kind, value = only_member(config["toolChoice"], "toolConfig.toolChoice")
    path = f"toolConfig.toolChoice.{kind}"
    chosen = an_object(value, path)
    drops.unknown(chosen, ("name",), path)
    match kind:
        case "auto":
            return ToolChoice("auto")
        case "any":
            return ToolChoice("required")
        case "tool":
            return ToolChoice("tool", a_name(chosen, "name", path))
        case _:
            raise wrong("toolConfig.toolChoice", "an object with auto, any or tool")


def _read_parallel(more: Body) -> bool | None:
    disabled = mapping(more.get("tool_choice")).get("disable_parallel_tool_use")
    return not disabled if isinstance(disabled, bool) else None


def _read_thinking(more: Body, output: Body) -> Thinking | None:
    # gpt-oss and GPT have no separate switch: an effort also turns thinking on.
    levels = {"reasoning_effort": more, "reasoning.effort": mapping(more.get("reasoning"))}
    for name, holder in levels.items():
        if (thinking := read_effort(holder.get(name.rpartition(".")[2]), f"{_MORE}.{name}")) is not None:
            return thinking
    effort = _read_effort(more, output)
    claude = mapping(more.get("thinking") or more.get("reasoning_config"))
    nova = mapping(more.get("reasoningConfig"))
    match text(claude.get("type") or nova.get("type")):
        case "enabled" | "adaptive":
            budget = maybe_whole(claude, "budget_tokens", 0, path=f"{_MORE}.thinking")
            return Thinking(True, budget=budget, effort=effort, visible=claude.get("display") != "omitted")
        case "disabled":
            return Thinking(False, effort=effort)
        case _:
            return None if effort is None else Thinking(None, effort=effort)


def _read_effort(more: Body, output: Body) -> Effort | None:
    """The first effort, in the form of the service or of a model family."""
    efforts = {
        "outputConfig.effort": output.get("effort"),
        f"{_MORE}.output_config.effort": mapping(more.get("output_config")).get("effort"),
        f"{_MORE}.reasoningConfig.maxReasoningEffort": mapping(more.get("reasoningConfig")).get("maxReasoningEffort"),
    }
    path, value = next(((path, value) for path, value in efforts.items() if value is not None), ("", None))
    if value is not None and value not in _EFFORTS:
        raise wrong(path, one_of(_EFFORTS))
    return cast("Effort | None", value)


def _read_top_k(more: Body) -> int | None:
    if more.get("top_k") is not None:
        return maybe_whole(more, "top_k", 0, path=_MORE)
    return maybe_whole(mapping(more.get("inferenceConfig")), "topK", 0, path=f"{_MORE}.inferenceConfig")


_READ_OF_MODELS = frozenset(
    {"top_k", "thinking", "reasoning_config", "reasoningConfig", "reasoning_effort", "reasoning", "output_config"}
    | {"inferenceConfig", "tool_choice"}
)


def _report_unread(body: Body, more: Body, drops: Drops) -> None:
    drops.unknown(more, _READ_OF_MODELS, _MORE)
    paths = body.get("additionalModelResponseFieldPaths")
    if paths is not None and not _STOP_PATHS.issuperset(
        map(text, an_array(paths, "additionalModelResponseFieldPaths"))
    ):
        drops.add("additionalModelResponseFieldPaths")


def _read_output_format(output: Body, drops: Drops) -> OutputFormat | None:
    if output.get("textFormat") is None:
        return None
    path = "outputConfig.textFormat.structure.jsonSchema"
    format = an_object(output["textFormat"], "outputConfig.textFormat")
    drops.unknown(format, ("type", "structure"), "outputConfig.textFormat")
    kind, held = only_member(format.get("structure"), "outputConfig.textFormat.structure")
    wire = an_object(held if kind == "jsonSchema" else None, path)
    drops.unknown(wire, ("name", "description", "schema"), path)
    try:
        schema = decode(text(wire.get("schema")))
    except ValueError as error:
        raise wrong(f"{path}.schema", "a JSON schema as a string") from error
    name, description = maybe_string(wire, "name", path), maybe_string(wire, "description", path)
    return OutputFormat(an_object(schema, f"{path}.schema"), name, description)
