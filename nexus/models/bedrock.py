"""What each model family accepts through Bedrock's Converse API, as one typed value per model. Claude is not included,
because translated calls reach it in its own dialect.

Facts about a model live here and nowhere else, as a pure function of its id. An id that names no model (an opaque ARN)
gets the most basic form of everything. Sources, November 2026: the Bedrock user guide's tables of supported models and
features, prompt caching, structured output and Nova reasoning; the service's own 400s; images in tool results: the note
in the service model, and opencode #49443 and #50272; Z.ai's structured output and Qwen3's thinking: pydantic-ai's
recordings of calls; thinking of GLM and Kimi K2.5: LibreChat #11974, opencode #28264, litellm's tests; Grok: AWS's
accelerated document processing, which tested it in September 2026, hermes-agent #111043, langchain-aws #1239, litellm's
recording of an answer; Kimi K3: sample-spec-driven-presentation-maker #352, which tested it then, and its model card.
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

    mistral_ids: bool = False
    """Whether tool call ids must have Mistral's form: the service makes it from its own ids, but not from short ones
    (opencode #48843)."""

    structured_output: bool = False
    """Whether it accepts outputConfig.textFormat, and ``strict`` in tools."""

    sampling: bool = True
    """Whether it accepts temperature, topP and top_k."""

    top_k: bool = False
    """Whether it accepts the additional field ``inferenceConfig.topK``."""

    stop: bool = True
    """Whether it accepts stopSequences."""

    least_output: int = 1
    """The minimum ``maxTokens``; the service's ``integer_below_min_value`` (litellm #42470)."""

    thinking: Literal["nova", "effort", "nested", "config"] | None = None
    """How to request thinking: Nova's ``reasoningConfig``, ``reasoning_effort``, ``reasoning.effort``, or
    ``reasoning_config``, without which the model does not think."""

    efforts: tuple[str, ...] = ("low", "medium", "high")
    """The levels of thinking, lowest first."""

    reasoning: Literal["signed", "unsigned"] | None = None
    """Which of its own reasoning it accepts back: signed or redacted, or unsigned; Kimi K3 answers 500 to any."""

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
_THINKING = replace(_HELD, thinking="config", efforts=("high",))
_RESPONDS = ConverseModel(mixed_turns=True, stop=False, sampling=False, least_output=gpt.LEAST_OUTPUT)
"""What the Responses API accepts, by which the service serves these models."""


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
    return replace(_RESPONDS, structured_output=True, thinking="nested", efforts=levels, reasoning="signed")


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
        return ConverseModel(json_results=True, streams_tools=False, tool_choice="any", mistral_ids=True)
    return replace(_HELD, mistral_ids=True)


def _moonshot(model: str) -> ConverseModel:
    if model.startswith("kimi-k3"):
        return replace(_RESPONDS, structured_output=True, wide_ids=True)
    thinking = _THINKING if model == "kimi-k2.5" else _HELD
    return replace(thinking, reasoning="unsigned", wide_ids=True)


def _qwen(model: str) -> ConverseModel:
    return replace(_THINKING if model.startswith("qwen3-32b") else _HELD, stop=False)


def _xai(model: str) -> ConverseModel:
    return replace(_RESPONDS, thinking="nested", efforts=("low", "medium", "high", "xhigh"), reasoning="signed")


_VENDORS: Mapping[str, Callable[[str], ConverseModel]] = {
    "ai21": lambda model: _AUTO,
    "amazon": _amazon,
    "cohere": lambda model: _AUTO if model.startswith("command-r") else _BARE,
    "deepseek": _deepseek,
    "google": lambda model: _HELD,
    "meta": lambda model: replace(_AUTO, streams_tools=False, result_media=model.startswith("llama4")),
    "minimax": lambda model: _UNSIGNED,
    "mistral": _mistral,
    "moonshot": _moonshot,
    "moonshotai": _moonshot,
    "nvidia": lambda model: _HELD,
    "openai": _openai,
    "qwen": _qwen,
    "xai": _xai,
    "zai": lambda model: _THINKING if model in ("glm-4.7", "glm-5") else _HELD,
}
