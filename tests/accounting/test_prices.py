"""Costs to the nano-dollar: by part, by length, by service tier; without a price there is no cost."""

import json
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nexus.accounting.price_book import PACKAGE, PriceBook, PricedRoute, priced, read_here
from nexus.accounting.prices import NanoRates, Price
from nexus.conversation.usage import Usage
from nexus.provider import Listing
from nexus.settings import Settings, registry
from nexus.settings.price import PriceSettings

MILLION = 1_000_000
OPENAI, ANTHROPIC = "https://api.openai.com/v1", "https://api.anthropic.com"
BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com"
NOON = 1_795_867_200.0
"""2026-11-28 12:00 UTC."""

SONNET = {"input": 3, "output": 15, "cache_read": 0.3, "cache_write_5m": 3.75, "cache_write_1h": 6}


def book(*routes: PricedRoute, folder: Path | None = None) -> PriceBook:
    return PriceBook(routes, folder, lambda: NOON)


def listed(url: str, model: str) -> Price | None:
    return PriceBook([PricedRoute("a/b", Listing(url, model))], None, lambda: NOON, read_here).now("a/b")


def configured(**price: Any) -> Price:
    found = book(PricedRoute("a/b", None, PriceSettings.model_validate(price))).price("a/b")
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


def test_an_unknown_service_tier_has_no_price() -> None:
    flex = Price(NanoRates({"input": 500 * MILLION}), "x")
    price = Price(NanoRates({"input": 1000 * MILLION}), "x", tiers={"flex": flex})
    tiers = {"": 2000, "default": 2000, "STANDARD": 2000, "ON_DEMAND": 2000, "flex": 1000, "Flex": 1000, "turbo": None}
    assert {tier: price.cost(Usage(input=2, service_tier=tier)) for tier in tiers} == tiers


RAW: dict[str, tuple[dict[str, Any], int | None]] = {
    "Anthropic's fast mode is a tier": ({"speed": "fast"}, 7000),
    "its ordinary speed is none": ({"speed": "standard"}, 2000),
    "inference in the US only costs a tenth more": ({"inference_geo": "us"}, 2200),
    "inference anywhere does not": ({"inference_geo": "global"}, 2000),
    "another model's iterations have its price": ({"iterations": [{"type": "advisor_message"}]}, None),
    "those of the model itself do not": ({"iterations": [{"type": "compaction"}, {"type": "message"}]}, 2000),
    "audio by OpenAI": ({"prompt_tokens_details": {"audio_tokens": 1}}, None),
    "audio by Google": ({"promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 1}]}, None),
    "no audio": ({"prompt_tokens_details": {"audio_tokens": 0}}, 2000),
    "pictures, which cost what text does": ({"promptTokensDetails": [{"modality": "IMAGE", "tokenCount": 1}]}, 2000),
}


@pytest.mark.parametrize(("raw", "cost"), RAW.values(), ids=RAW)
def test_other_reported_usage_affects_the_cost(raw: dict[str, Any], cost: int | None) -> None:
    fast = Price(NanoRates({"input": 3500 * MILLION}), "x")
    price = Price(NanoRates({"input": 1000 * MILLION}), "x", (), {"fast": fast}, 10_000_000, frozenset({"audio"}))
    assert price.cost(Usage(input=2, raw=raw)) == cost


def test_searches_cost_each_and_without_a_price_have_no_cost() -> None:
    price = Price(NanoRates({"input": 1000 * MILLION}), "x", searches=10_000_000)
    assert price.cost(Usage(input=2, searches=3)) == 2000 + 3 * 10_000_000
    assert configured(input=1, output=1).cost(Usage(input=2, searches=1)) is None


BAD = {
    "negative": -1,
    "words": "free",
    "endless": "NaN",
    "too many decimals": "0.0000000001",
    "too large": 10**7,
    "a boolean": True,
}


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
def test_invalid_amounts_are_rejected(value: object) -> None:
    with pytest.raises(ValidationError):
        PriceSettings.model_validate({"input": value, "output": 1})


def test_a_threshold_must_be_a_number() -> None:
    with pytest.raises(ValidationError, match="number of tokens"):
        PriceSettings.model_validate({**SONNET, "above": {"many": {"input": 1, "output": 1}}})


def test_the_price_list_covers_parts_lengths_and_tiers() -> None:
    price = listed(OPENAI, "gpt-5.5")
    assert price is not None
    short, long = Usage(input=1000, output=10), Usage(input=300_000)
    assert price.cost(short) == 5_000_000 + 300_000
    assert price.cost(long) == 300_000 * 10_000
    assert price.cost(Usage(1000, output=10, service_tier="flex")) == 2_500_000 + 150_000
    assert price.cost(Usage(1000, output=10, service_tier="turbo")) is None


HOURS_CACHE = {
    "Anthropic": (ANTHROPIC, "claude-sonnet-4-5", 6_000_000),
    "Bedrock, a region's profile": (BEDROCK, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", 6_600_000),
    "Bedrock, the global one": (BEDROCK, "global.anthropic.claude-sonnet-4-5-20250929-v1:0", 6_000_000),
    "Vertex AI": ("https://aiplatform.googleapis.com/v1", "claude-sonnet-4-5@20250929", 6_000_000),
    "Azure": ("https://x.services.ai.azure.com/anthropic/v1", "claude-sonnet-4-5", 6_000_000),
}


@pytest.mark.parametrize(("url", "model", "cost"), HOURS_CACHE.values(), ids=HOURS_CACHE)
def test_one_hour_cache_writes_cost_the_price_of_each_host(url: str, model: str, cost: int) -> None:
    price = listed(url, model)
    assert price is not None and price.cost(Usage(cache_write_1h=MILLION // 1000)) == cost


NOT_KNOWN = {
    "a server of one's own": ("http://127.0.0.1:1/v1", "gpt-5.5"),
    "a name of this network": ("http://vllm:8000/v1", "gpt-5.5"),
    "another company's host": ("https://llm.example.com/v1", "gpt-5.5"),
    "a host that begins like OpenAI's": ("https://api.openai.com.example.com/v1", "gpt-5.5"),
    "a path that looks like OpenAI's": ("https://llm.example.com/https://api.openai.com/v1", "gpt-5.5"),
    "a path that looks like Google's": ("https://llm.example.com/x.googleapis.com", "gemini-2.5-pro"),
    "another vendor's model": (OPENAI, "claude-sonnet-4-5"),
    "a deployment that is called otherwise": ("https://x.openai.azure.com/openai/v1", "chat-for-sales"),
}


@pytest.mark.parametrize(("url", "model"), NOT_KNOWN.values(), ids=NOT_KNOWN)
def test_unlisted_models_have_no_price(url: str, model: str) -> None:
    assert listed(url, model) is None


PROVIDERS = """
[llm.providers.openai]
type = "openai"
api_key = "sk-hushhush-house-0123456789"
models.smart = { rename = "gpt-5.5", expose_as = "clever" }
models.dear = { rename = "gpt-5.5", price = { input = 7, output = 7 } }
[llm.providers.classic]
type = "openai"
api_key = "sk-hushhush-house-0123456789"
base_url = "https://x.openai.azure.com/openai/deployments/gpt-5.5"
models = ["chat"]
[llm.providers.bedrock]
type = "bedrock"
region = "eu-central-1"
models.profile = { rename = "arn:aws:bedrock:eu-central-1:1:application-inference-profile/x", \
base_model = "global.anthropic.claude-opus-5" }
models.hourly = { rename = "arn:aws:bedrock:eu-central-1:1:provisioned-model/x", \
base_model = "anthropic.claude-opus-5" }
models.nobodys = { rename = "arn:aws:bedrock:eu-central-1:1:application-inference-profile/y" }
[llm.providers.endpoint]
type = "bedrock"
base_url = "https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com"
models = ["anthropic.claude-opus-5"]
[llm.providers.government]
type = "bedrock"
region = "us-gov-west-1"
models = ["anthropic.claude-opus-5"]
[llm.providers.vertex]
type = "google"
project = "p"
models = ["claude-opus-5", "gemini-2.5-flash"]
[llm.providers.europe]
type = "google"
project = "p"
location = "europe-west4"
models = ["claude-opus-5", "claude-3-5-haiku@20241022", "gemini-2.5-flash", "endpoints/123"]
[llm.providers.echo]
type = "echo"
models = ["echo"]
"""

INPUT_DOLLARS = {
    "openai/smart": "5",
    "openai/dear": "7",
    "classic/chat": "5",
    "bedrock/profile": "5",
    "bedrock/hourly": None,
    "bedrock/nobodys": None,
    "endpoint/anthropic.claude-opus-5": "5.5",
    "government/anthropic.claude-opus-5": None,
    "vertex/claude-opus-5": "5",
    "vertex/gemini-2.5-flash": "0.3",
    "europe/claude-opus-5": "5.5",
    "europe/claude-3-5-haiku@20241022": "0.8",
    "europe/gemini-2.5-flash": "0.3",
    "europe/endpoints/123": None,
    "echo/echo": "0",
}
"""Source: the vendors' public lists, November 2026; dollars per million tokens."""


def test_each_kind_of_provider_finds_its_models_in_the_price_list() -> None:
    settings = Settings.model_validate(tomllib.loads(PROVIDERS))
    providers = [registry.load(table.type)(name, table) for name, table in settings.llm.providers.items()]
    prices = PriceBook(priced(providers), None, lambda: NOON, read_here)
    found = {}
    for name in INPUT_DOLLARS:
        price = prices.now(name)
        cost = None if price is None else price.cost(Usage(input=1000))
        found[name] = None if cost is None else f"{cost / 10**6:g}"
    for provider in providers:
        provider.close()
    assert found == INPUT_DOLLARS


@pytest.mark.slow
def test_the_price_list_is_read_once_a_day_in_a_subprocess_and_cached(tmp_path: Path) -> None:
    route = PricedRoute("openai/gpt", Listing(OPENAI, "gpt-5.5"))
    first = book(route, folder=tmp_path)
    assert first.price("openai/gpt") is None and not first.is_known("openai/gpt")
    price = first.now("openai/gpt")
    assert price is not None and price.source.startswith("genai-prices ") and price.cost(Usage(input=2)) == 10_000
    (kept,) = tmp_path.glob("*.json")
    document = json.loads(kept.read_text())
    document["prices"]["openai/gpt"]["parts"]["input"] = 7 * 10**9
    kept.write_text(json.dumps(document))
    again = book(route, folder=tmp_path).now("openai/gpt")
    assert again is not None and again.cost(Usage(input=2)) == 14_000


def test_a_price_that_depends_on_the_time_of_day_changes_with_it(tmp_path: Path) -> None:
    """DeepSeek's is twice as high from 01:00 to 04:00 and from 06:00 to 10:00 UTC."""
    now = [NOON]
    route = PricedRoute("d/m", Listing("https://api.deepseek.com/v1", "deepseek-v4-pro"))
    prices = PriceBook([route], tmp_path, lambda: now[0], read_here)
    costs = []
    for hour in (0.5, 1.5, 3.9, 4.1, 9.9, 12):
        now[0] = NOON - 12 * 3600 + hour * 3600
        price = prices.now("d/m")
        costs.append(price and price.cost(Usage(input=1000)))
    assert costs == [660_000, 1_320_000, 1_320_000, 660_000, 1_320_000, 660_000]


def test_processes_that_start_together_read_the_price_list_once(tmp_path: Path) -> None:
    reads: list[int] = []

    def read(at: float, routes: Any) -> Any:
        reads.append(len(routes))
        return read_here(at, routes)

    route = PricedRoute("openai/gpt", Listing(OPENAI, "gpt-5.5"))
    books = [PriceBook([route], tmp_path, lambda: NOON, read) for _ in range(4)]
    for one in books:
        one.start()
    assert all(one.now("openai/gpt") is not None for one in books)
    assert reads == [1]


def test_an_unreadable_price_list_leaves_costs_unknown(caplog: pytest.LogCaptureFixture) -> None:
    def read(at: float, routes: Any) -> Any:
        raise ValueError("no")

    prices = PriceBook([PricedRoute("openai/gpt", Listing(OPENAI, "gpt-5.5"))], None, lambda: NOON, read)
    assert prices.now("openai/gpt") is None and prices.is_known("openai/gpt")
    assert caplog.messages == ["costs are unknown: cannot read the price list"]


def test_a_missing_price_package_is_logged_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("nexus.accounting.price_book.version", missing)
    assert book(PricedRoute("openai/gpt", Listing(OPENAI, "gpt-5.5"))).now("openai/gpt") is None
    assert caplog.messages == [
        f"costs are unknown except for models with a configured price: {PACKAGE} is not installed"
    ]
