"""What an attempt cost, by the prices of its route: a price for each part of its tokens, by tier and by length.

Exact. Prices are integers, nano-dollars per million tokens, which are dollars per million to nine places; a cost
is rounded once, to a nano-dollar. What has no price has no cost: None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from nexus.conversation.usage import PARTS, Usage
from nexus.dataclasses import dataclass
from nexus.wire import Json, count, mapping, sequence, text

MILLION = 1_000_000

MEDIA = ("audio", "image", "video")

BATCH = "batch"
FULL = "not reduced for batches"
"""Said of a price that holds for calls one by one."""

STANDARD_TIERS = frozenset({"", "default", "standard", "auto", "on_demand", "on-demand"})
"""What vendors call the service tier of ordinary prices."""


_LIKE = {"reasoning": "output", "cache_read": "input", "cache_write_5m": "input"}
"""Who lists no price of its own for a part takes that of any output or input."""


def with_defaults(parts: Mapping[str, int]) -> dict[str, int]:
    return {part: parts[like] for part, like in _LIKE.items() if like in parts} | dict(parts)


@dataclass(frozen=True, slots=True)
class Rates:
    """Nano-dollars per million tokens, by part; a part that is missing has no price. ``per_request`` is in
    nano-dollars.
    """

    parts: Mapping[str, int]
    per_request: int = 0

    def cost(self, usage: Usage) -> int | None:
        """In nano-dollars; None where a part with tokens has no price."""
        total = self.per_request * MILLION
        for part in PARTS:
            if count := getattr(usage, part):
                price = self.parts.get(part)
                if price is None:
                    return None
                total += count * price
        return (total + MILLION // 2) // MILLION

    def most(self, input: int, output: int) -> int:
        """What so many tokens cost where nobody knows yet which part they are, but for a cache of an hour."""
        dearest = [max((self.parts.get(part, 0) for part in parts), default=0) for parts in _SIDES]
        total = self.per_request * MILLION + input * dearest[0] + output * dearest[1]
        return (total + MILLION // 2) // MILLION


_SIDES = ("input", "cache_write_5m"), ("output", "reasoning")


@dataclass(frozen=True, slots=True)
class Price:
    """Of one route. ``above`` has the rates of calls whose input is longer than so many tokens, all of whose tokens
    cost them; ``tiers`` are the prices of service tiers by the name that the vendor answers; ``searches`` is what the
    vendor's own search costs each time, in nano-dollars; ``media`` are kinds of tokens that cost something else, which
    is not known here. ``source`` says where it is from. All costs nothing where it ``is_free``.
    """

    rates: Rates
    source: str
    above: tuple[tuple[int, Rates], ...] = ()
    tiers: Mapping[str, Price] = field(default_factory=dict)
    searches: int | None = None
    media: frozenset[str] = frozenset()
    is_free: bool = False

    def cost(self, usage: Usage) -> int | None:
        """In nano-dollars, in the tier that the vendor names; None where some of it has no known price."""
        if self.is_free:
            return 0
        tier = tier_of(usage)
        if tier not in STANDARD_TIERS:
            priced = self.tiers.get(tier)
            return None if priced is None else priced._cost(usage)
        return self._cost(usage)

    def asked(self, tier: str) -> Price:
        """The price in a tier that a client asks for, as far as it is known."""
        return self.tiers.get(tier.lower(), self)

    @property
    def in_batch(self) -> Price:
        """Of what is asked for in a batch: the list's own price of that, or all of it where none is known."""
        listed = self.tiers.get(BATCH)
        return replace(self, source=f"{self.source}, {FULL}", tiers={}) if listed is None else listed

    def most(self, input: int, output: int) -> int:
        """In nano-dollars, what so many tokens cost before it is known which parts they are."""
        return self._rates(input).most(input, output)

    def _cost(self, usage: Usage) -> int | None:
        raw = usage.raw or {}
        searches = count(mapping(raw.get("server_tool_use")).get("web_search_requests"))
        if (searches and self.searches is None) or (self.media and not self.media.isdisjoint(media_of(raw))):
            return None
        tokens = self._rates(usage.total_input).cost(usage)
        return None if tokens is None else tokens + searches * (self.searches or 0)

    def _rates(self, total_input: int) -> Rates:
        reached = [(start, rates) for start, rates in self.above if total_input > start]
        return max(reached, key=lambda found: found[0])[1] if reached else self.rates


def tier_of(usage: Usage) -> str:
    """The service tier in lower case; Anthropic's fast mode is one, which its answers tell as a speed."""
    speed = text((usage.raw or {}).get("speed"))
    return (usage.service_tier if speed in ("", "standard") else speed).lower()


def media_of(raw: Mapping[str, Json]) -> set[str]:
    """Kinds of tokens other than text that a vendor's usage counts, in OpenAI's way or in Google's."""
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
    """A price as ``price_list`` writes it."""
    return Price(
        Rates(document["parts"], document["per_request"]),
        source,
        tuple((start, Rates(parts, document["per_request"])) for start, parts in document["above"]),
        {name: read_price({**document, **tier, "tiers": {}}, source) for name, tier in document["tiers"].items()},
        document["searches"],
        frozenset(document["media"]),
    )
