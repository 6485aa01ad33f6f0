"""A neutral request, written for OpenAI or a server compatible with it. What the server rejects is dropped and
reported; nothing is clamped.
"""

from __future__ import annotations

from nexus.conversation.parts import Request, ToolChoice
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.models import efforts
from nexus.models.chat_server import ChatServer
from nexus.models.gpt import MOST_STOPS, refused_on_chat
from nexus.protocols.chat.fields import WRITES
from nexus.protocols.chat.tools import tool_ids, write_choice, write_functions
from nexus.protocols.chat.write_messages import MessagesWriter
from nexus.protocols.checks import Drops
from nexus.protocols.codec import Target, VendorRequest
from nexus.protocols.cutter import cut_for
from nexus.protocols.dispositions import fields_for, left_out, tier_for
from nexus.protocols.forced_answer import answer_tool
from nexus.protocols.openai_request import TIERS, is_off, write_effort, write_owner, write_schema
from nexus.protocols.openai_schemas import fit_schemas
from nexus.protocols.tool_calls import calls_of
from nexus.wire import Json, digest, only

_SAMPLING = {name: name for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias")}


def write_request(request: Request, target: Target) -> VendorRequest:
    request, renaming, lost = fit_schemas(request, typed=target.chat.typed_schemas, plain=target.chat.plain_tools)
    drops = Drops((*left_out(WRITES, request), *lost))
    body: dict[str, Json] = {"model": target.model}
    ids = tool_ids(target, ((call.id, call.name) for call in calls_of(request)))
    body["messages"] = MessagesWriter(target.chat, drops, ids).write(request)
    _write_tools(request, target.chat, body, drops)
    answer_tool = _write_format(request, target.chat, body)
    _write_thinking(request, target, body, drops)
    _write_sampling(request, target, body, drops)
    body |= write_owner(request, target.chat, drops) | only({"service_tier": tier_for(request, TIERS, drops)})
    if request.verbosity and target.gpt is not None and target.gpt.verbosity:
        body["verbosity"] = request.verbosity
        drops.discard("verbosity")
    if request.max_tokens is not None:
        body["max_completion_tokens" if target.chat.max_completion_tokens else "max_tokens"] = request.max_tokens
    if target.chat.prompt_cache_key and (key := _cache_key(request)) is not None:
        body["prompt_cache_key"] = key
        drops.discard("prompt_cache_key")
    stop = request.stop if _takes_stop(request, target) else ()
    if stop:
        body["stop"] = list(stop)
    if request.stream:
        body["stream"] = True
        if not target.chat.no_stream_usage:
            body["stream_options"] = {"include_usage": True}
    cut = cut_for(request, () if stop else request.stop, drops)
    return VendorRequest(body, drops.names, answer_tool, cut=cut, renaming=renaming)


def _cache_key(request: Request) -> str | None:
    """The client's key, or one derived from its user, in which Claude Code names its session."""
    if request.prompt_cache_key is not None or request.user is None:
        return request.prompt_cache_key
    return digest(request.user)


def _write_tools(request: Request, server: ChatServer, body: dict[str, Json], drops: Drops) -> None:
    if not request.tools:
        return
    body["tools"] = write_functions(request.tools, server)
    if any(tool.cache for tool in request.tools) and not server.cache_control:
        drops.add("cache")
    if any(tool.strict for tool in request.tools) and server.no_strict:
        drops.add("tools.strict")
    if request.tool_choice is not None:
        body["tool_choice"] = write_choice(request.tool_choice)
    if request.parallel_tools is not None:
        body["parallel_tool_calls"] = request.parallel_tools


def _write_format(request: Request, server: ChatServer, body: dict[str, Json]) -> str | None:
    """Returns the name of the tool that replaces structured output, if one does."""
    wanted = request.output_format
    if wanted is None:
        return None
    if wanted.schema is None:
        body["response_format"] = {"type": "json_object"}
        return None
    if server.no_json_schema:
        if request.tools:
            raise UnsupportedFeature.about(
                "response_format",
                "this vendor supports structured output only by a forced tool, which excludes other tools",
            )
        tool, _ = answer_tool(wanted, ())
        body["tools"] = write_functions((tool,), server)
        body["tool_choice"] = write_choice(ToolChoice("tool", tool.name))
        return tool.name
    body["response_format"] = {"type": "json_schema", "json_schema": write_schema(wanted)}
    return None


def _write_thinking(request: Request, target: Target, body: dict[str, Json], drops: Drops) -> None:
    if target.chat.no_whole_thinking and not request.stream:
        if request.thinking is not None and request.thinking.enabled:
            drops.add("thinking")
        body["enable_thinking"] = False
        return
    if (switch := target.chat.off_switch) is not None and is_off(request.thinking, body, drops):
        body |= switch
        return
    if request.thinking is not None and (level := write_effort(request.thinking, target, drops)) is not None:
        body["reasoning_effort"] = level
    effort, gpt = body.get("reasoning_effort"), target.gpt
    if gpt is None or not refused_on_chat(gpt, tools=bool(request.tools), effort=effort):
        return
    # Clients need tools more than thinking.
    if gpt.chat == "without_effort":
        drops.add("thinking")
        del body["reasoning_effort"]
    elif gpt.chat == "with_none":
        drops.add("thinking")
        body["reasoning_effort"] = efforts.OFF


def _takes_stop(request: Request, target: Target) -> bool:
    gpt = target.gpt
    return not target.chat.no_stop and (gpt is None or (gpt.stop and len(request.stop) <= MOST_STOPS))


def _write_sampling(request: Request, target: Target, body: dict[str, Json], drops: Drops) -> None:
    takes = target.gpt is None or target.gpt.takes_sampling(body.get("reasoning_effort"))
    body |= fields_for(request, _SAMPLING, takes and not target.chat.no_sampling, drops)
    if not 0 <= body.get("temperature", 0) <= 2:
        raise InvalidRequest.about("temperature", "this vendor accepts 0 to 2")
    body |= fields_for(request, {"seed": "seed"}, not target.chat.no_seed, drops)
