"""The cost of an attempt, from its route's prices: one per token part, by service tier and input length.

Exact. Prices are integers in nano-dollars per million tokens, that is dollars per million to nine decimal places; a
cost is rounded once, to a nano-dollar. The cost without a price is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nexus.conversation.usage import DEAREST, PARTS, Usage
from nexus.dataclasses import dataclass, field, replace
from nexus.wire import Json, count, mapping, sequence, text

MILLION = 1_000_000

MEDIA = ("audio", "image", "video")

BATCH = "batch"
FULL = "not reduced for batches"
"""Added to the source of a price when batch usage is charged at the price of single calls."""

STANDARD_TIERS = frozenset({"", "default", "standard", "auto", "on_demand", "on-demand"})
"""Vendors' names for the standard service tier."""


US_ONLY = 110
"""Percentage of the price that Anthropic charges for inference in the US only. Source: Anthropic's page "Data
residency" (November 2026), which names the field of the usage and the factor for all kinds of tokens."""

OTHER_MODELS = frozenset({"advisor_message", "fallback_message"})
"""Iterations of another model, in Anthropic's usage, which have its price. Source: anthropic.types.beta.BetaUsage."""

_LIKE = {"reasoning": "output", "cache_read": "input", "cache_write_5m": "input"}
"""A part without its own price costs as much as ordinary output or input."""


def with_defaults(parts: Mapping[str, int]) -> dict[str, int]:
    return {part: parts[like] for part, like in _LIKE.items() if like in parts} | dict(parts)


@dataclass(frozen=True, slots=True)
class NanoRates:
    """Nano-dollars per million tokens, by part; a missing part has no price. ``per_request`` is in nano-dollars."""

    parts: Mapping[str, int]
    per_request: int = 0

    def cost(self, usage: Usage, percent: int = 100) -> int | None:
        """The cost in nano-dollars, or a percentage of it; None if a part with tokens has no price, or if it is more
        than DEAREST."""
        total = self.per_request * MILLION
        for part in PARTS:
            if count := getattr(usage, part):
                price = self.parts.get(part)
                if price is None:
                    return None
                total += count * price
        if percent != 100:
            total = total * percent // 100
        return (total + MILLION // 2) // MILLION if total <= DEAREST * MILLION else None

    def most(self, input: int, output: int) -> int:
        """The maximum cost in nano-dollars of so many tokens of unknown parts, one-hour cache writes excluded."""
        dearest = [max((self.parts.get(part, 0) for part in parts), default=0) for parts in _SIDES]
        total = self.per_request * MILLION + input * dearest[0] + output * dearest[1]
        return (total + MILLION // 2) // MILLION


_SIDES = ("input", "cache_write_5m"), ("output", "reasoning")


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one route. ``above`` has, by threshold, the rates of calls with more input tokens than that; they
    apply to all tokens of the call. ``tiers`` are prices by the service tier that the vendor reports; ``searches`` is
    the cost in nano-dollars of each search by the vendor; ``media`` are kinds of tokens with other, unknown prices.
    ``source`` is where the price is from. Everything costs nothing if it ``is_free``.
    """

    rates: NanoRates
    source: str
    above: tuple[tuple[int, NanoRates], ...] = ()
    tiers: Mapping[str, Price] = field(default_factory=dict)
    searches: int | None = None
    media: frozenset[str] = frozenset()
    is_free: bool = False

    def cost(self, usage: Usage) -> int | None:
        """The cost in nano-dollars, in the tier that the vendor reports; None if any part has no known price."""
        if self.is_free:
            return 0
        tier = tier_of(usage)
        if tier not in STANDARD_TIERS:
            priced = self.tiers.get(tier)
            return None if priced is None else priced._cost(usage)
        return self._cost(usage)

    def for_tier(self, tier: str) -> Price:
        """The price in the tier that a client requests, if known, else this one."""
        return self.tiers.get(tier.lower(), self)

    @property
    def in_batch(self) -> Price:
        """The batch price: the listed one, or the full price if none is listed."""
        listed = self.tiers.get(BATCH)
        return replace(self, source=f"{self.source}, {FULL}", tiers={}) if listed is None else listed

    def most(self, input: int, output: int) -> int:
        """The maximum cost in nano-dollars of so many tokens of unknown parts."""
        return self._rates(input).most(input, output)

    def _cost(self, usage: Usage) -> int | None:
        raw, searches = usage.raw or {}, usage.searches
        if (searches and self.searches is None) or (self.media and not self.media.isdisjoint(media_of(raw))):
            return None
        if any(text(mapping(one).get("type")) in OTHER_MODELS for one in sequence(raw.get("iterations"))):
            return None
        tokens = self._rates(usage.total_input).cost(usage, US_ONLY if raw.get("inference_geo") == "us" else 100)
        return None if tokens is None else tokens + searches * (self.searches or 0)

    def _rates(self, total_input: int) -> NanoRates:
        reached = [(start, rates) for start, rates in self.above if total_input > start]
        return max(reached, key=lambda found: found[0])[1] if reached else self.rates


def tier_of(usage: Usage) -> str:
    """The service tier in lower case. Anthropic's fast mode, reported as a speed, counts as one."""
    speed = text((usage.raw or {}).get("speed"))
    return (usage.service_tier if speed in ("", "standard") else speed).lower()


def media_of(raw: Mapping[str, Json]) -> set[str]:
    """Kinds of tokens other than text in a vendor's usage, in OpenAI's or Google's form."""
    found: set[str] = set()
    for name, value in raw.items():
        if name.endswith("_tokens_details"):
            found |= {kind for kind in MEDIA if count(mapping(value).get(f"{kind}_tokens"))}
        elif name.endswith("TokensDetails"):
            found |= {
                text(mapping(one).get("modality")).lower()
                for one in sequence(value)
                if count(mapping(one).get("tokenCount"))
            }
    return found


def read_price(document: Mapping[str, Any], source: str) -> Price:
    """Reads a price that ``price_list`` wrote."""
    return Price(
        NanoRates(document["parts"], document["per_request"]),
        source,
        tuple((start, NanoRates(parts, document["per_request"])) for start, parts in document["above"]),
        {name: read_price({**document, **tier, "tiers": {}}, source) for name, tier in document["tiers"].items()},
        document["searches"],
        frozenset(document["media"]),
    )
