"""The table of what Claude on Bedrock supports: model ids are recognised, and every entry is something that clients
really send.
"""

from dataclasses import replace
from typing import get_args

import pytest
from anthropic.types import AnthropicBetaParam

from nexus.models import claude as models
from nexus.providers.bedrock.claude import (
    BETAS,
    EDITS,
    FIELDS,
    IMPLIED,
    RENAMED,
    claude_of,
    is_claude,
    profile,
    takes_schemas,
    takes_system,
)

ARN = "arn:aws:bedrock:us-east-1"

IDS = {
    "anthropic.claude-3-5-sonnet-20241022-v2:0": ("sonnet", (3, 5)),
    "us.anthropic.claude-3-7-sonnet-20250219-v1:0": ("sonnet", (3, 7)),
    "eu.anthropic.claude-sonnet-4-20250514-v1:0": ("sonnet", (4, 0)),
    "apac.anthropic.claude-opus-4-1-20250805-v1:0": ("opus", (4, 1)),
    "jp.anthropic.claude-haiku-4-5-20251001-v1:0": ("haiku", (4, 5)),
    "global.anthropic.claude-opus-4-6-v1": ("opus", (4, 6)),
    "us-gov.anthropic.claude-sonnet-4-6": ("sonnet", (4, 6)),
    "au.anthropic.claude-opus-5": ("opus", (5, 0)),
    "us.anthropic.claude-fable-5-1": ("fable", (5, 1)),
    "anthropic.claude-v2:1": ("", (2, 0)),
    f"{ARN}::foundation-model/anthropic.claude-opus-4-8": ("opus", (4, 8)),
    f"{ARN}:123456789012:inference-profile/us.anthropic.claude-sonnet-5-5": ("sonnet", (5, 5)),
}
OTHERS = (
    "amazon.nova-pro-v1:0",
    "us.meta.llama4-maverick-17b-instruct-v1:0",
    "openai.gpt-oss-120b-1:0",
    "mistral.mistral-large-2407-v1:0",
    f"{ARN}:123456789012:application-inference-profile/abcdef123456",
    f"{ARN}:123456789012:provisioned-model/abcdef123456",
    "notanthropic.claude-3",
)


@pytest.mark.parametrize(("model", "told"), IDS.items(), ids=IDS.keys())
def test_claude_is_recognised_by_its_id(model: str, told: tuple[str, tuple[int, int]]) -> None:
    claude = claude_of(model)
    assert is_claude(model)
    assert (claude.family, claude.version) == told


@pytest.mark.parametrize("model", OTHERS)
def test_other_models_are_not_claude(model: str) -> None:
    assert not is_claude(model)
    assert claude_of(model).version is None


def test_betas_are_spelled_as_anthropic_spells_them() -> None:
    published = set(get_args(get_args(AnthropicBetaParam)[1]))
    # Bedrock's own names, and those that only Claude Code uses.
    own = {"tool-search-tool-2025-10-19", "tool-examples-2025-10-29", "fallback-credit-2026-06-09"}
    claude_code = {
        "claude-code-20250219",
        "oauth-2025-04-20",
        "advanced-tool-use-2025-11-20",
        "effort-2025-11-24",
        "fine-grained-tool-streaming-2025-05-14",
        "mid-conversation-system-2026-04-07",
        "structured-outputs-2025-09-17",
        "structured-outputs-2025-12-15",
    }
    assert {*BETAS, *IMPLIED, *RENAMED} <= published | own | claude_code


def test_every_beta_that_an_entry_requires_is_known() -> None:
    assert {field.beta for field in FIELDS if field.beta} | set(EDITS.values()) <= set(BETAS)
    assert {name for names in RENAMED.values() for name in names} <= set(BETAS)


def test_an_unknown_model_supports_nothing_optional() -> None:
    unknown = claude_of(OTHERS[4])
    assert not any(takes(unknown) for takes in BETAS.values())
    assert not any(field.taken_by(unknown) for field in FIELDS)
    assert not takes_system(unknown)


SCHEMAS = {
    "claude-sonnet-4": False,
    "claude-haiku-4-5": True,
    "claude-opus-4-6-v1": True,
    "claude-opus-4-7": False,
    "claude-opus-4-8": False,
    "claude-sonnet-5": False,
    "claude-opus-5": True,
    "claude-fable-5": True,
    "claude-opus-5-5": False,
    "claude-fable-5-1": False,
}


@pytest.mark.parametrize(("model", "takes"), SCHEMAS.items(), ids=SCHEMAS.keys())
def test_a_models_profile_is_its_own_without_what_bedrock_lacks(model: str, takes: bool) -> None:
    here = profile(f"us.anthropic.{model}")
    assert takes_schemas(claude_of(f"us.anthropic.{model}")) is takes
    own = replace(models.profile(model), structured_output=takes, strict_tools=takes, fetches_links=False)
    assert replace(here, off=own.off) == replace(own, tool_names=models.SHORT_TOOL_NAMES)


def test_sonnet_5_always_thinks_here() -> None:
    assert profile("us.anthropic.claude-sonnet-5").off == "never"
    assert profile("us.anthropic.claude-opus-5").off == "disabled"
