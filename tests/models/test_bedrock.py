"""Model ids and what they tell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nexus.models import bedrock as models
from nexus.models.bedrock import quirks_of
from nexus.protocols import converse

SAME = [
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "US-GOV.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/anthropic.claude-sonnet-4-5-20250929-v1:0/abcdefghijkl",
]


@pytest.mark.parametrize("model_id", SAME)
def test_prefixes_and_arns_do_not_matter(model_id: str) -> None:
    assert quirks_of(model_id) == quirks_of(SAME[0]) != frozenset()


@pytest.mark.parametrize(
    "model_id",
    ["", "claude", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", "zai.glm-4.7", "a.b.c"],
)
def test_ids_that_tell_nothing(model_id: str) -> None:
    assert quirks_of(model_id) == frozenset()


@pytest.mark.parametrize(
    ("model_id", "has", "has_not"),
    [
        ("anthropic.claude-v2:1", {models.NO_TOOLS}, {models.CACHE}),
        ("anthropic.claude-3-haiku-20240307-v1:0", {models.RESULT_STATUS}, {models.CACHE, models.THINKING_BUDGET}),
        ("anthropic.claude-3-5-haiku-20241022-v1:0", {models.CACHE}, {models.THINKING_BUDGET}),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", {models.CACHE, models.THINKING_BUDGET}, {models.CACHE_TTL}),
        ("anthropic.claude-sonnet-4-20250514-v1:0", {models.THINKING_BUDGET}, {models.ONE_SAMPLER}),
        ("anthropic.claude-opus-4-1-20250805-v1:0", {models.ONE_SAMPLER}, {models.STRUCTURED_OUTPUT}),
        (
            "anthropic.claude-haiku-4-5-20251001-v1:0",
            {models.CACHE_TTL, models.STRUCTURED_OUTPUT},
            {models.NO_SAMPLING},
        ),
        ("anthropic.claude-opus-4-6-v1", {models.THINKING_ADAPTIVE, models.THINKING_BUDGET}, {models.NO_SAMPLING}),
        ("anthropic.claude-opus-4-8", {models.THINKING_ADAPTIVE, models.NO_SAMPLING}, {models.THINKING_BUDGET}),
        ("anthropic.claude-sonnet-5", {models.THINKING_ADAPTIVE, models.NO_SAMPLING}, {models.THINKING_BUDGET}),
        ("amazon.nova-micro-v1:0", {models.CACHE, models.TOP_K_NOVA}, {models.THINKING_NOVA, models.CACHE_TOOLS}),
        ("global.amazon.nova-2-lite-v1:0", {models.THINKING_NOVA}, {models.STRUCTURED_OUTPUT}),
        ("openai.gpt-oss-20b-1:0", {models.THINKING_EFFORT}, {models.THINKING_NESTED}),
        ("us.openai.gpt-6-astra", {models.THINKING_NESTED}, {models.THINKING_EFFORT}),
        ("deepseek.v3.2", {models.STRUCTURED_OUTPUT}, {models.TOOL_CHOICE_UNNAMED}),
        ("mistral.mixtral-8x7b-instruct-v0:1", {models.NO_SYSTEM}, set()),
        ("mistral.mistral-large-3-675b-instruct", {models.STRUCTURED_OUTPUT}, {models.JSON_RESULTS}),
        ("cohere.command-r-plus-v1:0", {models.TOOL_CHOICE_AUTO}, {models.NO_TOOLS}),
        ("cohere.command-text-v14", {models.NO_TOOLS}, set()),
        ("ai21.jamba-1-5-large-v1:0", {models.TOOL_CHOICE_AUTO}, set()),
        ("google.gemma-3-27b-it", {models.STRUCTURED_OUTPUT}, set()),
        ("minimax.minimax-m2", {models.UNSIGNED_REASONING}, set()),
        ("moonshotai.kimi-k2.5", {models.WIDE_IDS}, set()),
        ("nvidia.nemotron-nano-9b-v2", {models.STRUCTURED_OUTPUT}, set()),
    ],
)
def test_families(model_id: str, has: set[str], has_not: set[str]) -> None:
    quirks = quirks_of(model_id)
    assert has <= quirks and not has_not & quirks


def test_every_quirk_belongs_to_somebody_and_is_defined() -> None:
    defined = {value for name, value in vars(models).items() if name.isupper() and isinstance(value, str)}
    known = ["v2", "3-5-haiku", "opus-4-1", "sonnet-4-5", "opus-4-6", "opus-5"]
    ids = [f"anthropic.claude-{name}" for name in known]
    ids += ["amazon.nova-2-lite", "amazon.titan", "openai.gpt-oss", "openai.gpt-6", "meta.llama4", "moonshot.kimi"]
    ids += ["mistral.mistral-large-2402", "mistral.mixtral", "deepseek.v3-v1:0"]
    assert set().union(*map(quirks_of, ids)) == defined


def test_no_vendor_sdk_is_imported() -> None:
    names = [path.stem for path in Path(converse.__file__ or "").parent.glob("[a-z]*.py")]
    code = "import sys; " + "; ".join(f"import nexus.protocols.converse.{name}" for name in names)
    code += "; sys.exit(any(m.partition('.')[0] in ('botocore', 'boto3', 'requests', 'tornado') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
