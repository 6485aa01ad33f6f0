"""What each family of models takes through Bedrock's Converse API, as one typed value a model.

Facts about a model live here and nowhere else, as a pure function of its id; an id that tells nothing (an opaque
ARN) has the plainest form of everything. Sources, November 2026: the Bedrock user guide's tables of supported models
and features, prompt caching, structured output, extended thinking and Nova reasoning; the service's own 400s.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from nexus.models import claude, gpt
from nexus.models.names import claude_name, model_name
from nexus.models.tool_rules import NameRule, StrictLimits

TOOL_NAMES = NameRule("a-zA-Z0-9_-", 64)
"""ToolName of the bedrock-runtime service model."""

PROPERTY_KEYS = NameRule("a-zA-Z0-9_.-", 64)
"""What Claude demands, and what no other family is known to go beyond."""


@dataclass(frozen=True, slots=True)
class ConverseModel:
    """What a model takes through Converse; the default is the plainest form of everything."""

    system: bool = True
    """Whether the system field is taken."""

    tools: bool = True
    """Whether toolConfig is taken."""

    tool_choice: Literal["named", "any", "auto"] = "named"
    """What it can be made to do: call a certain tool, call some tool, neither."""

    parallel_switch: bool = False
    """Whether Anthropic's tool_choice with disable_parallel_tool_use is taken as an additional field."""

    json_results: bool = False
    """Whether tool results are wanted as JSON objects."""

    result_status: bool = False
    """Whether ``status`` in toolResult is taken."""

    wide_ids: bool = False
    """Whether dots and colons in tool call ids mean something."""

    structured_output: bool = False
    """Whether outputConfig.textFormat, and ``strict`` in tools, are taken."""

    strict_limits: StrictLimits | None = None
    """What the schemas of one request are held to."""

    sampling: Literal["all", "one", "none"] = "all"
    """Whether temperature, topP and top_k are taken; "one": temperature or topP, not both."""

    top_k: Literal["top_k", "inferenceConfig"] | None = None
    """The additional field that top_k goes into."""

    stop: bool = True
    """Whether stopSequences are taken."""

    stop_echo: bool = False
    """Whether it tells which stop sequence was hit, when asked for it."""

    thinking: Literal["budget", "either", "adaptive", "nova", "effort", "nested"] | None = None
    """How it is asked to think: Claude's forms; Nova's ``reasoningConfig``, ``reasoning_effort``,
    ``reasoning.effort``."""

    efforts: tuple[str, ...] = ("low", "medium", "high")
    """The levels of thinking, least first, of the last three forms."""

    reasoning: Literal["signed", "unsigned"] | None = None
    """Which reasoning of its own is wanted back: signed or redacted, or one without a signature."""

    document_context: bool = False
    """Whether ``context`` beside a document is taken."""

    cache: bool = False
    """Whether cachePoint is taken in system and messages."""

    cache_tools: bool = False
    """Whether cachePoint is taken among the tools too."""

    cache_hour: bool = False
    """Whether a time to live of one hour is taken in cachePoint."""


PLAIN = ConverseModel()


@functools.lru_cache(maxsize=1024)
def profile(model_id: str) -> ConverseModel:
    """The facts about a model by its id, a cross-region profile's id or an ARN that holds one."""
    name = model_name(model_id)
    if name.vendor == "" and claude_name(model_id) is not None:
        return _anthropic(model_id)
    family = _VENDORS.get(name.vendor)
    return PLAIN if family is None else family(name.name)


def _anthropic(model: str) -> ConverseModel:
    own, name = claude.profile(model), claude_name(model)
    version = (name.version if name else None) or claude.UNKNOWN
    if version < (3, 0):
        return _NO_TOOLS
    caches = version >= (3, 7) or "3-5-haiku" in model
    return ConverseModel(
        parallel_switch=True,
        result_status=True,
        structured_output=own.structured_output,
        strict_limits=claude.STRICT_LIMITS if own.structured_output else None,
        sampling=own.sampling,
        top_k="top_k",
        stop_echo=True,
        thinking=None if own.thinking == "none" else own.thinking,
        reasoning="signed",
        document_context=True,
        cache=caches,
        cache_tools=caches,
        cache_hour=version >= (4, 5),
    )


_HELD = ConverseModel(structured_output=True)
_NO_TOOLS = ConverseModel(tools=False)
_BARE = ConverseModel(system=False, tools=False)
_AUTO = ConverseModel(tool_choice="auto")
_UNSIGNED = replace(_HELD, reasoning="unsigned")


def _amazon(model: str) -> ConverseModel:
    if not model.startswith("nova"):
        return _BARE
    thinking: Literal["nova"] | None = "nova" if model.startswith("nova-2") else None
    return ConverseModel(cache=True, result_status=True, top_k="inferenceConfig", thinking=thinking)


def _openai(model: str) -> ConverseModel:
    if model.startswith("gpt-oss"):
        return replace(_UNSIGNED, thinking="effort", stop=False)
    levels = (gpt.known(model) or gpt.UNKNOWN).efforts
    return replace(_HELD, thinking="nested", efforts=levels, stop=False, sampling="none", reasoning="signed")


def _deepseek(model: str) -> ConverseModel:
    if model.startswith("r1"):
        return _NO_TOOLS
    return replace(_HELD, tool_choice="any") if model.startswith("v3-v1") else _HELD


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
    "anthropic": _anthropic,
    "cohere": _cohere,
    "deepseek": _deepseek,
    "google": lambda model: _HELD,
    "meta": lambda model: _AUTO,
    "minimax": lambda model: _UNSIGNED,
    "mistral": _mistral,
    "moonshot": lambda model: replace(_UNSIGNED, wide_ids=True),
    "moonshotai": lambda model: replace(_UNSIGNED, wide_ids=True),
    "nvidia": lambda model: _HELD,
    "openai": _openai,
    "qwen": lambda model: replace(_HELD, stop=False),
}
