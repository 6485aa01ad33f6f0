"""What an attempt cost, by the prices of its route: a price for each part of its tokens, by tier and by length.

Exact. Prices are integers, nano-dollars per million tokens, which are dollars per million to nine places; a cost
is rounded once, to a nano-dollar. What has no price has no cost: None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nexus.accounting.entry import PARTS
from nexus.conversation.usage import Usage

MILLION = 1_000_000

STANDARD_TIERS = frozenset({"", "default", "standard", "auto", "on_demand", "on-demand"})
"""What vendors call the service tier of ordinary prices."""


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


@dataclass(frozen=True, slots=True)
class Price:
    """Of one route. ``above`` has the rates of calls whose input is longer than so many tokens, all of whose tokens
    cost them; ``tiers`` are the prices of service tiers by the name that the vendor answers. ``source`` says where it
    is from.
    """

    rates: Rates
    source: str
    above: tuple[tuple[int, Rates], ...] = ()
    tiers: Mapping[str, Price] = field(default_factory=dict)

    def cost(self, usage: Usage, tier: str = "") -> int | None:
        """In nano-dollars; None for a tier without a price."""
        if tier.lower() not in STANDARD_TIERS:
            other = self.tiers.get(tier.lower())
            return None if other is None else other.cost(usage)
        return self._rates(usage.total_input).cost(usage)

    def _rates(self, total_input: int) -> Rates:
        reached = [(start, rates) for start, rates in self.above if total_input > start]
        return max(reached, key=lambda found: found[0])[1] if reached else self.rates


def read_price(document: Mapping[str, Any], source: str) -> Price:
    """A price as ``price_list`` writes it."""
    return Price(
        _read_rates(document),
        source,
        tuple((start, Rates(parts, document["per_request"])) for start, parts in document["above"]),
        {name: read_price({**tier, "tiers": {}}, source) for name, tier in document["tiers"].items()},
    )


def _read_rates(document: Mapping[str, Any]) -> Rates:
    return Rates(document["parts"], document["per_request"])
