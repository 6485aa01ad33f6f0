"""What each Claude accepts and rejects on Anthropic's own API, as one typed value per model.

Facts about a model live here and nowhere else, as a pure function of its name. A host may accept less: its provider
replaces fields. Sources, November 2026: platform.claude.com, the models' "What's new", the pages on thinking, extended
thinking, effort and structured outputs; coder/coder 25356 for the efforts of Opus 4.5; others next to their facts.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Literal, TypeVar

from nexus.conversation.parts import Request
from nexus.dataclasses import dataclass, replace
from nexus.models.names import Version, claude_name
from nexus.models.tool_rules import NameRule, StrictLimits
from nexus.wire import Json, mapping, sequence

T = TypeVar("T")

TOOL_NAMES = NameRule("a-zA-Z0-9_-", 128)
"""The API's own 400: ``tools.0.custom.name: String should match pattern``; before 2026 it was 64."""

SHORT_TOOL_NAMES = NameRule("a-zA-Z0-9_-", 64)
"""For hosts whose documentation still says 64: Bedrock."""

PROPERTY_KEYS = NameRule("a-zA-Z0-9_.-", 64)
"""The API's own 400: ``Property keys should match pattern`` (composio 3500, aws-solutions-library-samples 709)."""

STRICT_LIMITS = StrictLimits(tools=20, optional=24, unions=16)
"""platform.claude.com, structured outputs, complexity limits; over strict tools and the format together."""


@dataclass(frozen=True, slots=True)
class Claude:
    """What a server of the Messages dialect accepts for its model."""

    known: bool = False
    """Whether the name identifies a Claude model; requests to others are not changed."""

    thinking: Literal["none", "budget", "either", "adaptive"] = "budget"
    """How to request thinking: by ``budget_tokens``, by ``type = adaptive`` and an effort, or by either."""

    thinks_unasked: bool = False
    """Whether it thinks by default."""

    off: Literal["disabled", "between_tools", "never"] = "disabled"
    """The ``thinking.type`` that switches thinking off, which some models reject."""

    takes_thinking: bool = True
    """Whether it accepts back the thinking in the history."""

    strict_thinking: bool = False
    """Whether the server rejected thinking beside a forced tool or an earlier call without its own, or an effort
    without thinking."""

    needs_thinking: bool = False
    """Whether the server rejected a request without ``thinking.type = enabled``."""

    refuses_adaptive: bool = False
    """Whether the server rejected ``thinking.type = adaptive``, so that requests which pass through have a budget."""

    plain_tools: bool = False
    """Whether the server rejected tools for patterns or lengths that it cannot compile."""

    refuses_deferred: bool = False
    """Whether the server rejected tools with ``defer_loading``, so that requests which pass through load them."""

    efforts: tuple[str, ...] = ()
    """The values of ``output_config.effort``, lowest first."""

    sampling: Literal["all", "one", "none"] = "all"
    """Whether it accepts temperature, top_p and top_k; "one": temperature or top_p, not both."""

    forced_tools: bool = True
    """Whether ``tool_choice`` may be any or tool."""

    prefill: bool = True
    """Whether the last message may be the assistant's."""

    system_role: bool = False
    """Whether messages may have ``role = system``."""

    refuses_system: bool = False
    """Whether the server rejected that role, so that requests which pass through must do without it too."""

    fetches_links: bool = True
    """Whether images and documents may be URLs, which clouds reject (litellm 18430, anthropic-sdk-typescript 1038)."""

    structured_output: bool = False
    """Whether it accepts ``output_config.format``."""

    strict_tools: bool = False
    """Whether it accepts ``strict`` on tools."""

    tool_names: NameRule = TOOL_NAMES

    max_output: int | None = None
    """Output tokens to request if neither client nor settings limit them, thinking included."""


CLASSIC = Claude()
"""A server of the Messages API whose model is not known to be Claude."""

_THREE = ("low", "medium", "high")
UNKNOWN: Version = (4, 7)
"""The version assumed for a Claude whose name contains none."""

_DEFAULT_OUTPUT = 32000
"""Claude Code's own default: enough not to cut an agent's answer, and it ends a runaway one."""


@functools.lru_cache(maxsize=1024)
def profile(model: str) -> Claude:
    """The facts about a model by its name, with or without a host's prefix and suffix."""
    name = claude_name(model)
    if name is None:
        return CLASSIC
    family, version = name.family, name.version or UNKNOWN
    largest = family in ("fable", "mythos")
    return Claude(
        known=name.version is not None,
        thinking=_of(version, "none", ((3, 7), "budget"), ((4, 6), "either"), ((4, 7), "adaptive")),
        thinks_unasked=largest or version >= (5, 0),
        off=_off(family, version),
        efforts=_THREE if (family, version) == ("opus", (4, 5)) else _of(version, (), *_EFFORTS),
        sampling=_of(version, "all", ((4, 1), "one"), ((4, 7), "none")),
        forced_tools=version < (5, 1) if largest else version < (5, 5) or family not in ("opus", "sonnet"),
        prefill=version < (4, 6),
        # Sonnet 5's own pages and later tables disagree; converting is safe, and an unsupported role is a 400.
        system_role=version >= (4, 8) and (family, version) != ("sonnet", (5, 0)),
        structured_output=version >= (4, 5),
        strict_tools=version >= (4, 5),
        max_output=_of(version, 4096, ((3, 5), 8192), ((3, 7), _DEFAULT_OUTPUT)),
    )


_EFFORTS: tuple[tuple[Version, tuple[str, ...]], ...] = (
    ((4, 6), (*_THREE, "max")),
    ((4, 7), (*_THREE, "xhigh", "max")),
)


def _of(version: Version, first: T, *later: tuple[Version, T]) -> T:
    """The value of the latest version in ``later`` up to ``version``, or ``first``."""
    return next((value for since, value in reversed(later) if version >= since), first)


def _off(family: str, version: Version) -> Literal["disabled", "between_tools", "never"]:
    match family:
        case "fable" | "mythos":
            return "never"
        case "opus":
            return "never" if version >= (5, 5) else "disabled"
        case "sonnet":
            return "between_tools" if version >= (5, 5) else "disabled"
        case _:
            return "disabled"


def uses_rejected_options(claude: Claude, document: Mapping[str, Json]) -> bool:
    """Whether a request uses options of other Claudes that this one rejects."""
    config, messages = mapping(document.get("output_config")), sequence(document.get("messages"))
    sampled = [name for name in ("temperature", "top_p", "top_k") if document.get(name) not in (None, 1)]
    both = {"temperature", "top_p"} <= {*sampled}
    takes_sampling = claude.sampling == "all" or (claude.sampling == "one" and not both)
    effort, forced = config.get("effort"), mapping(document.get("tool_choice")).get("type") in ("any", "tool")
    thinking = mapping(document.get("thinking")).get("type")
    # platform.claude.com, migration guides of Opus 5 and Sonnet 5.5: thinking can be off at efforts up to high.
    off = thinking in ("disabled", "between_tools")
    strained = off and claude.thinks_unasked and effort in ("xhigh", "max")
    return (
        thinking in _refused_thinking(claude)
        or strained
        or (effort is not None and effort not in claude.efforts)
        or (bool(sampled) and not takes_sampling)
        or (forced and not claude.forced_tools)
        or (config.get("format") is not None and not claude.structured_output)
        or (not claude.prefill and mapping(messages[-1] if messages else None).get("role") == "assistant")
        or (not claude.system_role and any(mapping(message).get("role") == "system" for message in messages))
    )


def _refused_thinking(claude: Claude) -> tuple[str, ...]:
    """The values of ``thinking.type`` that it rejects."""
    off = tuple(kind for kind in ("disabled", "between_tools") if kind != claude.off)
    match claude.thinking:
        case "none":
            return ("enabled", "adaptive", *off)
        case "budget":
            return ("adaptive", *off)
        case "either":
            return off
        case "adaptive":
            return ("enabled", *off)


def with_switch(request: Request, *names: str) -> Request:
    """Decides whether to think if a Messages client sent an effort without ``thinking``, which leaves that open.

    Decided when both ``names`` of the model are known, the client's and the vendor's, because an alias may hide either.
    A Claude that always thinks needs no switch; for all others an effort does not turn thinking on.
    """
    thinking = request.thinking
    if thinking is None or thinking.enabled is not None:
        return request
    always = any(profile(name).off == "never" for name in names)
    return replace(request, thinking=replace(thinking, enabled=always))
