"""The response object around an answer: its own members and those of the request.

Every member that a published type requires is present; the request's settings are returned as Nexus understood them,
with the tools that were kept, and otherwise the defaults of the API. Instructions are not repeated. Sources:
openai.types.responses.Response; the Open Responses specification, ``ResponseResource``.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import OutputFormat, Request, Thinking, WebSearch
from nexus.models.efforts import COMMON
from nexus.protocols.codec import Envelope
from nexus.protocols.responses.earlier_answers import Continued
from nexus.protocols.responses.tool_choice import write_tool_choice
from nexus.protocols.responses.tools import write_tools
from nexus.protocols.responses.write_request import write_format
from nexus.wire import Json, mapping, sequence, text

_TIERS = frozenset({"default", "flex", "scale", "priority", "fast", "ultrafast"})
"""Tiers in which an answer can have been served; ``auto`` is not one of them."""

_SEARCHES = frozenset({"web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"})
_TOOL_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "function": ("type", "name", "description", "parameters", "strict", "defer_loading"),
    "custom": ("type", "name", "description", "format", "defer_loading"),
    "tool_search": ("type", "description", "execution", "parameters"),
}
"""Members returned for a tool by type; a client may have sent more."""


def write_response_object(envelope: Envelope) -> dict[str, Json]:
    """The object while the answer is in progress."""
    request = envelope.request
    return {
        "id": envelope.id,
        "object": "response",
        "created_at": envelope.created,
        "completed_at": None,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": request.max_tokens,
        "max_tool_calls": None,
        "metadata": dict(request.metadata),
        "model": envelope.model,
        "output": [],
        "previous_response_id": request.previous if isinstance(request, Continued) else None,
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": _write_thinking(request.thinking),
        "safety_identifier": request.safety_identifier,
        "service_tier": request.service_tier if request.service_tier in _TIERS else "default",
        "store": False,
        "text": {"format": _write_output_format(request.output_format)},
        "truncation": "disabled",
        "usage": None,
        "user": request.user,
        **_sampling(request),
        **_tools(request),
    }


def _write_thinking(thinking: Thinking | None) -> dict[str, Json]:
    if thinking is None:
        return {"effort": None, "summary": None}
    if not thinking.enabled:
        return {"effort": "none", "summary": None}
    return {"effort": COMMON.effort(thinking), "summary": "auto" if thinking.visible else None}


def _sampling(request: Request) -> dict[str, Json]:
    defaults = {"temperature": 1.0, "top_p": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0, "top_logprobs": 0}
    return {name: default if (value := getattr(request, name)) is None else value for name, default in defaults.items()}


def _tools(request: Request) -> dict[str, Json]:
    functions = [tool for tool in request.tools if not isinstance(tool, WebSearch)]
    kinds = [tool.kind for tool in request.tools if isinstance(tool, WebSearch)]
    searches = [{"type": kind if kind in _SEARCHES else "web_search"} for kind in kinds]
    return {
        "parallel_tool_calls": request.parallel_tools is not False,
        "tool_choice": "auto" if request.tool_choice is None else write_tool_choice(request.tool_choice, request.tools),
        "tools": [*(_whole(_write_tool(tool)) for tool in write_tools(functions)), *searches],
    }


def _write_tool(tool: Mapping[str, Json]) -> dict[str, Json]:
    kind = text(tool.get("type"))
    if kind == "namespace":
        return {**tool, "tools": [_write_tool(mapping(inner)) for inner in sequence(tool.get("tools"))]}
    return {name: tool[name] for name in _TOOL_MEMBERS.get(kind, tuple(tool)) if name in tool}


def _whole(tool: dict[str, Json]) -> dict[str, Json]:
    """A function with every member that Open Responses requires."""
    return {"description": None, "parameters": None, "strict": False} | tool if tool["type"] == "function" else tool


def _write_output_format(format: OutputFormat | None) -> dict[str, Json]:
    if format is None:
        return {"type": "text"}
    written = write_format(format)
    return written if format.schema is None else {"description": None, "strict": False} | written
