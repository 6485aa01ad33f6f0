"""A neutral request, written for a vendor of the responses dialect.

Stateless: ``store`` is false, and encrypted reasoning is requested. Stop sequences, which this dialect does not have,
and output shorter than its minimum are cut by the relay. Source: openai.types.responses.response_create_params.
"""

from __future__ import annotations

from nexus.conversation.parts import OutputFormat, Request, Thinking
from nexus.dataclasses import replace
from nexus.models.efforts import OFF
from nexus.models.gpt import GPT, LEAST_OUTPUT
from nexus.protocols.checks import Drops, asks_for
from nexus.protocols.codec import Target, VendorRequest
from nexus.protocols.cutter import cut_for
from nexus.protocols.dispositions import fields_for, left_out, tier_for
from nexus.protocols.openai_request import TIERS, is_off, offered_efforts, write_effort, write_owner, write_schema
from nexus.protocols.openai_schemas import fit_schemas
from nexus.protocols.rejected import leave_out
from nexus.protocols.responses.fields import WRITES
from nexus.protocols.responses.tool_choice import write_tool_choice
from nexus.protocols.responses.tools import write_tools
from nexus.protocols.responses.write_items import write_items
from nexus.wire import Json, mapping, only

_TIERS = {**TIERS, "ultrafast": "ultrafast"}
_SAMPLING = {"temperature": "temperature", "top_p": "top_p"}

SUMMARY = "reasoning.summary"
"""Name under which it is reported if it could not be requested; no client has its own field for it."""


def write_request(request: Request, target: Target) -> VendorRequest:
    request, renaming, lost = fit_schemas(request, plain=target.chat.plain_tools)
    drops = Drops(left_out(WRITES, request))
    body: dict[str, Json] = {"model": target.model, "input": write_items(request, drops, target), "store": False}
    if target.gpt is None or target.gpt.reasons:
        body["include"] = ["reasoning.encrypted_content"]
    if request.stream:
        body["stream"] = True
    _write_tools(request, body)
    if target.chat.off_switch is not None and is_off(request.thinking, body, drops):
        body["reasoning"] = {"effort": OFF}
    elif request.thinking is not None and (reasoning := write_reasoning(request.thinking, target, drops)):
        body["reasoning"] = reasoning
    if text := _write_text(request, target.gpt, drops):
        body["text"] = text
    # A reasoning model accepts sampling only while it does not reason.
    takes_sampling = target.gpt is None or target.gpt.takes_sampling(mapping(body.get("reasoning")).get("effort"))
    optional = {
        "max_output_tokens": None if request.max_tokens is None else max(request.max_tokens, LEAST_OUTPUT),
        **fields_for(request, _SAMPLING, takes_sampling, drops),
        **write_owner(request, target.chat, drops),
        "service_tier": tier_for(request, _TIERS, drops),
        "safety_identifier": request.safety_identifier,
        "prompt_cache_key": request.prompt_cache_key,
    }
    body |= only(optional)
    leave_out(body, target.rejected, drops)
    if any(tool.cache for tool in request.tools):
        drops.add("cache")
    cut = cut_for(request, request.stop, drops, LEAST_OUTPUT)
    return VendorRequest(body, (*drops.names, *lost), cut=cut, renaming=renaming)


def _write_tools(request: Request, body: dict[str, Json]) -> None:
    if not request.tools:
        return
    body["tools"] = write_tools(request.tools, runs=False)
    if request.tool_choice is not None:
        body["tool_choice"] = write_tool_choice(request.tool_choice, request.tools)
    if request.parallel_tools is not None:
        body["parallel_tool_calls"] = request.parallel_tools


def _write_text(request: Request, gpt: GPT | None, drops: Drops) -> dict[str, Json]:
    text: dict[str, Json] = {}
    if request.output_format is not None:
        text["format"] = write_format(request.output_format)
    if request.verbosity and (gpt is None or gpt.verbosity):
        text["verbosity"] = request.verbosity
    elif asks_for("verbosity", request.verbosity):
        drops.add("verbosity")
    return text


def write_reasoning(thinking: Thinking, target: Target, drops: Drops) -> dict[str, Json]:
    """``reasoning``; anything the model cannot do as requested is added to ``drops``."""
    level = write_effort(thinking, target, drops)
    reasoning: dict[str, Json] = {"effort": level} if level else {}
    if not (thinking.enabled and thinking.visible and offered_efforts(target)):
        return reasoning
    if target.summary == "off":
        drops.add(SUMMARY)
        return reasoning
    return reasoning | {"summary": target.summary}


def write_format(format: OutputFormat) -> dict[str, Json]:
    if format.schema is None:
        return {"type": "json_object"}
    return {"type": "json_schema", **write_schema(format)}


_COUNTED = ("model", "input", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text")
"""Fields of ``POST /v1/responses/input_tokens``. Source: openai.types.responses.input_token_count_params."""


def write_count(request: Request, target: Target) -> dict[str, Json]:
    """The same prompt, without everything that only affects the answer or requests storage."""
    # A summary is not part of the prompt, and may be refused.
    body = write_request(request, replace(target, summary="off")).body
    return {name: body[name] for name in _COUNTED if name in body}
