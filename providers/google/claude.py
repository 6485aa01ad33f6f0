"""Claude on Vertex AI: the Messages dialect, without what Vertex AI rejects.

The body keeps the client's own bytes. ``model`` moves into the path, and ``anthropic_version`` is added. Vertex AI
answers 400 to every value of ``anthropic-beta`` that it does not know: a beta that it rejects is removed together with
the fields that need it, and what is lost is reported. Only options are removed: tools and content that Vertex AI lacks
are left for it to reject, in its own words. Betas that are not listed here are removed.

Sources, November 2026: anthropic's ``lib/vertex``; code.claude.com, gateway compatibility guide; docs.cloud.google.com,
Claude partner models; platform.claude.com, "Prefix checks on thinking blocks" (its list of platforms); rejections
reported in anthropics/claude-code 12429, 21625, 32820 and 34802, vercel/ai 10981 and BerriAI/litellm, whose table of
betas by host agrees.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from nexus.dataclasses import dataclass, replace
from nexus.models import claude as models
from nexus.models.names import claude_name
from nexus.protocols.messages.hosted import NOTHING, Extra, Path, betas_in, field_name, fit_host, readable, values
from nexus.protocols.messages.hosted_thinking import fit_thinking
from nexus.protocols.rewrite import ANY, removing, rewrite
from nexus.provider import ProviderRequest
from nexus.wire import Json, decode, encode, mapping, sequence

BETA = "anthropic-beta"
VERSION = "vertex-2023-10-16"


@dataclass(frozen=True, slots=True)
class RefusedBeta:
    """Betas that begin with ``beta``, and the fields that have no meaning without them.

    ``loses`` is False if the feature works without the beta header. ``paired`` fields are removed only together with
    the beta; others always, because clients also send them without it.
    """

    beta: str
    fields: tuple[Path, ...] = ()
    loses: bool = True
    paired: bool = False

    def is_among(self, betas: Iterable[str]) -> bool:
        return any(beta.startswith(self.beta) for beta in betas)


FIRST_DEARER_IN_REGIONS = (4, 5)
"""From this version on, regions and multi-regions cost 10% more than the global endpoint.

Source: Anthropic's price list, section on third-party platforms, November 2026.
"""

_BLOCKS: tuple[Path, ...] = (
    ("system", ANY),
    ("tools", ANY),
    ("messages", ANY, "content", ANY),
    ("messages", ANY, "content", ANY, "content", ANY),
)

REFUSED: tuple[RefusedBeta, ...] = (
    RefusedBeta("effort-", loses=False),
    RefusedBeta("extended-cache-ttl-", loses=False),
    RefusedBeta("prompt-caching-2024", loses=False),
    # An organization's policy must allow the feature, and by default does not. Losing strict only loses a guarantee.
    RefusedBeta("structured-outputs-", (("tools", ANY, "strict"),), loses=False, paired=True),
    RefusedBeta("prompt-caching-scope-", tuple((*block, "cache_control", "scope") for block in _BLOCKS)),
    RefusedBeta("fine-grained-tool-streaming-", (("tools", ANY, "eager_input_streaming"),)),
    RefusedBeta("fast-mode-", (("speed",),)),
    RefusedBeta("cache-diagnosis-", (("diagnostics",),)),
    RefusedBeta("task-budgets-", (("output_config", "task_budget"),)),
    RefusedBeta("server-side-fallback-", (("fallbacks",),)),
    RefusedBeta("fallback-credit-", (("fallback_credit_token",),)),
    RefusedBeta("thinking-token-count-"),
    RefusedBeta("redact-thinking-"),
    RefusedBeta("token-efficient-tools-"),
    RefusedBeta("output-128k-"),
    RefusedBeta("afk-mode-"),
    RefusedBeta("oauth-"),
    # Their tools and blocks are kept; Vertex AI rejects them by name.
    RefusedBeta("advisor-tool-"),
    RefusedBeta("code-execution-"),
    RefusedBeta("files-api-"),
    RefusedBeta("mcp-client-"),
    RefusedBeta("skills-"),
    RefusedBeta("web-fetch-"),
)
"""Betas that Vertex AI rejects, and the fields removed with them."""

BETAS = frozenset(
    {
        "claude-code-20250219",
        "compact-2026-01-12",
        "computer-use-2024-10-22",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "dev-full-thinking-2025-05-14",
        "interleaved-thinking-2025-05-14",
        "thinking-binding-controls-2026-08-01",
        "tool-search-tool-2025-10-19",
        "web-search-2025-03-05",
    }
)
"""All betas that Vertex AI is known to accept. Every other one is removed, because it would cause a 400."""

_RENAMED = {"advanced-tool-use-2025-11-20": "tool-search-tool-2025-10-19"}
_MID_CONVERSATION = "mid-conversation-system-"

_COUNTING = ("claude-code-20250219", "interleaved-thinking-2025-05-14", "context-management-2025-06-27")
"""All betas that the token counter accepts."""


KNOWN = frozenset({"speed", "diagnostics", "fallbacks", "fallback_credit_token"})
"""Fields that are checked here, in addition to those known to every host."""


@functools.lru_cache(maxsize=1024)
def profile(model: str) -> models.Claude:
    """The model, without what Vertex AI lacks.

    System messages within the conversation work on Anthropic's own API only. Structured outputs, including strict
    tools, are rejected unless an organization's policy allows them.
    """
    claude = models.profile(model)
    # A forced tool always works, so it replaces structured output. Models without forced tools have no replacement, and
    # the organization may allow structured output.
    structured = claude.structured_output and not claude.forced_tools
    return replace(claude, system_role=False, strict_tools=False, structured_output=structured, fetches_links=False)


@dataclass(frozen=True, slots=True)
class FittedRequest:
    """What is sent to Vertex AI; ``dropped`` names what was removed."""

    body: bytes
    headers: dict[str, str]
    dropped: tuple[str, ...]


def fit(request: ProviderRequest, extra: Extra = NOTHING) -> FittedRequest:
    claude = profile(request.model)
    fitted = fit_host(request.body, extra, KNOWN, takes_systems=claude.system_role)
    fitted = fitted.then(functools.partial(fit_thinking, claude=claude))
    document = mapping(decode(fitted.body))
    given = betas_in(request.headers.get(BETA, ""), sequence(document.get("anthropic_beta")))
    counts = request.action == "count_tokens"
    refused = [one for one in REFUSED if not one.is_among(extra.betas)]
    named = [one for one in refused if one.is_among(given)]
    gone = [path for one in refused if one in named or not one.paired for path in one.fields]
    lost: list[Path] = [("tools", ANY, "defer_loading")] if counts else []
    lost += [path for path in gone if field_name(path) not in extra.fields]
    dropped = [*fitted.dropped, *(f"{BETA}.{one.beta.rstrip('-')}" for one in named if one.loses)]
    dropped += [field_name(path) for path in lost if any(values(document, path))]
    # The token counter's path has no model, so the body keeps it.
    moved: list[Path] = [("anthropic_version",), ("anthropic_beta",), *([] if counts else [("model",)])]
    betas = []
    for beta in (_RENAMED.get(beta, beta) for beta in given):
        if beta in extra.betas or _taken(beta, document, counts=counts):
            betas.append(beta)
        elif not (counts or beta.startswith(_MID_CONVERSATION) or any(one.is_among([beta]) for one in REFUSED)):
            dropped.append(f"{BETA}={readable(beta)}")
    body = rewrite(fitted.body, removing((*lost, *moved)), lambda: b'"anthropic_version":' + encode(VERSION))
    return FittedRequest(body, {BETA: ",".join(betas)} if betas else {}, tuple(dict.fromkeys(dropped)))


def _taken(beta: str, document: Json, *, counts: bool) -> bool:
    if counts:
        return beta in _COUNTING
    if beta.startswith(_MID_CONVERSATION):
        # Kept if the body has such messages: Claude Code recovers from a rejection that names the beta, not from one
        # that names the role.
        return ("system",) in values(document, ("messages", ANY, "role"))
    return beta in BETAS


def costs_more_in_regions(model: str) -> bool:
    name = claude_name(model)
    return name is not None and name.version is not None and name.version >= FIRST_DEARER_IN_REGIONS
