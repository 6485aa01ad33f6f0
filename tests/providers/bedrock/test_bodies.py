"""A Messages request converted for InvokeModel: every edit is reported, and no other byte changes."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import botocore.session  # type: ignore[import-untyped]
import pytest
from botocore.validate import ParamValidator  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from nexus.errors import InvalidRequest
from nexus.protocols.messages.hosted import Extra
from nexus.providers.bedrock.bodies import count_invoke_body, invoke_body

VERSION = b'"anthropic_version":"bedrock-2023-05-31"'
OPUS_4_5 = "us.anthropic.claude-opus-4-5-20251101-v1:0"
SONNET_4 = "us.anthropic.claude-sonnet-4-20250514-v1:0"
OPUS_4_6 = "global.anthropic.claude-opus-4-6-v1"
OPUS_4_8 = "eu.anthropic.claude-opus-4-8"
FABLE_5 = "us.anthropic.claude-fable-5"
OPAQUE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"
SEARCH, EXAMPLES = "tool-search-tool-2025-10-19", "tool-examples-2025-10-29"

Dropped = tuple[str, ...]


def edited(body: str, model: str = OPUS_4_8, betas: str = "") -> tuple[str, Dropped]:
    raw, dropped = invoke_body(body.encode(), model, betas)
    json.loads(raw)
    return raw.decode().replace(VERSION.decode() + ",", "", 1), dropped


def named(*betas: str) -> str:
    return '"anthropic_beta":' + json.dumps(betas, separators=(",", ":")) + ","


BODIES: dict[str, tuple[str, str, str, Dropped]] = {
    # name: model, body, expected body (without the version), reported drops
    "model and stream": (OPUS_4_8, '{"model": "x", "max_tokens": 1, "stream": true}', '{"max_tokens": 1}', ()),
    "order and spelling": (
        OPUS_4_8,
        '{"temperature": 1.0,\t"model":"x", "max_tokens": 1e1, "system": "\\u00e4\\/", "stream":false ,"top_k": 5}\n',
        '{"temperature": 1.0, "max_tokens": 1e1, "system": "\\u00e4\\/" ,"top_k": 5}\n',
        (),
    ),
    "unknown fields are dropped, unknown blocks pass": (
        OPUS_4_8,
        '{"model":"x","new_field":{"a":[1]},"messages":[{"role":"user","content":[{"type":"new_block"}]}]}',
        '{"messages":[{"role":"user","content":[{"type":"new_block"}]}]}',
        ("new_field",),
    ),
    "content that Bedrock lacks is for Bedrock to refuse": (
        OPUS_4_8,
        '{"mcp_servers":[{}],"container":{},"tools":[{"type":"web_search_20250305","name":"web_search"}]}',
        '{"mcp_servers":[{}],"container":{},"tools":[{"type":"web_search_20250305","name":"web_search"}]}',
        (),
    ),
    "a version of one's own": (OPUS_4_8, '{"anthropic_version":"2023-06-01","top_k":1}', '{"top_k":1}', ()),
    "clearing of thinking": (
        OPUS_4_5,
        '{"top_k":1,"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]}}',
        '{"top_k":1}',
        ("context_management.edits",),
    ),
    "clearing of tool uses": (
        OPUS_4_5,
        '{"context_management":{"edits":[{"type":"clear_thinking_20251015"}, {"type":"clear_tool_uses_20250919"}]}}',
        "{"
        + named("context-management-2025-06-27")
        + '"context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}}',
        ("context_management.edits",),
    ),
    "compaction": (
        OPUS_4_6,
        '{"context_management":{"edits":[{"type":"compact_20260112"}]}}',
        "{" + named("compact-2026-01-12") + '"context_management":{"edits":[{"type":"compact_20260112"}]}}',
        (),
    ),
    "compaction elsewhere": (
        OPUS_4_8,
        '{"context_management":{"edits":[{"type":"compact_20260112"}]},"compaction":{}, "top_k":1}',
        '{"top_k":1}',
        ("context_management.edits", "compaction"),
    ),
    "tool fields": (
        OPUS_4_8,
        '{"tools":[{"name":"a","strict":true,"input_schema":{"strict":1}},{"defer_loading":true,"name":"b",'
        '"eager_input_streaming":true,"input_examples":[{"x":1}],"allowed_callers":["direct"]}]}',
        '{"tools":[{"name":"a","input_schema":{"strict":1}},{"name":"b"}]}',
        (
            "tools.strict",
            "tools.defer_loading",
            "tools.eager_input_streaming",
            "tools.input_examples",
            "tools.allowed_callers",
        ),
    ),
    "tool fields that come with their betas": (
        OPUS_4_5,
        '{"tools":[{"name":"a","strict":true,"defer_loading":true,"input_examples":[{}]}]}',
        "{"
        + named(SEARCH, EXAMPLES)
        + '"tools":[{"name":"a","strict":true,"defer_loading":true,"input_examples":[{}]}]}',
        (),
    ),
    "effort": (OPUS_4_8, '{"output_config":{"effort":"high"}}', '{"output_config":{"effort":"high"}}', ()),
    "effort with its beta": (
        OPUS_4_5,
        '{"output_config":{"effort":"high"}}',
        "{" + named("effort-2025-11-24") + '"output_config":{"effort":"high"}}',
        (),
    ),
    "effort, if unsupported": (
        SONNET_4,
        '{"top_k":1,"output_config":{"effort":"high"}}',
        '{"top_k":1}',
        ("output_config.effort",),
    ),
    "no schema": (
        OPUS_4_8,
        '{"output_config":{"format":null,"effort":"low","task_budget":{}},"output_format":{}}',
        '{"output_config":{"effort":"low"}}',
        ("output_config.format", "output_config.task_budget", "output_format"),
    ),
    "schema, if supported": (
        OPUS_4_6,
        '{"output_config":{"format":{"type":"json_schema"}}}',
        '{"output_config":{"format":{"type":"json_schema"}}}',
        (),
    ),
    "scope of a cache, wherever it is": (
        OPUS_4_8,
        '{"system":[{"cache_control":{"type":"ephemeral","scope":"global","ttl":"1h"}}],"tools":[{"cache_control":'
        '{"scope":"global","type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"tool_result","content":'
        '[{"cache_control":{"type":"ephemeral","scope":"o"}}]},{"source":{"content":[{"cache_control":{"type":"e",'
        '"scope":"o"}}]}}]}]}',
        '{"system":[{"cache_control":{"type":"ephemeral","ttl":"1h"}}],"tools":[{"cache_control":'
        '{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"tool_result","content":'
        '[{"cache_control":{"type":"ephemeral"}}]},{"source":{"content":[{"cache_control":{"type":"e"}}]}}]}]}',
        ("cache_control.scope",),
    ),
    "time to live of a cache": (
        SONNET_4,
        '{"system":[{"cache_control":{"type":"ephemeral","ttl":"1h"}}]}',
        '{"system":[{"cache_control":{"type":"ephemeral"}}]}',
        ("cache_control.ttl",),
    ),
    "a scope that belongs to the client's data": (
        OPUS_4_8,
        '{"messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"cache_control":{"scope":1},'
        '"content":[{"cache_control":{"scope":1}}]}}]}]}',
        '{"messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"cache_control":{"scope":1},'
        '"content":[{"cache_control":{"scope":1}}]}}]}]}',
        (),
    ),
    "fields only Anthropic's own service has": (
        OPUS_4_8,
        '{"service_tier":"auto","speed":"fast","inference_geo":"us","cache_control":{"type":"ephemeral"},'
        '"fallbacks":[],"diagnostics":{},"safeguards":{},"metadata":{"user_id":"u"}}',
        '{"metadata":{"user_id":"u"}}',
        ("service_tier", "speed", "inference_geo", "cache_control", "fallbacks", "diagnostics", "safeguards"),
    ),
    "bound thinking": (
        OPUS_4_8,
        '{"thinking":{"type":"adaptive","block_binding":{}}}',
        '{"thinking":{"type":"adaptive"}}',
        ("thinking.block_binding",),
    ),
    "bound thinking of Opus 5.5": (
        "anthropic.claude-opus-5-5",
        '{"thinking":{"type":"adaptive","block_binding":{}}}',
        "{" + named("thinking-binding-controls-2026-08-01") + '"thinking":{"type":"adaptive","block_binding":{}}}',
        (),
    ),
    "bound thinking, if supported": (
        FABLE_5,
        '{"thinking":{"type":"adaptive","block_binding":{"prefix_mismatch_behavior":"drop_block"}}}',
        "{"
        + named("thinking-binding-controls-2026-08-01")
        + '"thinking":{"type":"adaptive","block_binding":{"mismatch_behavior":"drop_block"}}}',
        (),
    ),
    "system in the middle, if supported": (
        OPUS_4_8,
        '{"system":"s","messages":[{"role":"user","content":"a"},{"role":"system","content":"b"}]}',
        '{"system":"s","messages":[{"role":"user","content":"a"},{"role":"system","content":"b"}]}',
        (),
    ),
    "system in the middle, if unsupported": (
        OPUS_4_6,
        '{"system":"s","messages":[{"role":"user","content":"system"},{"content":[{"text":"b"}], "role": "system"}]}',
        '{"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"system"},'
        '{"text":"<system>\\nb\\n</system>"}]}]}',
        ("messages.role",),
    ),
    "an output_config of one message": (
        OPUS_4_8,
        '{"messages":[{"role":"user","content":"a","output_config":{"effort":"low"}}]}',
        '{"messages":[{"role":"user","content":"a"}]}',
        ("messages.output_config",),
    ),
    "an opaque ARN": (
        OPAQUE,
        '{"output_config":{"effort":"high"},"tools":[{"name":"a","strict":true}],"thinking":{"type":"adaptive"}}',
        '{"tools":[{"name":"a"}],"thinking":{"type":"adaptive"}}',
        ("output_config.effort", "tools.strict"),
    ),
    "keys that are repeated": (
        OPUS_4_8,
        '{"model":"x","tools":[{"strict":true,"name":"a","strict":false}],"model":"y","stream":true,"speed":1,"speed":2}',
        '{"tools":[{"name":"a"}]}',
        ("tools.strict", "speed"),
    ),
    "keys that are spelled with escapes": (
        OPUS_4_8,
        '{"\\u0073peed":"fast","top_k":1,"tools":[{"stri\\u0063t":true,"name":"a"}]}',
        '{"top_k":1,"tools":[{"name":"a"}]}',
        ("speed", "tools.strict"),
    ),
}


@pytest.mark.parametrize(("model", "body", "expected", "dropped"), BODIES.values(), ids=BODIES.keys())
def test_fields_are_edited_and_every_loss_is_reported(model: str, body: str, expected: str, dropped: Dropped) -> None:
    raw, lost = edited(body, model)
    assert raw == expected
    assert set(lost) == set(dropped)


def test_an_empty_body_becomes_only_the_version() -> None:
    assert invoke_body(b'{"model":"x"}', OPUS_4_8, "") == (b"{" + VERSION + b"}", ())


BETAS: dict[str, tuple[str, str, list[str], Dropped]] = {
    # name: model, header, betas that Bedrock gets, reported drops
    "none": (OPUS_4_8, "", [], ()),
    "a supported beta": (OPUS_4_5, "interleaved-thinking-2025-05-14", ["interleaved-thinking-2025-05-14"], ()),
    "spaces and repetition": (
        SONNET_4,
        " context-1m-2025-08-07 ,context-1m-2025-08-07,, ",
        ["context-1m-2025-08-07"],
        (),
    ),
    "what the model does without": (
        OPUS_4_8,
        "claude-code-20250219,oauth-2025-04-20,interleaved-thinking-2025-05-14,effort-2025-11-24,"
        "context-1m-2025-08-07,extended-cache-ttl-2025-04-11,mid-conversation-system-2026-04-07",
        [],
        (),
    ),
    "what it does not": (
        OPUS_4_6,
        "mid-conversation-system-2026-04-07,prompt-caching-scope-2026-01-05,thinking-token-count-2026-05-13",
        [],
        (
            "anthropic-beta=mid-conversation-system-2026-04-07",
            "anthropic-beta=prompt-caching-scope-2026-01-05",
            "anthropic-beta=thinking-token-count-2026-05-13",
        ),
    ),
    "an unknown beta": (OPUS_4_8, "brand-new-2026-11-01", [], ("anthropic-beta=brand-new-2026-11-01",)),
    "under Bedrock's names": (OPUS_4_5, "advanced-tool-use-2025-11-20", [SEARCH, EXAMPLES], ()),
    "under Bedrock's names, in part": (
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "advanced-tool-use-2025-11-20",
        [SEARCH],
        (),
    ),
    "characters not allowed in a header": (OPUS_4_8, "b\u00e4d beta", [], ("anthropic-beta=?",)),
}


@pytest.mark.parametrize(("model", "header", "sent", "dropped"), BETAS.values(), ids=BETAS.keys())
def test_betas_move_into_the_body(model: str, header: str, sent: list[str], dropped: Dropped) -> None:
    raw, lost = invoke_body(b'{"top_k":1}', model, header)
    assert json.loads(raw).get("anthropic_beta", []) == sent
    assert lost == dropped


def test_betas_in_the_body_are_treated_like_those_in_the_header() -> None:
    body = b'{"anthropic_beta":["context-1m-2025-08-07","x\\r\\ny: z",7,"made-up"],"top_k":1}'
    raw, lost = invoke_body(body, SONNET_4, "interleaved-thinking-2025-05-14")
    assert json.loads(raw)["anthropic_beta"] == ["interleaved-thinking-2025-05-14", "context-1m-2025-08-07"]
    assert raw.count(b"anthropic_beta") == 1
    assert lost == ("anthropic-beta=?", "anthropic-beta=made-up")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["system", "messages", "tools", "thinking", "output_config", "context_management", "stream", "top_k"]
)


@given(st.dictionaries(KEYS, JSON), st.sampled_from([OPUS_4_5, OPUS_4_8, OPAQUE]), st.sampled_from([None, 1]))
def test_every_body_is_converted(body: Any, model: str, indent: int | None) -> None:
    raw, _ = invoke_body(json.dumps({"model": "x"} | body, indent=indent).encode(), model, "a,b")
    left = json.loads(raw)
    assert left.pop("anthropic_version") == "bedrock-2023-05-31"
    assert "model" not in left and "stream" not in left
    assert left.get("top_k") == body.get("top_k")
    assert preparing_twice_is_equal(body, model)


def preparing_twice_is_equal(body: Any, model: str) -> bool:
    raw = json.dumps({"model": "x"} | body).encode()
    return invoke_body(raw, model, "a") == invoke_body(raw, model, "a")


COUNTED: dict[str, tuple[Mapping[str, Any], int]] = {
    "no limit": ({"messages": []}, 4096),
    "no limit, a budget": ({"messages": [], "thinking": {"type": "enabled", "budget_tokens": 31999}}, 31999 + 4096),
    "an explicit limit": ({"messages": [], "max_tokens": 7}, 7),
}


@pytest.mark.parametrize(("body", "max_tokens"), COUNTED.values(), ids=COUNTED.keys())
def test_the_counted_body_is_the_invoked_one(body: Mapping[str, Any], max_tokens: int) -> None:
    raw = json.dumps({"model": "x", **body}).encode()
    counted, dropped = count_invoke_body(raw, OPUS_4_5, "made-up", 4096)
    published(counted)
    inner = json.loads(base64.b64decode(json.loads(counted)["input"]["invokeModel"]["body"]))
    assert inner == {"anthropic_version": "bedrock-2023-05-31", **body, "max_tokens": max_tokens}
    assert dropped == ("anthropic-beta=made-up",)


FORMAT = {"type": "json_schema", "schema": {"type": "object"}}
UNTAKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "output_config.format": (OPUS_4_8, {"output_config": {"format": FORMAT, "effort": "low"}}),
    "output_config.format of a model unknown": (OPAQUE, {"output_config": {"format": FORMAT}}),
    "output_format, the older place": (OPUS_4_6, {"output_format": FORMAT}),
}


@pytest.mark.parametrize("case", UNTAKEN)
def test_an_unsupported_format_is_rejected_like_the_vendor_does(case: str) -> None:
    """With the message on which Claude Code retries without it; never dropped, because the answer would not be JSON."""
    model, members = UNTAKEN[case]
    raw = json.dumps({"model": "x", "messages": [], **members}).encode()
    path = case.partition(" ")[0].rstrip(",")
    with pytest.raises(InvalidRequest) as refusal:
        invoke_body(raw, model, "")
    assert refusal.value.message.startswith(f"{path}: Extra inputs are not permitted")
    assert (refusal.value.param, refusal.value.status) == (path, 400)
    assert path in count_invoke_body(raw, model, "", 4096)[1]
    kept, _ = invoke_body(raw, model, "", extra=Extra(fields=frozenset({path})))
    assert json.dumps(FORMAT).encode() in kept


def published(body: bytes) -> None:
    """The body conforms to AWS's model of the operation."""
    model = botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("CountTokens")
    report = ParamValidator().validate({"modelId": "x", **json.loads(body)}, model.input_shape)
    assert not report.has_errors(), report.generate_report()
