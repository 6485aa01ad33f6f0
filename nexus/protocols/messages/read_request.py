"""A client's Messages request, read into neutral form. Source: anthropic.types.message_create_params."""

from __future__ import annotations

from typing import Any, cast

from nexus.conversation.parts import CacheHint, Effort, Message, OutputFormat, Request, Role, Text, Thinking, ToolChoice
from nexus.dataclasses import replace
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.protocols.checks import (
    Body,
    Drops,
    a_string,
    an_array,
    an_object,
    maybe_bool,
    maybe_number,
    maybe_object,
    maybe_string,
    maybe_whole,
    one_of,
    stop_sequences,
    wrong,
)
from nexus.protocols.codec import ReadRequest
from nexus.protocols.dispositions import dropped_by
from nexus.protocols.messages.fields import READS
from nexus.protocols.messages.read_parts import read_cache_control, read_content, read_texts
from nexus.protocols.messages.read_tools import read_tools
from nexus.protocols.messages.server_tools import since_compaction, turns
from nexus.protocols.messages.turn_controls import cleared, is_silent, last_effort
from nexus.wire import Json

_BILLING = "x-anthropic-billing-header:"
"""Prefix of a system block that Claude Code puts before its instructions."""

_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_TIERS = {"auto": "auto", "standard_only": "default"}


def read_request(body: Body) -> ReadRequest:
    drops = dropped_by(READS, body)
    options = maybe_object(body, "output_config")
    drops.unknown(options, ("effort", "format"), "output_config")
    choice, parallel = _read_tool_choice(body, drops)
    stream = bool(maybe_bool(body, "stream"))
    request = Request(
        messages=_read_messages(body, drops),
        system=_read_system(body, drops),
        tools=read_tools(body, drops),
        tool_choice=choice,
        parallel_tools=parallel,
        thinking=_read_thinking(body, options, drops),
        output_format=_read_output_format(body, options, drops),
        max_tokens=maybe_whole(body, "max_tokens", 0),
        temperature=maybe_number(body, "temperature"),
        top_p=maybe_number(body, "top_p"),
        top_k=maybe_whole(body, "top_k", 0),
        stop=() if body.get("stop_sequences") is None else stop_sequences(body["stop_sequences"], "stop_sequences"),
        user=_read_user(body, drops),
        service_tier=_read_tier(body, drops),
        stream=stream,
        include_usage=stream,
    )
    return ReadRequest(request, drops.names)


def _read_system(body: Body, drops: Drops) -> tuple[Text, ...]:
    """Leaves out Claude Code's block for Anthropic's billing: it differs between conversations, so that other vendors'
    prefix caches, which would begin with it, would never be hit. It is not content, and not reported as dropped."""
    texts = read_texts(body.get("system"), "system", drops)
    return tuple(text for text in texts if not text.text.startswith(_BILLING))


def _read_messages(body: Body, drops: Drops) -> tuple[Message, ...]:
    sent = an_array(body.get("messages"), "messages")
    gone = {*cleared(sent)}
    messages = [
        message
        for at, wire in since_compaction(sent).items()
        if at not in gone and not is_silent(wire)
        for message in _read_message(wire, f"messages.{at}", drops)
    ]
    if sent and not messages:
        raise InvalidRequest.about("messages.0.content", "field required")
    hint = read_cache_control(body, "", drops)
    if hint is not None and messages and messages[-1].parts:
        messages[-1] = _marked(messages[-1], hint)
    return tuple(messages)


def _marked(message: Message, hint: CacheHint) -> Message:
    """The message with its last part as a cache breakpoint, if that part can be one and is not one yet."""
    last: Any = message.parts[-1]
    if getattr(last, "cache", hint) is not None:
        return message
    return replace(message, parts=(*message.parts[:-1], replace(last, cache=hint)))


def _read_message(sent: Json, path: str, drops: Drops) -> list[Message]:
    """One message, or several if Anthropic's servers took part in it."""
    wire = an_object(sent, path)
    role = wire.get("role")
    if role not in ("user", "assistant", "system"):
        raise wrong(f"{path}.role", '"user", "assistant" or "system"')
    drops.unknown(wire, ("role", "content"), "messages")
    if "content" not in wire and role == "assistant":
        raise InvalidRequest.about(f"{path}.content", "field required")
    if role == "system":
        return [Message("system", read_texts(wire.get("content"), f"{path}.content", drops), at=path)]
    parts = read_content(wire.get("content"), cast(Role, role), f"{path}.content", drops)
    return turns(cast(Role, role), parts, path)


def _read_tool_choice(body: Body, drops: Drops) -> tuple[ToolChoice | None, bool | None]:
    if body.get("tool_choice") is None:
        return None, None
    wire = an_object(body["tool_choice"], "tool_choice")
    drops.unknown(wire, ("type", "name", "disable_parallel_tool_use"), "tool_choice")
    disabled = maybe_bool(wire, "disable_parallel_tool_use", "tool_choice")
    parallel = None if disabled is None else not disabled
    match wire.get("type"):
        case "auto":
            return ToolChoice("auto"), parallel
        case "any":
            return ToolChoice("required"), parallel
        case "none":
            return ToolChoice("none"), parallel
        case "tool":
            return ToolChoice("tool", a_string(wire, "name", "tool_choice")), parallel
        case _:
            raise wrong("tool_choice.type", '"auto", "any", "tool" or "none"')


def _read_thinking(body: Body, options: Body, drops: Drops) -> Thinking | None:
    effort = maybe_string(options, "effort", "output_config")
    if effort is not None and effort not in _EFFORTS:
        raise wrong("output_config.effort", one_of(_EFFORTS))
    # The effort of a later system message overrides it for the next answer.
    later = last_effort(body.get("messages"))
    level = cast("Effort | None", later if later in _EFFORTS else effort)
    wire = {} if body.get("thinking") is None else an_object(body["thinking"], "thinking")
    drops.unknown(wire, ("type", "budget_tokens", "display"), "thinking")
    visible = wire.get("display") != "omitted"
    match wire.get("type"):
        case None:
            # Claude models that always think take the other fields alone (pydantic-ai's recordings of Fable 5.1).
            return None if level is None else Thinking(None, effort=level)
        case "enabled":
            budget = maybe_whole(wire, "budget_tokens", 0, path="thinking")
            if budget is None:
                raise InvalidRequest.about("thinking.budget_tokens", "field required")
            return Thinking(True, budget=budget, effort=level, visible=visible)
        case "adaptive":
            return Thinking(True, effort=level, visible=visible)
        case "disabled" | "between_tools":
            return Thinking(False, effort=level)
        case _:
            raise wrong("thinking.type", '"enabled", "adaptive" or "disabled"')


def _read_output_format(body: Body, options: Body, drops: Drops) -> OutputFormat | None:
    wire, path = options.get("format"), "output_config.format"
    if wire is None:
        wire, path = body.get("output_format"), "output_format"
    if wire is None:
        return None
    format = an_object(wire, path)
    drops.unknown(format, ("type", "schema"), path)
    if format.get("type") != "json_schema":
        raise UnsupportedFeature.about(f"{path}.type", 'expected "json_schema"')
    return OutputFormat(schema=an_object(format.get("schema"), f"{path}.schema"))


def _read_user(body: Body, drops: Drops) -> str | None:
    metadata = maybe_object(body, "metadata")
    drops.unknown(metadata, ("user_id",), "metadata")
    return maybe_string(metadata, "user_id", "metadata")


def _read_tier(body: Body, drops: Drops) -> str | None:
    tier = maybe_string(body, "service_tier")
    if tier is not None and tier not in _TIERS:
        drops.add("service_tier")
    return _TIERS.get(tier or "")
