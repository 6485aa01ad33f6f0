"""Which facts hold for which Bedrock model: the only place that knows model names.

Law: a quirk is a named fact about a model family, found by the model id alone; an id that tells nothing (an opaque
ARN) has no quirks, so it gets the plainest form of everything. Sources: the Bedrock user guide's tables of supported
models and features, prompt caching and structured output, and the service's own 400s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from nexus.models import claude
from nexus.models.names import claude_name
from nexus.models.tool_rules import NameRule

TOOL_NAMES = NameRule("a-zA-Z0-9_-", 64)
"""ToolName of the bedrock-runtime service model."""

PROPERTY_KEYS = NameRule("a-zA-Z0-9_.-", 64)
"""What Claude demands, and what no other family is known to go beyond."""

STRICT_LIMITS = claude.STRICT_LIMITS

CACHE: Final = "cache"
"""Takes cachePoint in system and messages."""
CACHE_TOOLS: Final = "cache_tools"
"""Takes cachePoint among the tools too."""
CACHE_TTL: Final = "cache_ttl"
"""Takes a time to live of one hour in cachePoint."""
DOCUMENT_CONTEXT: Final = "document_context"
"""Takes ``context`` beside a document."""
JSON_RESULTS: Final = "json_results"
"""Wants tool results as JSON objects."""
NO_SAMPLING: Final = "no_sampling"
"""Refuses temperature, topP and top_k."""
NO_STOP: Final = "no_stop"
"""Refuses stopSequences."""
NO_SYSTEM: Final = "no_system"
"""Refuses the system field."""
NO_TOOLS: Final = "no_tools"
"""Refuses toolConfig."""
ONE_SAMPLER: Final = "one_sampler"
"""Takes temperature or topP, not both."""
PARALLEL_SWITCH: Final = "parallel_switch"
"""Takes Anthropic's tool_choice with disable_parallel_tool_use as an additional field."""
RESULT_STATUS: Final = "result_status"
"""Takes ``status`` in toolResult."""
SIGNED_REASONING: Final = "signed_reasoning"
"""Wants its own signed or redacted reasoning back."""
STOP_ECHO: Final = "stop_echo"
"""Tells which stop sequence was hit, when asked for it."""
STRICT_LIMITED: Final = "strict_limited"
"""Holds the schemas of one request to Claude's limits."""
STRUCTURED_OUTPUT: Final = "structured_output"
"""Takes outputConfig.textFormat, and ``strict`` in tools."""
THINKING_ADAPTIVE: Final = "thinking_adaptive"
"""Takes ``thinking.type`` adaptive, and outputConfig.effort."""
THINKING_BUDGET: Final = "thinking_budget"
"""Takes ``thinking.type`` enabled with budget_tokens."""
THINKING_EFFORT: Final = "thinking_effort"
"""Takes ``reasoning_effort``."""
THINKING_NESTED: Final = "thinking_nested"
"""Takes ``reasoning.effort``."""
THINKING_NOVA: Final = "thinking_nova"
"""Takes ``reasoningConfig``."""
TOOL_CHOICE_AUTO: Final = "tool_choice_auto"
"""Cannot be made to call a tool."""
TOOL_CHOICE_UNNAMED: Final = "tool_choice_unnamed"
"""Can be made to call some tool, not a certain one."""
TOP_K: Final = "top_k"
"""Takes ``top_k`` as an additional field."""
TOP_K_NOVA: Final = "top_k_nova"
"""Takes ``inferenceConfig.topK`` as an additional field."""
UNSIGNED_REASONING: Final = "unsigned_reasoning"
"""Wants its own reasoning back, which has no signature."""
WIDE_IDS: Final = "wide_ids"
"""Means something by dots and colons in tool call ids."""


def quirks_of(model_id: str) -> frozenset[str]:
    """The quirks of a model id, a cross-region profile id or an ARN that holds one."""
    for name in model_id.lower().split("/"):
        vendor, _, model = name.partition(".")
        if vendor not in _VENDORS:
            vendor, _, model = model.partition(".")
        rule = _VENDORS.get(vendor)
        if rule is not None:
            return frozenset(rule(model))
    return frozenset()


def _anthropic(model: str) -> set[str]:
    name = claude_name(model)
    if name is None or name.version is None or name.version < (3, 0):
        return {NO_TOOLS}
    version = name.version
    quirks = {RESULT_STATUS, TOP_K, STOP_ECHO, PARALLEL_SWITCH, DOCUMENT_CONTEXT, SIGNED_REASONING}
    since: Mapping[str, bool] = {
        CACHE: version >= (3, 7) or "3-5-haiku" in model,
        CACHE_TOOLS: version >= (3, 7) or "3-5-haiku" in model,
        CACHE_TTL: version >= (4, 5),
        THINKING_BUDGET: (3, 7) <= version <= (4, 6),
        THINKING_ADAPTIVE: version >= (4, 6),
        STRUCTURED_OUTPUT: version >= (4, 5),
        STRICT_LIMITED: version >= (4, 5),
        ONE_SAMPLER: version >= (4, 1),
        NO_SAMPLING: version >= (4, 7),
    }
    return quirks | {quirk for quirk, holds in since.items() if holds}


def _amazon(model: str) -> set[str]:
    if not model.startswith("nova"):
        return {NO_SYSTEM, NO_TOOLS}
    quirks = {CACHE, RESULT_STATUS, TOP_K_NOVA}
    return quirks | {THINKING_NOVA} if model.startswith("nova-2") else quirks


def _openai(model: str) -> set[str]:
    if model.startswith("gpt-oss"):
        return {THINKING_EFFORT, NO_STOP, UNSIGNED_REASONING, STRUCTURED_OUTPUT}
    return {THINKING_NESTED, NO_STOP, NO_SAMPLING, SIGNED_REASONING, STRUCTURED_OUTPUT}


def _deepseek(model: str) -> set[str]:
    if model.startswith("r1"):
        return {NO_TOOLS}
    return {STRUCTURED_OUTPUT, TOOL_CHOICE_UNNAMED} if model.startswith("v3-v1") else {STRUCTURED_OUTPUT}


def _mistral(model: str) -> set[str]:
    if model.startswith(("mistral-7b", "mixtral")):
        return {NO_SYSTEM, NO_TOOLS}
    if model.startswith(("mistral-large-24", "mistral-small-24", "pixtral")):
        return {JSON_RESULTS, TOOL_CHOICE_UNNAMED}
    return {STRUCTURED_OUTPUT}


def _cohere(model: str) -> set[str]:
    return {TOOL_CHOICE_AUTO} if model.startswith("command-r") else {NO_SYSTEM, NO_TOOLS}


_VENDORS: Mapping[str, Callable[[str], set[str]]] = {
    "ai21": lambda model: {TOOL_CHOICE_AUTO},
    "amazon": _amazon,
    "anthropic": _anthropic,
    "cohere": _cohere,
    "deepseek": _deepseek,
    "google": lambda model: {STRUCTURED_OUTPUT},
    "meta": lambda model: {TOOL_CHOICE_AUTO},
    "minimax": lambda model: {STRUCTURED_OUTPUT, UNSIGNED_REASONING},
    "mistral": _mistral,
    "moonshot": lambda model: {STRUCTURED_OUTPUT, UNSIGNED_REASONING, WIDE_IDS},
    "moonshotai": lambda model: {STRUCTURED_OUTPUT, UNSIGNED_REASONING, WIDE_IDS},
    "nvidia": lambda model: {STRUCTURED_OUTPUT},
    "openai": _openai,
    "qwen": lambda model: {STRUCTURED_OUTPUT, NO_STOP},
}
