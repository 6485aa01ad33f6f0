"""Google's extensions of chat completions, as its compatibility layer documents them."""

import pytest

from nexus.conversation.parts import Thinking
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.protocols.chat.read_request import read_request
from nexus.protocols.loader import vendor
from nexus.wire import Json
from tests.protocols.chat.asked import HI, ask
from tests.protocols.sent import BEST

CONFIGS: dict[str, tuple[dict[str, Json], Thinking | None]] = {
    "a budget": ({"thinking_budget": 2000}, Thinking(True, budget=2000, visible=False)),
    "a budget as a float": ({"thinking_budget": 2000.0}, Thinking(True, budget=2000, visible=False)),
    "a budget as a string": ({"thinking_budget": "2000"}, Thinking(True, budget=2000, visible=False)),
    "a budget and no level": (
        {"thinking_budget": 2000, "thinking_level": "THINKING_LEVEL_UNSPECIFIED"},
        Thinking(True, budget=2000, visible=False),
    ),
    "off": ({"thinking_budget": 0}, Thinking(False)),
    "dynamic": ({"thinking_budget": -1}, Thinking(True, visible=False)),
    "a level": ({"thinking_level": "low"}, Thinking(True, effort="low", visible=False)),
    "Google's own words": ({"thinkingLevel": "HIGH", "includeThoughts": True}, Thinking(True, effort="high")),
    "thoughts alone": ({"include_thoughts": True}, Thinking(True)),
    "no thoughts": ({"include_thoughts": False}, None),
    "nothing": ({}, None),
}


@pytest.mark.parametrize("case", CONFIGS)
@pytest.mark.parametrize("holder", ["extra_body", "google", "camel"])
def test_thinking_config_becomes_thinking(case: str, holder: str) -> None:
    config, thinking = CONFIGS[case]
    google: dict[str, Json] = {"thinkingConfig" if holder == "camel" else "thinking_config": config}
    read = read_request(ask(google=google) if holder == "google" else ask(extra_body={"google": google}))
    assert (read.request.thinking, read.dropped) == (thinking, ())


BESIDE_AN_EFFORT: dict[str, tuple[dict[str, Json], Thinking, tuple[str, ...]]] = {
    "thoughts": ({"include_thoughts": True}, Thinking(True, effort="high"), ()),
    "no thoughts": ({"include_thoughts": False}, Thinking(True, effort="high", visible=False), ()),
    "another level": (
        {"thinking_level": "low", "include_thoughts": True},
        Thinking(True, effort="high"),
        ("extra_body.google.thinking_config.effort",),
    ),
    "off": ({"thinking_budget": 0}, Thinking(True, effort="high"), ("extra_body.google.thinking_config",)),
}


@pytest.mark.parametrize("case", BESIDE_AN_EFFORT)
def test_an_effort_overrides_the_thinking_config(case: str) -> None:
    config, thinking, dropped = BESIDE_AN_EFFORT[case]
    read = read_request(ask(reasoning_effort="high", extra_body={"google": {"thinking_config": config}}))
    assert (read.request.thinking, read.dropped) == (thinking, dropped)


def test_fields_without_an_equivalent_are_reported_as_dropped() -> None:
    google: dict[str, Json] = {"thought_tag_marker": "think", "thinking_config": {"new": 1}}
    read = read_request(ask(extra_body={"google": google, "other": {"a": 1}}))
    assert read.dropped == (
        "extra_body.other",
        "extra_body.google.thought_tag_marker",
        "extra_body.google.thinking_config.new",
    )


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"thinking_budget": "many"}, "thinking_budget"),
        ({"thinking_budget": -2}, "thinking_budget"),
        ({"thinking_budget": 0.5}, "thinking_budget"),
        ({"thinking_budget": float("inf")}, "thinking_budget"),
        ({"thinking_level": "huge"}, "thinking_level"),
        ({"include_thoughts": "yes"}, "include_thoughts"),
        ({"thinking_budget": 800, "thinking_level": "low"}, ""),
        ({"thinking_budget": 0, "thinking_level": "low"}, ""),
        ({"thinking_budget": -1, "thinking_level": "low"}, ""),
    ],
)
def test_invalid_values_are_rejected_with_their_path(config: dict[str, Json], path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request(ask(extra_body={"google": {"thinking_config": config}}))
    assert caught.value.param == f"extra_body.google.thinking_config.{path}".rstrip(".")


def test_cached_content_is_only_available_at_google() -> None:
    request = read_request({"messages": [HI], "extra_body": {"google": {"cached_content": "cachedContents/c"}}}).request
    assert vendor("gemini").write_request(request, BEST["gemini"]).body["cachedContent"] == "cachedContents/c"
    with pytest.raises(UnsupportedFeature, match="only available at Google"):
        vendor("messages").write_request(request, BEST["messages"])
