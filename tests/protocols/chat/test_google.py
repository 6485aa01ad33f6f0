"""Google's extensions of chat completions, as its compatibility layer documents them."""

from typing import Any

import openai
import pytest

from nexus.conversation.parts import Thinking
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.protocols.chat.read_request import read_request
from nexus.protocols.loader import vendor
from nexus.wire import Json
from tests.protocols.chat.asked import HI, ask
from tests.protocols.sent import BEST
from tests.server.vendors import LANES, Lane, Stand

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


SAFETY = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
GOOGLES = [lane for lane in LANES if lane.model.startswith("gemini")]


@pytest.mark.parametrize("lane", GOOGLES, ids=lambda lane: lane.name)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_extensions_reach_google(stand: Stand, lane: Lane, stream: bool) -> None:
    house = stand(lane)
    extra: Any = {
        "extra_body": {
            "google": {
                "thinking_config": {"thinking_budget": 800, "include_thoughts": True},
                "cached_content": "cachedContents/c",
                "safety_settings": SAFETY,
            }
        }
    }
    with openai.OpenAI(base_url=house.nexus.openai, api_key="unused", max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="v/m", messages=[{"role": "user", "content": "Hi"}], stream=stream, extra_body=extra
        )
        assert "x-nexus-dropped" not in raw.headers
        if stream:
            list(raw.parse())
    sent = house.upstream.requests[-1].json
    assert sent["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 800, "includeThoughts": True}
    assert (sent["cachedContent"], sent["safetySettings"]) == ("cachedContents/c", SAFETY)
    assert house.upstream.violations == []


def test_cached_content_is_rejected_for_other_vendors(stand: Stand) -> None:
    house = stand(next(lane for lane in LANES if lane.name == "bedrock converse"))
    extra: Any = {"extra_body": {"google": {"cached_content": "c", "safety_settings": SAFETY}}}
    with (
        openai.OpenAI(base_url=house.nexus.openai, api_key="unused", max_retries=0) as client,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        client.chat.completions.create(model="v/m", messages=[{"role": "user", "content": "Hi"}], extra_body=extra)
    assert caught.value.param == "extra_body.google.cached_content"
