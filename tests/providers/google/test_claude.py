"""Claude's requests for Vertex AI, byte by byte: which fields move, which require a beta, and what is reported."""

import json
from typing import Any

import pytest

from nexus.protocols.operation import Action
from nexus.provider import ProviderRequest
from nexus.providers.google.claude import REFUSED, fit
from nexus.settings.model import ModelSettings

VERSION = '"anthropic_version":"vertex-2023-10-16"'
MESSAGES = '"messages":[{"role":"user","content":"hi"}]'

NEW = "context-management-2025-06-27"


def provider_request(body: str, beta: str = "", action: Action = "generate") -> ProviderRequest:
    return ProviderRequest(
        dialect="messages",
        action=action,
        model="claude-sonnet-5-5",
        settings=ModelSettings(),
        body=body.encode(),
        stream=False,
        headers={"anthropic-version": "2023-06-01", "x-api-key": "own", **({"anthropic-beta": beta} if beta else {})},
        query="",
        key=None,
    )


BODIES: dict[str, tuple[str, str]] = {
    "model first": ('{"model":"m", "max_tokens": 1.0e1}', f'{{{VERSION},"max_tokens": 1.0e1}}'),
    "model last": ('{"max_tokens":1 ,"model":"m"}', f'{{{VERSION},"max_tokens":1}}'),
    "model twice": ('{"model":"m","top_k":1,"model":"n"}', f'{{{VERSION},"top_k":1}}'),
    "a model further in": ('{"model":"m","mcp_servers":{"model":"n"}}', f'{{{VERSION},"mcp_servers":{{"model":"n"}}}}'),
    "a version of their own": ('{"anthropic_version":"x","model":"m","top_k":1}', f'{{{VERSION},"top_k":1}}'),
    "the stream flag stays": ('{"model":"m","stream":true}', f'{{{VERSION},"stream":true}}'),
}


@pytest.mark.parametrize(("body", "expected"), BODIES.values(), ids=BODIES.keys())
def test_the_body_is_converted(body: str, expected: str) -> None:
    fitted = fit(provider_request(body))
    assert fitted.body.decode() == expected
    assert (fitted.headers, fitted.dropped) == ({}, ())


def test_the_counter_keeps_the_model() -> None:
    fitted = fit(provider_request('{"model":"claude-sonnet-5-5","messages":[]}', action="count_tokens"))
    assert fitted.body.decode() == f'{{{VERSION},"model":"claude-sonnet-5-5","messages":[]}}'


# beta header and fields given -> header and fields sent, and reported drops
Case = tuple[str, str, str | None, str, tuple[str, ...]]
EAGER, BARE = '"tools":[{"name":"t","eager_input_streaming":true}]', '"tools":[{"name":"t"}]'
STRICT, DEFERRED = '"tools":[{"strict":true,"name":"t"}]', '"tools":[{"name":"t","defer_loading":true}]'
SCOPED = '"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","scope":"global"}}]'
CACHED = '"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}]'
INNER = (
    '"messages":[{"role":"user","content":[{"type":"tool_result","content":'
    '[{"type":"text","text":"\\"scope\\"","cache_control":{"scope":"global","ttl":"1h"}}]}]}]'
)
EFFORT = '"output_config":{"effort":"high"}'
EDITS = '"context_management":{"edits":[]}'
BOUND = '"thinking":{"type":"adaptive","block_binding":{"prefix_mismatch_behavior":"drop_block"}}'
SYSTEM = '"messages":[{"role":"user","content":"a"},{"role":"system","content":"b"}]'
MARKED = (
    '"messages":[{"role":"user","content":[{"type":"text","text":"a"},'
    '{"type":"text","text":"<system>\\nb\\n</system>"}]}]'
)
MID = "mid-conversation-system-2026-04-07"
BETAS: dict[str, Case] = {
    "none": ("", MESSAGES, None, MESSAGES, ()),
    "known ones stay, in order": (
        f"context-1m-2025-08-07, {NEW},context-1m-2025-08-07",
        EDITS,
        f"context-1m-2025-08-07,{NEW}",
        EDITS,
        (),
    ),
    "unknown betas are dropped": (
        "brand-new-2027-01-01,b\x00",
        EDITS,
        None,
        EDITS,
        ("anthropic-beta=brand-new-2027-01-01", "anthropic-beta=?"),
    ),
    "bound thinking": (
        "thinking-binding-controls-2026-08-01",
        BOUND,
        "thinking-binding-controls-2026-08-01",
        BOUND,
        (),
    ),
    "effort needs no header": ("effort-2025-11-24", EFFORT, None, EFFORT, ()),
    "a long cache needs no header": ("extended-cache-ttl-2025-04-11", MESSAGES, None, MESSAGES, ()),
    "tool search has another name": (
        "advanced-tool-use-2025-11-20",
        DEFERRED,
        "tool-search-tool-2025-10-19",
        DEFERRED,
        (),
    ),
    "fine-grained streaming": (
        "fine-grained-tool-streaming-2025-05-14",
        EAGER,
        None,
        BARE,
        ("anthropic-beta.fine-grained-tool-streaming", "tools.eager_input_streaming"),
    ),
    "fine-grained streaming without its beta": (NEW, EAGER, NEW, BARE, ("tools.eager_input_streaming",)),
    "cache scope": (
        f"{NEW},prompt-caching-scope-2026-01-05",
        SCOPED,
        NEW,
        CACHED,
        ("anthropic-beta.prompt-caching-scope", "system.cache_control.scope"),
    ),
    "cache scope in a tool result": (
        "",
        INNER,
        None,
        INNER.replace('"scope":"global",', ""),
        ("messages.content.content.cache_control.scope",),
    ),
    "strict with its beta": ("structured-outputs-2025-12-15", STRICT, None, BARE, ("tools.strict",)),
    "strict alone": ("", STRICT, None, STRICT, ()),
    "fast mode": ("fast-mode-2026-02-01", '"speed":"fast"', None, "", ("anthropic-beta.fast-mode", "speed")),
    "thinking tokens": (
        "claude-code-20250219,thinking-token-count-2026-05-13",
        MESSAGES,
        "claude-code-20250219",
        MESSAGES,
        ("anthropic-beta.thinking-token-count",),
    ),
    "system messages become marked user text": (MID, SYSTEM, None, MARKED, ("messages.role",)),
    "betas in the header and in the body are judged alike, each once": (
        f"{NEW},brand-new-2027-01-01",
        f'"anthropic_beta":["{NEW}","context-1m-2025-08-07","brand-new-2027-01-01","fast-mode-2026-02-01"],{MESSAGES}',
        f"{NEW},context-1m-2025-08-07",
        MESSAGES,
        ("anthropic-beta.fast-mode", "anthropic-beta=brand-new-2027-01-01"),
    ),
    "no system message, no beta": (f"{MID},{NEW}", MESSAGES, NEW, MESSAGES, ()),
    "tools that are lacking stay": (
        "advisor-tool-2026-03-01",
        '"tools":[{"type":"advisor_20260301"}]',
        None,
        '"tools":[{"type":"advisor_20260301"}]',
        ("anthropic-beta.advisor-tool",),
    ),
}


@pytest.mark.parametrize(("beta", "members", "sent", "left", "named"), BETAS.values(), ids=BETAS.keys())
def test_betas_and_fields_are_kept_or_dropped_together(
    beta: str, members: str, sent: str | None, left: str, named: tuple[str, ...]
) -> None:
    fitted = fit(provider_request(f'{{"model":"m","top_k":0{"," if members else ""}{members}}}', beta))
    assert fitted.body.decode() == f'{{{VERSION},"top_k":0{"," if left else ""}{left}}}'
    assert fitted.headers == ({"anthropic-beta": sent} if sent else {})
    assert fitted.dropped == named


def test_the_counter_accepts_three_betas() -> None:
    beta = (
        f"claude-code-20250219,{NEW},interleaved-thinking-2025-05-14,context-1m-2025-08-07,tool-search-tool-2025-10-19"
    )
    fitted = fit(provider_request(f'{{"model":"m",{DEFERRED}}}', beta, "count_tokens"))
    assert fitted.headers == {"anthropic-beta": f"claude-code-20250219,{NEW},interleaved-thinking-2025-05-14"}
    assert fitted.body.decode() == f'{{{VERSION},"model":"m",{BARE}}}'
    assert fitted.dropped == ("tools.defer_loading",)


def test_a_recorded_claude_code_request() -> None:
    """The betas and fields of a recorded call (CONTRACTS.md, section 4)."""
    betas = (
        "claude-code-20250219,interleaved-thinking-2025-05-14,thinking-token-count-2026-05-13,"
        "context-management-2025-06-27,prompt-caching-scope-2026-01-05,mid-conversation-system-2026-04-07,"
        "effort-2025-11-24"
    )
    block = {"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body: dict[str, Any] = {
        "model": "claude-sonnet-5-5",
        "messages": [{"role": "user", "content": [block]}],
        "system": [{"type": "text", "text": "billing"}, block],
        "tools": [{"name": "t", "input_schema": {"type": "object", "properties": {"scope": {"type": "string"}}}}],
        "thinking": {"type": "adaptive"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"},
        "stream": True,
    }
    fitted = fit(provider_request(json.dumps(body), betas))
    assert fitted.headers["anthropic-beta"] == (
        "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27"
    )
    expected = {"anthropic_version": "vertex-2023-10-16", **body}
    del expected["model"]
    assert json.loads(fitted.body) == expected
    assert fitted.dropped == ("anthropic-beta.prompt-caching-scope", "anthropic-beta.thinking-token-count")


def test_the_table_has_no_duplicates() -> None:
    betas = [refused.beta for refused in REFUSED]
    assert len(set(betas)) == len(betas)
    assert not any(one != other and one.startswith(other) for one in betas for other in betas)
    assert all(beta.isascii() and beta == beta.lower() for beta in betas)


def test_reported_drops_contain_no_text_of_the_client() -> None:
    fitted = fit(provider_request('{"model":"m","messages":[]}', "effort-\x7f,fast-mode-<script>"))
    assert fitted.dropped == ("anthropic-beta.fast-mode",)
    assert fitted.headers == {}
