"""The prices of models as the package genai-prices has them; run as a program of its own, for the package is large.

    python -m nexus.accounting.price_list < ROUTES

Reads a JSON array of [name, base URL, vendor's id of the model], writes an object: the package's version, and by name
the prices that it has, as ``prices_of`` reads them. It asks nobody: the prices are those that were installed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from nexus.accounting.prices import STANDARD_TIERS

_KEYS = {
    "input": "input_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write_5m": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "output": "output_mtok",
}
"""The package's names of the parts; reasoning costs what other output does."""

_NANO = 10**9


def price_list(routes: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    """The version of the package and what it knows of ``routes``."""
    import genai_prices

    found: dict[str, Any] = {}
    for name, base_url, model in routes:
        try:
            answer = genai_prices.calc_price(genai_prices.Usage(), model, provider_api_url=base_url)
        except LookupError:
            continue
        standard = answer.model_price.__dict__
        found[name] = {
            **_levels(standard),
            "tiers": {tier: _levels({**standard, **prices}) for tier, prices in _tiers(answer.model).items()},
            "context": answer.model.context_window,
        }
    return {"version": genai_prices.__version__, "prices": found}


def _tiers(model: Any) -> dict[str, dict[str, Any]]:
    """What differs in each service tier; the first of several prices counts."""
    now = datetime.now(UTC)
    found: dict[str, dict[str, Any]] = {}
    for variant in model.price_variants or ():
        tier = variant.when.get("service_tier", "")
        if set(variant.when) == {"service_tier"} and (variant.constraint is None or variant.constraint.active(now)):
            found[tier] = {**variant.prices.__dict__, **found.get(tier, {})}
    return {tier: prices for tier, prices in found.items() if tier not in STANDARD_TIERS}


def _levels(prices: Mapping[str, Any]) -> dict[str, Any]:
    """Prices of short calls, and of those longer than each threshold, every part at each of them."""
    tiered = {part: prices.get(key) for part, key in _KEYS.items() if prices.get(key) is not None}
    starts = sorted({tier.start for price in tiered.values() for tier in getattr(price, "tiers", ())})
    return {
        "parts": _rates(tiered, 0),
        "above": [[start, _rates(tiered, start + 1)] for start in starts],
        "per_request": _nano(prices["requests_kcount"] / 1000) if prices.get("requests_kcount") else 0,
    }


def _rates(tiered: Mapping[str, Any], length: int) -> dict[str, int]:
    rates = {part: _nano(_at(price, length)) for part, price in tiered.items()}
    if "output" in rates:
        rates["reasoning"] = rates["output"]
    # Who lists no price for what is read from or written to a short cache takes that of any input.
    for part in ("cache_read", "cache_write_5m"):
        if "input" in rates:
            rates.setdefault(part, rates["input"])
    return rates


def _at(price: Any, length: int) -> Decimal:
    """The price of calls of this length; thresholds are exceeded, not reached."""
    if isinstance(price, Decimal):
        return price
    base: Decimal = price.base
    for tier in price.tiers:
        if length > tier.start:
            base = tier.price
    return base


def _nano(dollars: Decimal) -> int:
    return int((dollars * _NANO).to_integral_value())


if __name__ == "__main__":
    json.dump(price_list([tuple(route) for route in json.load(sys.stdin)]), sys.stdout)
