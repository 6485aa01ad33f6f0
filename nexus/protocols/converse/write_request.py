"""A neutral request, written as the body of Converse and ConverseStream; the URL has the model id and the operation.

Temperatures above 1 are refused: the neutral form does not say which scale they use. Sources: the bedrock-runtime
service model; the Bedrock user guide on Nova reasoning and gpt-oss.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Request
from nexus.dataclasses import dataclass, field
from nexus.errors import ClientError, InvalidRequest, UnsupportedFeature
from nexus.late import pattern
from nexus.models.bedrock import PROPERTY_KEYS, TOOL_NAMES
from nexus.protocols.codec import Target, VendorRequest
from nexus.protocols.converse.draft import Draft
from nexus.protocols.converse.fields import WRITES
from nexus.protocols.converse.tools import plan_tools, write_text_format, write_tool_config
from nexus.protocols.converse.turns import write_conversation
from nexus.protocols.cutter import cut_for
from nexus.protocols.dispositions import effort_level, left_out, tier_for
from nexus.protocols.renaming import rename
from nexus.wire import Json, only

_METADATA = pattern(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}")
_MOST_METADATA = 16
_KNOBS: Mapping[str, type[ClientError]] = {"temperature": UnsupportedFeature, "top_p": InvalidRequest}
"""Values from 0 to 1, and the error for any other value."""
_SERVICE_TIERS: Mapping[str, str | None] = {
    "auto": None,
    "default": "default",
    "standard": "default",
    "standard_only": "default",
    "flex": "flex",
    "priority": "priority",
    "reserved": "reserved",
}


def write_request(request: Request, target: Target) -> VendorRequest:
    request, renaming = rename(request, TOOL_NAMES, PROPERTY_KEYS)
    draft = Draft(target.converse)
    tools = plan_tools(request, draft)
    thinking = thinking_fields(request, draft)
    tool_config = write_tool_config(tools, request, draft)
    sampling = _write_sampling(request, thinking, draft)
    additional = thinking.extra | _write_top_k(request, thinking, draft)
    output = only({"textFormat": write_text_format(tools, request, draft)})
    system, messages = write_conversation(request, draft)
    body = {
        "system": system or None,
        "messages": messages,
        "inferenceConfig": sampling or None,
        "toolConfig": tool_config,
        "outputConfig": output or None,
        "additionalModelRequestFields": additional or None,
        "requestMetadata": _write_metadata(request, draft) or None,
        "serviceTier": {"type": tier} if (tier := tier_for(request, _SERVICE_TIERS, draft.drops)) is not None else None,
    }
    draft.drops.add(*(name for name in left_out(WRITES, request) if name != "parallel_tools"))
    cut = cut_for(request, () if draft.model.stop else request.stop, draft.drops, draft.model.least_output)
    renaming = renaming.with_keys(tools.answer_tool, tools.answer_keys)
    whole = tool_config is not None and not draft.model.streams_tools
    return VendorRequest(only(body), draft.drops.names, tools.answer_tool, cut=cut, renaming=renaming, whole=whole)


def _write_sampling(request: Request, thinking: ThinkingFields, draft: Draft) -> dict[str, Json]:
    max_tokens = request.max_tokens
    if thinking.unlimited and max_tokens is not None:
        draft.drops.add("max_tokens")
        max_tokens = None
    if max_tokens is not None:
        max_tokens = max(max_tokens, draft.model.least_output)
    temperature, top_p = (_write_knob(name, request, thinking, draft) for name in _KNOBS)
    stop = list(request.stop) if draft.model.stop else []
    return only({"maxTokens": max_tokens, "temperature": temperature, "topP": top_p, "stopSequences": stop or None})


def _write_knob(name: str, request: Request, thinking: ThinkingFields, draft: Draft) -> float | None:
    value: float | None = getattr(request, name)
    if value is not None and (thinking.unlimited or not draft.model.sampling):
        draft.drops.add(name)
        return None
    if value is not None and not 0 <= value <= 1:
        raise _KNOBS[name].about(name, "Bedrock accepts 0 to 1")
    return value


def _write_top_k(request: Request, thinking: ThinkingFields, draft: Draft) -> dict[str, Json]:
    if request.top_k is None:
        return {}
    if draft.model.top_k and not thinking.unlimited:
        return {"inferenceConfig": {"topK": request.top_k}}
    draft.drops.add("top_k")
    return {}


def _write_metadata(request: Request, draft: Draft) -> dict[str, str]:
    """The client's metadata with its user as an entry; entries that Bedrock's patterns do not allow are dropped."""
    pairs = [("metadata", name, value) for name, value in request.metadata.items()]
    if request.user is not None and "user" not in request.metadata:
        pairs.insert(0, ("user", "user", request.user))
    elif request.user is not None:
        draft.drops.add("user")
    entries: dict[str, str] = {}
    for origin, name, value in pairs:
        fits = name and _METADATA.fullmatch(name) and _METADATA.fullmatch(value)
        if fits and len(entries) < _MOST_METADATA:
            entries[name] = value
        else:
            draft.drops.add(origin)
    return entries


@dataclass(frozen=True, slots=True)
class ThinkingFields:
    """``unlimited``: Nova thinks at an effort at which it accepts no limits and no sampling."""

    extra: dict[str, Json] = field(default_factory=dict)
    unlimited: bool = False


def thinking_fields(request: Request, draft: Draft) -> ThinkingFields:
    thinking, model = request.thinking, draft.model
    if thinking is None:
        return ThinkingFields()
    match model.thinking:
        case "nova" if not thinking.enabled:
            return ThinkingFields({"reasoningConfig": {"type": "disabled"}})
        case "nova":
            effort = effort_level(thinking, model.efforts, draft.drops) or "medium"
            config = {"type": "enabled", "maxReasoningEffort": effort}
            return ThinkingFields({"reasoningConfig": config}, unlimited=effort == "high")
        case "effort" | "nested":
            if (level := effort_level(thinking, model.efforts, draft.drops)) is None:
                return ThinkingFields()
            nested = model.thinking == "nested"
            return ThinkingFields({"reasoning": {"effort": level}} if nested else {"reasoning_effort": level})
        case "config" if not thinking.enabled:
            return ThinkingFields()
        case "config":
            return ThinkingFields({"reasoning_config": effort_level(thinking, model.efforts, draft.drops) or "high"})
        case None:
            draft.drops.add("thinking")
            return ThinkingFields()
