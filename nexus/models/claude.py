"""What each Claude family takes and refuses on Anthropic's own API, as named quirks for the request writer.

Law: facts about a model live here and nowhere else, as a pure function of its name. A name that is not Claude's has no
quirks: the classic API (manual thinking budget, free sampling, forced tools, no structured output). Another host may
take less: its provider removes quirks. Source: platform.claude.com, the models' "What's new" and thinking pages.

=================  ==================================================================================
quirk              the model
=================  ==================================================================================
no_thinking        has no thinking at all
adaptive_thinking  takes ``thinking.type = adaptive`` and ``output_config.effort`` (low, medium, high, max)
adaptive_only      refuses a thinking budget
default_thinking   thinks when nothing is said
always_thinking    refuses ``thinking.type = disabled``
between_tools      spells "off" ``thinking.type = between_tools``
xhigh_effort       knows the effort ``xhigh``
no_sampling        refuses temperature, top_p and top_k
one_sampling       refuses temperature and top_p together
no_forced_tools    refuses ``tool_choice`` any and tool
no_prefill         refuses a last message of the assistant
system_role        takes ``role = system`` among the messages
structured_output  takes ``output_config.format``
strict_tools       takes ``strict`` on tools
short_tool_names   takes names of tools up to 64 characters only (set by a host)
unsigned_thinking  takes back thinking without a signature (never Claude; compatible servers)
=================  ==================================================================================
"""

from __future__ import annotations

from nexus.models.names import Version, claude_name
from nexus.models.tool_rules import NameRule, StrictLimits

TOOL_NAMES = NameRule("a-zA-Z0-9_-", 128)
"""The API's own 400: ``tools.0.custom.name: String should match pattern``; before 2026 it was 64."""

SHORT_TOOL_NAMES = NameRule("a-zA-Z0-9_-", 64)
"""For hosts whose documentation still says 64 (quirk ``short_tool_names``): Bedrock."""

PROPERTY_KEYS = NameRule("a-zA-Z0-9_.-", 64)
"""The API's own 400: ``Property keys should match pattern`` (composio 3500, aws-solutions-library-samples 709)."""

STRICT_LIMITS = StrictLimits(tools=20, optional=24, unions=16)
"""platform.claude.com, structured outputs, complexity limits; over strict tools and the format together."""

_SINCE: tuple[tuple[Version, frozenset[str]], ...] = (
    ((4, 5), frozenset({"structured_output", "strict_tools"})),
    ((4, 6), frozenset({"adaptive_thinking", "no_prefill"})),
    ((4, 7), frozenset({"adaptive_only", "no_sampling", "xhigh_effort"})),
    ((4, 8), frozenset({"system_role"})),
    ((5, 0), frozenset({"default_thinking"})),
)
_UNKNOWN_CLAUDE: Version = (4, 7)

_DEFAULT_OUTPUT = 32000
"""As much as Claude Code asks for by itself: no answer of an agent is cut, and a runaway one ends."""
_SMALLER_OUTPUT: tuple[tuple[Version, int], ...] = (((3, 5), 4096), ((3, 7), 8192))


def max_output_of(model: str) -> int | None:
    """Output tokens, thinking included, to ask for where nobody says how many; None for a model that is not Claude."""
    claude = claude_name(model)
    if claude is None:
        return None
    version = claude.version or _UNKNOWN_CLAUDE
    return next((most for below, most in _SMALLER_OUTPUT if version < below), _DEFAULT_OUTPUT)


def efforts_of(model: str) -> tuple[str, ...] | None:
    """The efforts that it knows, the least first; None where its name does not tell which model it is.

    Sources: platform.claude.com, effort; coder/coder 25356 for Opus 4.5.
    """
    claude = claude_name(model)
    if claude is None or claude.version is None:
        return None
    if (claude.family, claude.version) == ("opus", (4, 5)):
        return ("low", "medium", "high")
    if claude.version < (4, 6):
        return ()
    return ("low", "medium", "high", *(["xhigh"] if claude.version >= (4, 7) else []), "max")


def quirks_of(model: str) -> frozenset[str]:
    """The quirks of the model of this name, with or without a host's prefix and suffix."""
    claude = claude_name(model)
    if claude is None:
        return frozenset()
    family, version = claude.family, claude.version or _UNKNOWN_CLAUDE
    quirks = {quirk for since, names in _SINCE if version >= since for quirk in names}
    if version < (3, 7):
        quirks.add("no_thinking")
    if (4, 1) <= version < (4, 7):
        quirks.add("one_sampling")
    quirks |= _of_family(family, version)
    if (family, version) == ("sonnet", (5, 0)):
        # Its own pages and later tables disagree; converting is safe where an unsupported role is a 400.
        quirks.discard("system_role")
    return frozenset(quirks)


def _of_family(family: str, version: Version) -> set[str]:
    match family:
        case "fable" | "mythos":
            return {"always_thinking", "default_thinking"} | ({"no_forced_tools"} if version >= (5, 1) else set())
        case "opus":
            return {"always_thinking", "no_forced_tools"} if version >= (5, 5) else set()
        case "sonnet":
            return {"between_tools", "no_forced_tools"} if version >= (5, 5) else set()
        case _:
            return set()
