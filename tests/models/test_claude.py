"""What each Claude model accepts, under every host's spelling of its name."""

from dataclasses import replace

import pytest

from nexus.models.claude import CLASSIC, Claude, profile

THREE = ("low", "medium", "high")
FIRST = Claude(known=True, thinking="none", max_output=4096)
THIRTY_FIVE = replace(FIRST, max_output=8192)
FOUR = replace(FIRST, thinking="budget", max_output=32000)
FORTY_ONE = replace(FOUR, sampling="one")
FORTY_FIVE = replace(FORTY_ONE, structured_output=True, strict_tools=True)
SIX = replace(FORTY_FIVE, thinking="either", efforts=(*THREE, "max"), prefill=False)
SEVEN = replace(SIX, thinking="adaptive", efforts=(*THREE, "xhigh", "max"), sampling="none")
EIGHT = replace(SEVEN, system_role=True)
FIVE = replace(EIGHT, thinks_unasked=True)
ALWAYS = replace(FIVE, off="never")
NEWEST = replace(ALWAYS, forced_tools=False)

MODELS: dict[str, Claude] = {
    "gpt-5": CLASSIC,
    "kimi-k2": CLASSIC,
    "claude-instant-1.2": FIRST,
    "claude-2.1": FIRST,
    "claude-3-haiku-20240307": FIRST,
    "anthropic.claude-3-5-sonnet-20241022-v2:0": THIRTY_FIVE,
    "claude-3-7-sonnet-20250219": FOUR,
    "claude-opus-4-20250514": FOUR,
    "claude-opus-4@20250514": FOUR,
    "claude-4-opus-20250514": FOUR,
    "claude-opus-4-1-20250805": FORTY_ONE,
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": FORTY_FIVE,
    "claude-haiku-4-5": FORTY_FIVE,
    "claude-opus-4-5-20251101": replace(FORTY_FIVE, efforts=THREE),
    "anthropic/claude-opus-4.6": SIX,
    "claude-sonnet-4-6": SIX,
    "claude-opus-4-7": SEVEN,
    "claude-mythos-preview": replace(SEVEN, known=False, thinks_unasked=True, off="never"),
    "claude-opus-4-8": EIGHT,
    "Claude-Opus-5": FIVE,
    "claude-sonnet-5": replace(FIVE, system_role=False),
    "claude-fable-5": ALWAYS,
    "claude-fable-5-1": NEWEST,
    "claude-mythos-5-2": NEWEST,
    "global.anthropic.claude-opus-5-5": NEWEST,
    "claude-sonnet-5-5": replace(FIVE, off="between_tools", forced_tools=False),
    "claude-haiku-5-5": FIVE,
    "claude-opus-12": NEWEST,
    "claude-latest": replace(SEVEN, known=False),
}


@pytest.mark.parametrize("model", MODELS)
def test_each_name_has_its_profile(model: str) -> None:
    assert profile(model) == MODELS[model]
