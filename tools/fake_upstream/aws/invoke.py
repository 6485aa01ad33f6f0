"""InvokeModel for Claude: a Messages body with Bedrock's own rules.

Pure functions. Rejects bodies of other model families. The list of betas is that of AWS's "Anthropic Claude Messages
API" page; the refused fields are those that Bedrock rejects with "Extra inputs are not permitted".
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from tools.fake_upstream import messages
from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.vendors import compact

ANTHROPIC_VERSION = "bedrock-2023-05-31"
BETAS = (
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "thinking-binding-controls-2026-08-01",
    "token-efficient-tools-2025-02-19",
    "tool-examples-2025-10-29",
    "tool-search-tool-2025-10-19",
)
REFUSED_FIELDS = ("model", "stream", "service_tier", "mcp_servers", "container", "inference_geo", "speed")
METRICS = "amazon-bedrock-invocationMetrics"
LATENCY = 42


def is_claude(model: str) -> bool:
    """Whether the model is a Claude model. An ARN does not name the family, so it counts as Claude."""
    return "anthropic." in model or model.startswith("arn:")


def invoke_problems(body: dict[str, Any], model: str) -> Iterator[str]:
    if not is_claude(model):
        yield f"modelId: {model}: only the bodies of anthropic.* models are known here"
        return
    for name in REFUSED_FIELDS:
        if name in body:
            yield f"{name}: Extra inputs are not permitted"
    shaped = {key: value for key, value in body.items() if key not in REFUSED_FIELDS}
    if (version := shaped.pop("anthropic_version", None)) != ANTHROPIC_VERSION:
        yield f"anthropic_version: {version!r}, not {ANTHROPIC_VERSION}"
    betas = shaped.pop("anthropic_beta", [])
    if not isinstance(betas, list) or not all(isinstance(name, str) for name in betas):
        yield "anthropic_beta: Input should be a list of strings"
        return
    for name in betas:
        if name not in BETAS:
            yield f"anthropic_beta: invalid beta flag {name}"
    yield from messages.hosted_problems(shaped, model)
    yield from messages.body_problems(shaped | {"model": model}, beta=bool(betas), bedrock=True)


def event_payloads(whole: dict[str, Any], behaviour: Behaviour) -> Iterator[bytes]:
    """Payloads of the ``chunk`` events: one Messages event each, in base64, with AWS's padding field."""
    for event in messages.events(whole):
        if event["type"] == "message_stop":
            event = event | {METRICS: _metrics(behaviour)}
        inner = base64.b64encode(compact(event)).decode()
        yield compact({"bytes": inner, "p": "abcdefghijklmnopqrstuvwxyz"[: len(inner) % 26 + 1]})


def headers(behaviour: Behaviour) -> tuple[tuple[str, str], ...]:
    return (
        ("x-amzn-bedrock-invocation-latency", str(LATENCY)),
        ("x-amzn-bedrock-input-token-count", str(behaviour.input_tokens)),
        ("x-amzn-bedrock-output-token-count", str(behaviour.output_tokens)),
        ("x-amzn-bedrock-cache-read-input-token-count", str(behaviour.cached_tokens)),
        ("x-amzn-bedrock-cache-write-input-token-count", str(behaviour.cache_write_tokens)),
    )


def _metrics(behaviour: Behaviour) -> dict[str, int]:
    return {
        "inputTokenCount": behaviour.input_tokens,
        "outputTokenCount": behaviour.output_tokens,
        "invocationLatency": LATENCY,
        "firstByteLatency": LATENCY,
        "cacheReadInputTokenCount": behaviour.cached_tokens,
        "cacheWriteInputTokenCount": behaviour.cache_write_tokens,
    }
