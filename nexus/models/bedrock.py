"""What each family of models takes through Bedrock's Converse API, as one typed value a model. Claude is in none: who
has to be translated speaks to it in its own words.

Facts about a model live here and nowhere else, as a pure function of its id; an id that tells nothing (an opaque
ARN) has the plainest form of everything. Sources, November 2026: the Bedrock user guide's tables of supported models
and features, prompt caching, structured output and Nova reasoning; the service's own 400s; images in
tool results: the note in the service model, and opencode #49443 and #50272.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from nexus.dataclasses import dataclass
from nexus.models import gpt
from nexus.models.names import model_name
from nexus.models.tool_rules import NameRule

TOOL_NAMES = NameRule("a-zA-Z0-9_-", 64)
"""ToolName of the bedrock-runtime service model."""

PROPERTY_KEYS = NameRule("a-zA-Z0-9_.-", 64)
"""What no family is known to go beyond."""


@dataclass(frozen=True, slots=True)
class ConverseModel:
    """What a model takes through Converse; the default is the plainest form of everything."""

    system: bool = True
    """Whether the system field is taken."""

    tools: bool = True
    """Whether toolConfig is taken."""

    tool_choice: Literal["named", "any", "auto"] = "named"
    """What it can be made to do: call a certain tool, call some tool, neither."""

    json_results: bool = False
    """Whether tool results are wanted as JSON objects."""

    result_status: bool = False
    """Whether ``status`` in toolResult is taken."""

    result_media: bool = False
    """Whether images and documents are taken inside toolResult; everywhere else they can stand beside it."""

    wide_ids: bool = False
    """Whether dots and colons in tool call ids mean something."""

    structured_output: bool = False
    """Whether outputConfig.textFormat, and ``strict`` in tools, are taken."""

    sampling: bool = True
    """Whether temperature, topP and top_k are taken."""

    top_k: bool = False
    """Whether the additional field ``inferenceConfig.topK`` is taken."""

    stop: bool = True
    """Whether stopSequences are taken."""

    thinking: Literal["nova", "effort", "nested"] | None = None
    """How it is asked to think: Nova's ``reasoningConfig``, ``reasoning_effort``, ``reasoning.effort``."""

    efforts: tuple[str, ...] = ("low", "medium", "high")
    """The levels of thinking, least first."""

    reasoning: Literal["signed", "unsigned"] | None = None
    """Which reasoning of its own is wanted back: signed or redacted, or one without a signature."""

    cache: bool = False
    """Whether cachePoint is taken in system and messages, for as long as the service likes."""


PLAIN = ConverseModel()


@functools.lru_cache(maxsize=1024)
def profile(model_id: str) -> ConverseModel:
    """The facts about a model by its id, a cross-region profile's id or an ARN that holds one."""
    name = model_name(model_id)
    family = _VENDORS.get(name.vendor)
    return PLAIN if family is None else family(name.name)


_HELD = ConverseModel(structured_output=True)
_NO_TOOLS = ConverseModel(tools=False)
_BARE = ConverseModel(system=False, tools=False)
_AUTO = ConverseModel(tool_choice="auto")
_UNSIGNED = replace(_HELD, reasoning="unsigned")


def _amazon(model: str) -> ConverseModel:
    if not model.startswith("nova"):
        return _BARE
    thinking: Literal["nova"] | None = "nova" if model.startswith("nova-2") else None
    return ConverseModel(cache=True, result_status=True, result_media=True, top_k=True, thinking=thinking)


def _openai(model: str) -> ConverseModel:
    if model.startswith("gpt-oss"):
        return replace(_UNSIGNED, thinking="effort", stop=False)
    levels = (gpt.known(model) or gpt.UNKNOWN).efforts
    return replace(_HELD, thinking="nested", efforts=levels, stop=False, sampling=False, reasoning="signed")


def _deepseek(model: str) -> ConverseModel:
    if model.startswith("r1"):
        return _NO_TOOLS
    return replace(_HELD, tool_choice="any") if model.startswith("v3-v1") else _HELD


def _meta(model: str) -> ConverseModel:
    return replace(_AUTO, result_media=model.startswith("llama4"))


def _mistral(model: str) -> ConverseModel:
    if model.startswith(("mistral-7b", "mixtral")):
        return _BARE
    if model.startswith(("mistral-large-24", "mistral-small-24", "pixtral")):
        return ConverseModel(json_results=True, tool_choice="any")
    return _HELD


def _cohere(model: str) -> ConverseModel:
    return _AUTO if model.startswith("command-r") else _BARE


_VENDORS: Mapping[str, Callable[[str], ConverseModel]] = {
    "ai21": lambda model: _AUTO,
    "amazon": _amazon,
    "cohere": _cohere,
    "deepseek": _deepseek,
    "google": lambda model: _HELD,
    "meta": _meta,
    "minimax": lambda model: _UNSIGNED,
    "mistral": _mistral,
    "moonshot": lambda model: replace(_UNSIGNED, wide_ids=True),
    "moonshotai": lambda model: replace(_UNSIGNED, wide_ids=True),
    "nvidia": lambda model: _HELD,
    "openai": _openai,
    "qwen": lambda model: replace(_HELD, stop=False),
}
