"""A client's responses request, read into neutral form. Source: openai.types.responses.response_create_params."""

from __future__ import annotations

from nexus.conversation.parts import OutputFormat, Request, SummaryWanted, Text, Thinking, ToolChoice
from nexus.dataclasses import replace
from nexus.errors import InvalidRequest
from nexus.protocols.checks import (
    Body,
    Drops,
    an_array,
    an_object,
    maybe_bool,
    maybe_number,
    maybe_string,
    maybe_strings,
    maybe_whole,
    wrong,
)
from nexus.protocols.codec import Find, ReadRequest
from nexus.protocols.dispositions import dropped_by
from nexus.protocols.openai_request import read_effort, read_format
from nexus.protocols.responses.earlier_answers import Continued, Earlier
from nexus.protocols.responses.fields import READS, WITHOUT_STORE
from nexus.protocols.responses.read_items import UPDATE, ItemsReader
from nexus.protocols.responses.tool_choice import read_tool_choice
from nexus.protocols.responses.tools import ToolsReader
from nexus.wire import Json, mapping, sequence

_INCLUDED = "reasoning.encrypted_content"


def read_request(body: Body, find: Find | None = None, *, compacts: bool = False) -> ReadRequest:
    """``compacts`` asks for a summary. Raises InvalidRequest and UnsupportedFeature with the path in ``param``."""
    drops = dropped_by(WITHOUT_STORE if find is None else READS, body)
    earlier = Earlier(body, find)
    _read_include(body, drops)
    drops.unknown(mapping(body.get("stream_options")), (), "stream_options")
    reader = ToolsReader(drops)
    reader.read(body.get("tools"), "tools")
    items = ItemsReader(drops, reader, earlier)
    if body.get("input") is None and not earlier.before:
        raise InvalidRequest.about("input", "field required")
    items.read(earlier.before)
    items.read(body.get("input") or [])
    if compacts:
        items.read([{"type": "compaction_trigger"}])
    messages = items.finish()
    configured = _updated(body, drops, earlier.before, body.get("input"))
    choice, tools = read_tool_choice(body.get("tool_choice"), reader, drops)
    instructions = maybe_string(body, "instructions")
    stream = maybe_bool(body, "stream") or False
    request = Request(
        messages=messages,
        system=((Text(instructions),) if instructions else ()) + tuple(items.system),
        tools=tools,
        tool_choice=choice,
        parallel_tools=maybe_bool(body, "parallel_tool_calls"),
        thinking=_read_thinking(configured, drops),
        output_format=_read_format(configured, drops),
        max_tokens=maybe_whole(body, "max_output_tokens", 1),
        temperature=maybe_number(body, "temperature", 0, 2),
        top_p=maybe_number(body, "top_p", 0, 1),
        presence_penalty=maybe_number(body, "presence_penalty", -2, 2),
        frequency_penalty=maybe_number(body, "frequency_penalty", -2, 2),
        top_logprobs=maybe_whole(body, "top_logprobs", 0, 20),
        user=maybe_string(body, "user"),
        metadata=maybe_strings(body, "metadata"),
        service_tier=maybe_string(body, "service_tier"),
        safety_identifier=maybe_string(body, "safety_identifier"),
        prompt_cache_key=maybe_string(body, "prompt_cache_key"),
        verbosity=maybe_string(mapping(body.get("text")), "verbosity", "text"),
        stream=stream,
        include_usage=stream,
    )
    request = Continued.of(_for_summary(request), earlier.previous)
    return ReadRequest(request, drops.names, None if compacts else earlier.kept(body))


def _for_summary(request: Request) -> Request:
    """The request; one for a summary permits neither calls nor an output format."""
    for message in request.messages[:-1]:
        if isinstance(message, SummaryWanted):
            raise wrong(message.at, "a compaction_trigger as the last item only")
    if not request.messages or not isinstance(request.messages[-1], SummaryWanted):
        return request
    return replace(request, tool_choice=ToolChoice("none") if request.tools else None, output_format=None)


def _read_include(body: Body, drops: Drops) -> None:
    if body.get("include") is None:
        return
    for name in an_array(body["include"], "include"):
        if name != _INCLUDED:
            drops.add(f"include.{name}")


def _read_thinking(body: Body, drops: Drops) -> Thinking | None:
    if body.get("reasoning") in (None, {}):
        return None
    wire = an_object(body["reasoning"], "reasoning")
    drops.unknown(wire, ("effort", "summary", "generate_summary"), "reasoning")
    # The second is the older name.
    summary = maybe_string(wire, "summary", "reasoning") or maybe_string(wire, "generate_summary", "reasoning")
    if wire.get("effort") is None and summary:
        return Thinking(True)
    return read_effort(wire.get("effort"), "reasoning.effort", visible=bool(summary))


def _read_format(body: Body, drops: Drops) -> OutputFormat | None:
    if body.get("text") is None:
        return None
    wire = an_object(body["text"], "text")
    drops.unknown(wire, ("format", "verbosity"), "text")
    return read_format(wire.get("format"), "text.format", drops)


_MEMBERS = {"reasoning": "effort", "text": "format"}
"""Members of an update, and the same settings in a request."""


def _updated(body: Body, drops: Drops, *histories: Json) -> Body:
    """The request with the settings of the updates instead of its own; other settings are reported as dropped.

    Each update applies to all later answers; Codex sends one if the effort changes within a conversation. Source:
    openai.types.responses.ResponseConfigurationUpdateItemParam.
    """
    updates = [item for items in histories for item in map(mapping, sequence(items)) if item.get("type") == UPDATE]
    for item in updates:
        drops.unknown(item, ("type", "id", "status", *_MEMBERS), "input")
        for name, member in _MEMBERS.items():
            given = mapping(item.get(name))
            drops.unknown(given, (member,), f"input.{name}")
            if member in given:
                body = {**body, name: {**mapping(body.get(name)), member: given[member]}}
    return body
