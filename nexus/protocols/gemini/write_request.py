"""A neutral request, written as the body of ``generateContent``; the URL, which the provider writes, has the model and
whether to stream. Sources: ai.google.dev/api/generate-content, google.genai.types.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.cache_hints import has_cache_hints
from nexus.conversation.parts import Effort, Request, Thinking
from nexus.errors import InvalidRequest
from nexus.models.efforts import GOOGLE
from nexus.models.gemini import LEVELS, TOOL_NAMES, BudgetRange, Gemini
from nexus.protocols.checks import Drops
from nexus.protocols.codec import Target, VendorRequest
from nexus.protocols.cutter import cut_for
from nexus.protocols.dispositions import fields_for, left_out, tier_for
from nexus.protocols.gemini.fields import WRITES
from nexus.protocols.gemini.tools import write_tool_fields
from nexus.protocols.gemini.write_contents import ContentsWriter
from nexus.protocols.renaming import rename
from nexus.wire import Json, only

MAX_STOPS = 5
_TIERS: Mapping[str, str | None] = {
    "auto": None,
    "default": "standard",
    "standard": "standard",
    "standard_only": "standard",
    "flex": "flex",
    "priority": "priority",
}
_INT32 = 2**31

_SAMPLING = {"temperature": "temperature", "top_p": "topP", "top_k": "topK"}
_PENALTIES = {"presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty"}
"""Field -> its key in generationConfig."""


def write_request(request: Request, target: Target) -> VendorRequest:
    drops = Drops()
    request, renaming = rename(request, TOOL_NAMES, target.gemini.property_keys)
    system, contents = _write_conversation(request, target.gemini, drops)
    tooling = write_tool_fields(request, target.gemini, drops)
    generation = _write_generation(request, target.gemini, drops) | tooling.generation
    members = {
        "contents": contents,
        "systemInstruction": {"parts": system} if system else None,
        **tooling.body,
        "generationConfig": generation or None,
        "cachedContent": request.cached_content,
        "safetySettings": list(request.safety_settings) or None,
        "serviceTier": tier_for(request, _TIERS, drops),
    }
    # The writer of the tools reports it: without tools it has no effect.
    drops.add(*(name for name in left_out(WRITES, request) if name != "parallel_tools"))
    if has_cache_hints(request):
        drops.add("cache_control")
    renaming = renaming.with_keys(tooling.answer_tool, tooling.answer_keys)
    cut = cut_for(request, request.stop[MAX_STOPS:], drops)
    return VendorRequest(only(members), drops.names, tooling.answer_tool, cut=cut, renaming=renaming)


def _write_conversation(request: Request, gemini: Gemini, drops: Drops) -> tuple[list[Json], list[Json]]:
    writer = ContentsWriter(gemini, drops)
    writer.add_system(request.system)
    last = _last_turn(request)
    for index, message in enumerate(request.messages):
        writer.add(message, f"messages.{index}", last=index >= last)
    contents = writer.contents()
    if contents:
        return writer.system, contents
    if not writer.system:
        raise InvalidRequest.about("messages", "there is no content to send")
    # The vendor requires a turn: instructions alone become one.
    return [], [{"role": "user", "parts": writer.system}]


def _last_turn(request: Request) -> int:
    """The index at which the user's last turn begins; words of the assistant, to be continued, may follow it."""
    by_model = [message.role == "assistant" for message in request.messages]
    while by_model and by_model[-1]:
        by_model.pop()
    return max((at + 1 for at, is_model in enumerate(by_model) if is_model), default=0)


def _write_generation(request: Request, gemini: Gemini, drops: Drops) -> dict[str, Json]:
    fits = request.seed is None or -_INT32 <= request.seed < _INT32
    if request.image_output and not gemini.image_output:
        drops.add("image_output")
    thinking = request.thinking
    config = {
        "maxOutputTokens": request.max_tokens,
        **fields_for(request, _SAMPLING, gemini.sampling, drops),
        **fields_for(request, _PENALTIES, gemini.penalties, drops),
        **fields_for(request, {"seed": "seed"}, fits, drops),
        "responseModalities": ["TEXT", "IMAGE"] if request.image_output and gemini.image_output else None,
        "stopSequences": list(request.stop[:MAX_STOPS]) or None,
        "thinkingConfig": None if thinking is None else write_thinking_config(thinking, gemini, drops),
    }
    return only(config)


_FLAT = ("contents", "systemInstruction", "tools", "generationConfig")


def write_count(request: Request, target: Target) -> dict[str, Json]:
    """The body of ``{model}:countTokens``: for the Gemini API the whole request, for Vertex AI its parts at top level.

    Source: ai.google.dev/api/tokens, google.genai.types.CountTokensConfig.
    """
    body = write_request(request, target).body
    if target.gemini.vertex:
        return {key: body[key] for key in _FLAT if key in body}
    model = target.model if "/" in target.model else f"models/{target.model}"
    return {"generateContentRequest": {"model": model} | body}


EFFORT_LEVELS: Mapping[Effort, str] = {
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "XHIGH",
    "max": "XHIGH",
}
_DYNAMIC = -1


def write_thinking_config(thinking: Thinking, gemini: Gemini, drops: Drops) -> dict[str, Json] | None:
    """``thinkingConfig``, or None for a model without it: a level or a budget, by the model.

    A level that a model lacks becomes the next higher one it has. Unsupported requests (turning off thinking that is
    always on, a budget beyond the model's range) are dropped. Source: ai.google.dev/gemini-api/docs/openai.
    """
    if gemini.levels:
        return _levelled(thinking, gemini.levels, drops)
    if gemini.budgets is not None:
        return _budgeted(thinking, gemini.budgets, drops)
    if thinking.enabled:
        drops.add("thinking")
    return None


def _levelled(thinking: Thinking, levels: tuple[str, ...], drops: Drops) -> dict[str, Json]:
    if not thinking.enabled:
        # No level turns thinking off altogether.
        drops.add("thinking")
        return {"thinkingLevel": _nearest("MINIMAL", levels)}
    config: dict[str, Json] = {"includeThoughts": thinking.visible}
    if thinking.effort is not None:
        wanted = EFFORT_LEVELS[thinking.effort]
        config["thinkingLevel"] = _nearest(wanted, levels)
        if config["thinkingLevel"] != wanted:
            drops.add("thinking.effort")
    elif thinking.budget is not None:
        config["thinkingLevel"] = _nearest(EFFORT_LEVELS[GOOGLE.of_budget(thinking.budget)], levels)
    return config


def _nearest(level: str, levels: tuple[str, ...]) -> str:
    """The next higher level that the model has, else its highest."""
    return next((higher for higher in LEVELS[LEVELS.index(level) :] if higher in levels), levels[-1])


def _budgeted(thinking: Thinking, limits: BudgetRange, drops: Drops) -> dict[str, Json]:
    if not thinking.enabled:
        if not limits.off:
            drops.add("thinking")
        return {"thinkingBudget": 0 if limits.off else limits.least}
    config: dict[str, Json] = {"includeThoughts": thinking.visible}
    if thinking.budget is not None:
        config["thinkingBudget"] = min(max(thinking.budget, limits.least), limits.most)
        if config["thinkingBudget"] != thinking.budget:
            drops.add("thinking.budget")
    elif thinking.effort is not None:
        wanted = GOOGLE.budgets[thinking.effort]
        config["thinkingBudget"] = limits.most if wanted is None else min(wanted, limits.most)
    else:
        config["thinkingBudget"] = _DYNAMIC
    return config
