"""What each Claude takes, by any host's spelling of its name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nexus.models import claude as models
from nexus.models.claude import quirks_of

STRUCTURED = {"structured_output", "strict_tools"}
SIX = STRUCTURED | {"adaptive_thinking", "no_prefill"}
SEVEN = SIX | {"adaptive_only", "no_sampling", "xhigh_effort"}
EIGHT = SEVEN | {"system_role"}
FIVE = EIGHT | {"default_thinking"}
ALWAYS = FIVE | {"always_thinking"}

MODELS: dict[str, set[str]] = {
    "gpt-5": set(),
    "kimi-k2": set(),
    "claude-instant-1.2": {"no_thinking"},
    "claude-2.1": {"no_thinking"},
    "claude-3-haiku-20240307": {"no_thinking"},
    "anthropic.claude-3-5-sonnet-20241022-v2:0": {"no_thinking"},
    "claude-3-7-sonnet-20250219": set(),
    "claude-opus-4-20250514": set(),
    "claude-opus-4@20250514": set(),
    "claude-4-opus-20250514": set(),
    "claude-opus-4-1-20250805": {"one_sampling"},
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": STRUCTURED | {"one_sampling"},
    "claude-haiku-4-5": STRUCTURED | {"one_sampling"},
    "claude-opus-4-5-20251101": STRUCTURED | {"one_sampling"},
    "anthropic/claude-opus-4.6": SIX | {"one_sampling"},
    "claude-sonnet-4-6": SIX | {"one_sampling"},
    "claude-opus-4-7": SEVEN,
    "claude-mythos-preview": SEVEN | {"default_thinking", "always_thinking"},
    "claude-opus-4-8": EIGHT,
    "Claude-Opus-5": FIVE,
    "claude-sonnet-5": FIVE - {"system_role"},
    "claude-fable-5": ALWAYS,
    "claude-fable-5-1": ALWAYS | {"no_forced_tools"},
    "claude-mythos-5-2": ALWAYS | {"no_forced_tools"},
    "global.anthropic.claude-opus-5-5": ALWAYS | {"no_forced_tools"},
    "claude-sonnet-5-5": FIVE | {"between_tools", "no_forced_tools"},
    "claude-haiku-5-5": FIVE,
    "claude-opus-12": ALWAYS | {"no_forced_tools"},
    "claude-latest": SEVEN,
}


@pytest.mark.parametrize("model", MODELS)
def test_quirks_of(model: str) -> None:
    assert quirks_of(model) == MODELS[model]


def test_every_quirk_is_explained_and_used() -> None:
    explained = set(re.findall(r"^([a-z_]+)  ", models.__doc__ or "", re.MULTILINE)) - {"quirk"}
    folder = Path(models.__file__).parents[1] / "protocols" / "messages"
    writers = "".join(path.read_text() for path in folder.glob("*.py"))
    used = set(re.findall(r'"([a-z_]+)" (?:not )?in quirks', writers)) | set(re.findall(r'"([a-z_]+)" in', writers))
    known = set().union(*MODELS.values()) | {"unsigned_thinking", "short_tool_names"}
    assert explained == known
    assert known <= used
