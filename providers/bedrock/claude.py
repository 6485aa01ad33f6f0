"""What Claude accepts on Bedrock: betas and the fields that depend on them, by model.

This table is the only source of these facts. A beta or field that is not known to be accepted is removed: Bedrock
answers 400 to every name that it does not know, and a client written for Anthropic's own API cannot know that. Content
is never removed; fields that belong to content (server tools, ``mcp_servers``, ``container``, ``thread``) are
forwarded, and Bedrock rejects them in its own words; what server tools found in earlier turns becomes text. As known in
November 2026. Sources: AWS, "Anthropic Claude Messages API" (request, tool use, compaction, structured outputs) and
model cards; platform.claude.com, "Claude on Amazon Bedrock" and "Prefix checks on thinking blocks" (with its list of
models and platforms); calls reported by others: anthropics/claude-code 32820, 49370, 56595, 82549,
anthropics/anthropic-sdk-python 1759, BerriAI/litellm 29206, 32658, 32831, 33193, 41203, router-for-me/CLIProxyAPI 4750,
lobehub/lobehub 19876; the name in ``block_binding``, which some regions translate: @ai-sdk/amazon-bedrock 5.0.

Mid-conversation ``role = system`` messages: models from 4.8 on accept them (except Sonnet 5); older ones reject the
whole request. For those, their text joins the adjacent user turn, marked, which keeps the cached prefix before it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Final

from nexus.dataclasses import dataclass, replace
from nexus.late import pattern
from nexus.models import claude as models
from nexus.models.names import ClaudeName, Version, claude_name

Takes = Callable[[ClaudeName], bool]

_OWN = pattern(r"(?:^|[./])anthropic\.|^claude-")
_PROFILE = pattern(r"[a-z-]+\.(?=anthropic\.)")


def is_claude(model_id: str) -> bool:
    """Whether an id, a cross-region profile's id or an ARN names a Claude model."""
    return _OWN.search(model_id.lower()) is not None


def counting_id(model_id: str) -> str:
    """The model id for CountTokens: without the geography of a cross-region profile, which it rejects."""
    match = _PROFILE.match(model_id)
    return model_id if match is None else model_id[match.end() :]


def claude_of(model_id: str) -> ClaudeName:
    """The model by name, even if the id is not recognized."""
    return claude_name(model_id) or ClaudeName(model_id.lower())


def _from(first: Version, last: Version = (99, 99), *families: str) -> Takes:
    return lambda claude: first <= (claude.version or (0, 0)) <= last and (not families or claude.family in families)


def _any(*takes: Takes) -> Takes:
    return lambda claude: any(one(claude) for one in takes)


def takes_system(claude: ClaudeName) -> bool:
    return models.profile(claude.name).system_role


_ALWAYS, _NEVER = _from((0, 0)), _any()
_OPUS_4_5 = _from((4, 5), (4, 5), "opus")
# Neither family nor version decides: 4.7, 4.8, Sonnet 5, Opus 5.5 and Fable 5.1 reject what older and other models
# accept.
takes_schemas: Takes = _any(_from((4, 5), (4, 6)), _from((5, 0), (5, 0), "opus", "fable"))

EFFORT: Final = "effort-2025-11-24"
TOOL_SEARCH: Final = "tool-search-tool-2025-10-19"
TOOL_EXAMPLES: Final = "tool-examples-2025-10-29"
CLEARING: Final = "context-management-2025-06-27"
COMPACTION: Final = "compact-2026-01-12"
BINDING: Final = "thinking-binding-controls-2026-08-01"
CREDIT: Final = "fallback-credit-2026-06-09"

BETAS: Mapping[str, Takes] = {
    "computer-use-2024-10-22": _from((3, 5), (3, 5)),
    "computer-use-2025-01-24": _from((3, 7), (4, 5)),
    "computer-use-2025-11-24": _any(_OPUS_4_5, _from((4, 6))),
    "token-efficient-tools-2025-02-19": _from((3, 7), (4, 5)),
    "output-128k-2025-02-19": _from((3, 7), (3, 7)),
    "dev-full-thinking-2025-05-14": _from((4, 0), (4, 5)),
    "interleaved-thinking-2025-05-14": _from((4, 0), (4, 5)),
    "fine-grained-tool-streaming-2025-05-14": _from((4, 0), (4, 5)),
    "context-1m-2025-08-07": _any(_from((4, 0), (4, 6), "sonnet"), _from((4, 6), (4, 6))),
    CLEARING: _any(_from((4, 0), (4, 5)), _from((4, 7), (4, 7))),
    COMPACTION: _from((4, 6), (4, 6)),
    EFFORT: _OPUS_4_5,
    TOOL_SEARCH: _from((4, 5), (4, 6), "opus", "sonnet"),
    TOOL_EXAMPLES: _OPUS_4_5,
    BINDING: _any(_from((5, 0), (99, 99), "fable", "mythos"), _from((5, 5))),
    CREDIT: _from((4, 8), (4, 8)),
}
"""Beta -> the models that accept it. Bedrock rejects every other beta, and these for other models."""

IMPLIED: Mapping[str, Takes] = {
    "claude-code-20250219": _ALWAYS,
    "oauth-2025-04-20": _ALWAYS,
    "prompt-caching-2024-07-31": _ALWAYS,
    "pdfs-2024-09-25": _ALWAYS,
    "token-counting-2024-11-01": _ALWAYS,
    "extended-cache-ttl-2025-04-11": _from((4, 5)),
    "interleaved-thinking-2025-05-14": _from((4, 6)),
    "context-1m-2025-08-07": _from((4, 7)),
    "mid-conversation-system-2026-04-07": takes_system,
    EFFORT: _from((4, 6)),
    "structured-outputs-2025-09-17": takes_schemas,
    "structured-outputs-2025-11-13": takes_schemas,
    "structured-outputs-2025-12-15": takes_schemas,
}
"""Betas for what the model does without them: nothing is lost if they are removed."""

RENAMED: Mapping[str, tuple[str, ...]] = {"advanced-tool-use-2025-11-20": (TOOL_SEARCH, TOOL_EXAMPLES)}
"""Betas that Bedrock knows under other names."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field that not every model accepts; ``*`` in ``path`` is every element of an array.

    With ``beta``, the models are those that accept the beta, which is then sent whether or not the client named it.
    """

    path: str
    takes: Takes = _NEVER
    beta: str | None = None
    name: str = ""
    """How a removal is reported; if empty, the path without its stars."""

    renamed: tuple[bytes, bytes] = (b"", b"")
    """A member of the value as Anthropic's API names it, and as Bedrock does."""

    binds: bool = False
    """Without the field the answer would be a different one, so the request is rejected, in words after which clients
    retry without it.
    """

    @property
    def reported(self) -> str:
        return self.name or self.path.replace(".*", "")

    def taken_by(self, claude: ClaudeName) -> bool:
        return self.takes(claude) or (self.beta is not None and BETAS[self.beta](claude))


_CACHED = ("tools.*", "system.*", "messages.*.content.*", "messages.*.content.*.content.*")
_CACHED_DOCUMENT = "messages.*.content.*.source.content.*"

FIELDS: tuple[Field, ...] = (
    Field("tools.*.defer_loading", beta=TOOL_SEARCH),
    Field("tools.*.input_examples", beta=TOOL_EXAMPLES),
    Field("tools.*.strict", takes=takes_schemas),
    Field("tools.*.eager_input_streaming"),
    Field("tools.*.allowed_callers"),
    Field("output_config.effort", takes=_from((4, 6)), beta=EFFORT),
    Field("output_config.format", takes=takes_schemas, binds=True),
    Field("output_config.task_budget"),
    Field("output_format", binds=True),
    Field("thinking.block_binding", beta=BINDING, renamed=(b'"prefix_mismatch_behavior"', b'"mismatch_behavior"')),
    Field("fallback_credit_token", beta=CREDIT),
    Field("fallbacks"),
    Field("compaction"),
    Field("cache_control"),
    Field("diagnostics"),
    Field("inference_geo"),
    Field("safeguards"),
    Field("service_tier"),
    Field("speed"),
    *(Field(f"{place}.cache_control.scope", name="cache_control.scope") for place in (*_CACHED, _CACHED_DOCUMENT)),
    *(
        Field(f"{place}.cache_control.ttl", takes=_from((4, 5)), name="cache_control.ttl")
        for place in (*_CACHED, _CACHED_DOCUMENT)
    ),
)
"""Fields that Bedrock rejects for some or all models."""

KNOWN = frozenset(one.path.replace(".*", "") for one in FIELDS)
"""Fields that are checked here."""

EDITS: Mapping[str, str] = {"clear_tool_uses_20250919": CLEARING, "compact_20260112": COMPACTION}
"""``context_management.edits`` by type, and the beta that each needs; Bedrock has no others."""

ALWAYS_THINKS: Takes = _from((5, 0), (5, 0), "sonnet")
"""Models whose thinking can be switched off on Anthropic's API, but not on Bedrock (AWS model card)."""


@functools.lru_cache(maxsize=1024)
def profile(model_id: str) -> models.Claude:
    """The model, without what Bedrock lacks."""
    claude, own = claude_of(model_id), models.profile(model_id)
    supported = takes_schemas(claude)
    return replace(
        own,
        off="never" if ALWAYS_THINKS(claude) else own.off,
        structured_output=own.structured_output and supported,
        strict_tools=own.strict_tools and supported,
        tool_names=models.SHORT_TOOL_NAMES,
        fetches_links=False,
    )
