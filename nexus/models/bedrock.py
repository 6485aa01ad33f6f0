"""What each model family accepts through Bedrock's Converse API, as one typed value per model. Claude is not included,
because translated calls reach it in its own dialect.

Facts about a model live here and nowhere else, as a pure function of its id. An id that names no model (an opaque ARN)
gets the most basic form of everything. Sources, November 2026: the Bedrock user guide's tables of supported models and
features, prompt caching, structured output and Nova reasoning; the service's own 400s; images in tool results: the note
in the service model, and opencode #49443 and #50272; Z.ai's structured output and Qwen3's thinking: pydantic-ai's
recordings of calls.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Literal

from nexus.dataclasses import dataclass, replace
from nexus.models import gpt
from nexus.models.names import model_name
from nexus.models.tool_rules import NameRule

TOOL_NAMES = NameRule("a-zA-Z0-9_-", 64)
"""ToolName of the bedrock-runtime service model."""

PROPERTY_KEYS = NameRule("a-zA-Z0-9_.-", 64)
"""What every family is known to accept."""

MOST_CACHE_POINTS = 4
"""Maximum number of cachePoints in a request, for every model that accepts them."""


@dataclass(frozen=True, slots=True)
class ConverseModel:
    """What a model accepts through Converse; the default is the most basic form of everything."""

    system: bool = True
    """Whether it accepts the system field."""

    tools: bool = True
    """Whether it accepts toolConfig."""

    streams_tools: bool = True
    """Whether it accepts toolConfig in ConverseStream; the service's ``This model doesn't support tool use in streaming
    mode`` (pi 3739, llama_index 19655, langchain-aws 140)."""

    tool_choice: Literal["named", "any", "auto"] = "named"
    """What it can be forced to do: call a certain tool, call some tool, or neither."""

    bare_schemas: bool = False
    """Whether a tool's schema has only ``type``, ``properties`` and ``required`` at its root: AWS's guide of Nova, tool
    definition; the service's ``extraneous key [$defs] is not permitted`` (zed 28521, mcp-agent 126)."""

    json_results: bool = False
    """Whether tool results should be JSON objects."""

    result_status: bool = False
    """Whether it accepts ``status`` in toolResult."""

    result_media: bool = False
    """Whether it accepts images and documents inside toolResult; every model accepts them next to it."""

    mixed_turns: bool = False
    """Whether a turn may have other blocks beside tool calls or their results; the service's ``Conversation blocks and
    tool use blocks cannot be provided in the same turn`` (langchain-aws 141 and 1118, pydantic-ai 6098)."""

    wide_ids: bool = False
    """Whether dots and colons in tool call ids are significant."""

    structured_output: bool = False
    """Whether it accepts outputConfig.textFormat, and ``strict`` in tools."""

    sampling: bool = True
    """Whether it accepts temperature, topP and top_k."""

    top_k: bool = False
    """Whether it accepts the additional field ``inferenceConfig.topK``."""

    stop: bool = True
    """Whether it accepts stopSequences."""

    thinking: Literal["nova", "effort", "nested", "config"] | None = None
    """How to request thinking: Nova's ``reasoningConfig``, ``reasoning_effort``, ``reasoning.effort``, or
    ``reasoning_config``, without which the model does not think."""

    efforts: tuple[str, ...] = ("low", "medium", "high")
    """The levels of thinking, lowest first."""

    reasoning: Literal["signed", "unsigned"] | None = None
    """Which of its own reasoning it accepts back: signed or redacted, or unsigned."""

    cache: bool = False
    """Whether it accepts cachePoint in system and messages, with the service's default lifetime."""


PLAIN = ConverseModel()


@functools.lru_cache(maxsize=1024)
def profile(model_id: str) -> ConverseModel:
    """The facts about a model by its id, a cross-region profile's id or an ARN that contains one."""
    name = model_name(model_id)
    family = _VENDORS.get(name.vendor)
    return PLAIN if family is None else family(name.name)


_HELD = ConverseModel(structured_output=True, mixed_turns=True)
_NO_TOOLS = ConverseModel(tools=False)
_BARE = ConverseModel(system=False, tools=False)
_AUTO = ConverseModel(tool_choice="auto")
_UNSIGNED = replace(_HELD, reasoning="unsigned")


def _amazon(model: str) -> ConverseModel:
    if not model.startswith("nova"):
        return _BARE
    thinking: Literal["nova"] | None = "nova" if model.startswith("nova-2") else None
    nova = ConverseModel(bare_schemas=True, cache=True, result_status=True, result_media=True, top_k=True)
    return replace(nova, mixed_turns=True, thinking=thinking)


def _openai(model: str) -> ConverseModel:
    if model.startswith("gpt-oss"):
        return replace(_UNSIGNED, thinking="effort", stop=False)
    levels = (gpt.known(model) or gpt.UNKNOWN).efforts
    return replace(_HELD, thinking="nested", efforts=levels, stop=False, sampling=False, reasoning="signed")


def _deepseek(model: str) -> ConverseModel:
    if model.startswith("r1"):
        return _NO_TOOLS
    # AWS in langchain-aws 664: R1 accepts stop sequences, V3.1 does not.
    later = replace(_HELD, stop=False)
    return replace(later, tool_choice="any") if model.startswith("v3-v1") else later


def _mistral(model: str) -> ConverseModel:
    if model.startswith(("mistral-7b", "mixtral")):
        return _BARE
    if model.startswith(("mistral-large-24", "mistral-small-24", "pixtral")):
        return ConverseModel(json_results=True, streams_tools=False, tool_choice="any")
    return _HELD


def _qwen(model: str) -> ConverseModel:
    without = replace(_HELD, stop=False)
    return replace(without, thinking="config", efforts=("high",)) if model.startswith("qwen3-32b") else without


_VENDORS: Mapping[str, Callable[[str], ConverseModel]] = {
    "ai21": lambda model: _AUTO,
    "amazon": _amazon,
    "cohere": lambda model: _AUTO if model.startswith("command-r") else _BARE,
    "deepseek": _deepseek,
    "google": lambda model: _HELD,
    "meta": lambda model: replace(_AUTO, streams_tools=False, result_media=model.startswith("llama4")),
    "minimax": lambda model: _UNSIGNED,
    "mistral": _mistral,
    "moonshot": lambda model: replace(_UNSIGNED, wide_ids=True),
    "moonshotai": lambda model: replace(_UNSIGNED, wide_ids=True),
    "nvidia": lambda model: _HELD,
    "openai": _openai,
    "qwen": _qwen,
    "zai": lambda model: _HELD,
}
