"""Costs to the nano-dollar: by part, by length, by service tier; what has no price has no cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nexus.accounting.price_book import PriceBook, Priced
from nexus.accounting.price_list import price_list
from nexus.accounting.prices import Price, Rates, read_price
from nexus.conversation.usage import Usage
from nexus.settings.price import PriceSettings

MILLION = 1_000_000
OPENAI, ANTHROPIC = "https://api.openai.com/v1", "https://api.anthropic.com"
BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com"
NOON = 1_795_867_200.0
"""2026-11-28 12:00 UTC."""

SONNET = {"input": 3, "output": 15, "cache_read": 0.3, "cache_write_5m": 3.75, "cache_write_1h": 6}


def book(*routes: Priced, folder: Path | None = None) -> PriceBook:
    return PriceBook(routes, folder, lambda: NOON)


def configured(**price: Any) -> Price:
    found = book(Priced("a/b", "", "b", PriceSettings.model_validate(price))).price("a/b")
    assert found is not None
    return found


COSTS = {
    "every part has its price": (
        SONNET,
        Usage(10, 100, 1000, 10_000, 7, 3),
        30_000 + 30_000 + 3_750_000 + 60_000_000 + 150_000,
    ),
    "reasoning costs what output does": ({"input": 1, "output": 2}, Usage(reasoning=5), 10_000),
    "reasoning has its own price": ({"input": 1, "output": 2, "reasoning": 3}, Usage(reasoning=5), 15_000),
    "a cache without a price costs what input does": ({"input": 1, "output": 2}, Usage(0, 3, 4), 7_000),
    "an hour's cache without a price has no cost": ({"input": 1, "output": 2}, Usage(cache_write_1h=1), None),
    "all is free where input is": ({"input": 0, "output": 0}, Usage(1, 1, 1, 1, 1, 1), 0),
    "a call has a price of its own": ({"input": 0, "output": 0, "per_request": "0.01"}, Usage(), 10_000_000),
    "less than a nano-dollar is rounded once": ({"input": "0.0004", "output": 0}, Usage(input=2), 1),
    "up to the threshold": (
        {**SONNET, "above": {"200000": {"input": 6, "output": 22.5}}},
        Usage(input=200_000, output=1),
        600_015_000,
    ),
    "beyond it all tokens cost more": (
        {**SONNET, "above": {"200000": {"input": 6, "output": 22.5}}},
        Usage(input=200_000, cache_read=1, output=1),
        200_001 * 6_000 + 22_500,
    ),
}


@pytest.mark.parametrize(("price", "usage", "cost"), COSTS.values(), ids=COSTS)
def test_costs_are_exact(price: dict[str, Any], usage: Usage, cost: int | None) -> None:
    assert configured(**price).cost(usage) == cost


def test_a_tier_has_its_own_price_or_none() -> None:
    flex = Price(Rates({"input": 500 * MILLION}), "x")
    price = Price(Rates({"input": 1000 * MILLION}), "x", tiers={"flex": flex})
    usage = Usage(input=2)
    assert [price.cost(usage, tier) for tier in ("", "default", "standard", "flex", "turbo")] == [
        2000,
        2000,
        2000,
        1000,
        None,
    ]


BAD = {
    "negative": -1,
    "words": "free",
    "endless": "NaN",
    "too fine": "0.0000000001",
    "a mistake": 10**7,
    "a switch": True,
}


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
def test_what_is_no_amount_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        PriceSettings.model_validate({"input": value, "output": 1})


def test_a_threshold_is_a_number() -> None:
    with pytest.raises(ValidationError, match="number of tokens"):
        PriceSettings.model_validate({**SONNET, "above": {"many": {"input": 1, "output": 1}}})


def test_the_list_knows_parts_lengths_and_tiers() -> None:
    document = price_list([("openai/gpt", OPENAI, "gpt-5.5"), ("local/x", "http://127.0.0.1:1", "gpt-5.5")])
    assert list(document["prices"]) == ["openai/gpt"]
    price = read_price(document["prices"]["openai/gpt"], "list")
    short, long = Usage(input=1000, output=10), Usage(input=300_000)
    assert price.cost(short) == 5_000_000 + 300_000
    assert price.cost(long) == 300_000 * 10_000
    assert price.cost(short, "flex") == 2_500_000 + 150_000
    assert price.cost(short, "turbo") is None


def test_an_hours_cache_and_a_region_cost_what_the_vendor_says() -> None:
    document = price_list(
        [
            ("anthropic", ANTHROPIC, "claude-sonnet-4-5"),
            ("us", BEDROCK, "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("global", BEDROCK, "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ]
    )
    hour = Usage(cache_write_1h=MILLION // 1000)
    costs = {name: read_price(price, "list").cost(hour) for name, price in document["prices"].items()}
    assert costs == {"anthropic": 6_000_000, "us": 6_600_000, "global": 6_000_000}


@pytest.mark.slow
def test_the_book_reads_the_list_in_a_program_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    routes = Priced("openai/gpt", OPENAI, "gpt-5.5"), Priced("local/x", "http://127.0.0.1:1", "x")
    price = book(*routes, folder=tmp_path).price("openai/gpt")
    assert price is not None and price.source.startswith("genai-prices ") and price.cost(Usage(input=2)) == 10_000
    assert book(*routes).price("local/x") is None
    (kept,) = tmp_path.iterdir()
    document = json.loads(kept.read_text())
    document["prices"]["openai/gpt"]["parts"]["input"] = 7 * 10**9
    kept.write_text(json.dumps(document))
    again = book(*routes, folder=tmp_path).price("openai/gpt")
    assert again is not None and again.cost(Usage(input=2)) == 14_000
