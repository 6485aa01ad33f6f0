"""Prices of models from the package genai-prices; runs in a subprocess, because the package is large.

    python -m nexus.accounting.price_list < REQUEST

Reads a JSON array of a time in Unix seconds and queries; writes an object with the prices that the package has at that
time by name, as ``read_price`` reads them, and ``until`` when they hold. Fetches nothing: the prices are the installed
ones.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from nexus.accounting.days import DAY, midnight
from nexus.accounting.prices import MEDIA, STANDARD_TIERS, with_defaults
from nexus.conversation.usage import NANO

_KEYS = {
    "input": "input_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write_5m": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "output": "output_mtok",
    "reasoning": "output_reasoning_mtok",
}
"""The package's keys for the parts."""

_TIERS = ("service_tier", "speed", "processing")
"""The package's keys for tiers that vendors report in their answers, and for batches."""

_OF_MEDIA = ("input_{}_mtok", "output_{}_mtok", "cache_{}_read_mtok")
"""The package's keys for prices of non-text tokens."""

PriceQuery = tuple[str, str, str, int]
"""Name, address of the vendor's API, the vendor's model id, and the percentage of the listed price that it costs."""


def price_list(at: float, queries: Iterable[PriceQuery]) -> dict[str, Any]:
    """The package's prices for ``queries``, and until when they hold."""
    import genai_prices

    found: dict[str, Any] = {}
    now = datetime.fromtimestamp(at, UTC)
    until = midnight(at) + DAY
    for name, base_url, model, percent in queries:
        try:
            answer = genai_prices.calc_price(
                genai_prices.Usage(), model, provider_api_url=base_url, genai_request_timestamp=now
            )
        except LookupError:
            continue
        if not _is_host_of(answer.provider.api_pattern, base_url):
            continue
        standard = answer.model_price.__dict__
        tiers = _tiers(answer.model, now).items()
        until = min([until, *_changes(answer.model, now)])
        found[name] = {
            **_levels(standard, percent),
            "tiers": {tier: _levels({**standard, **prices}, percent) for tier, prices in tiers},
            "searches": _nano(searches / 1000, 100) if (searches := standard.get("web_searches_kcount")) else None,
            "media": [kind for kind in MEDIA if any(standard.get(key.format(kind)) for key in _OF_MEDIA)],
        }
    return {"prices": found, "until": until}


def _changes(model: Any, now: datetime) -> Iterator[float]:
    """When the prices that depend on the time of day change next, in Unix seconds."""
    prices = model.prices if isinstance(model.prices, list) else ()
    for price in (*prices, *(model.price_variants or ())):
        for name in ("start_time", "end_time"):
            if (moment := getattr(price.constraint, name, None)) is not None:
                change = datetime.combine(now.date(), moment)
                yield (now + ((change - now) % _A_DAY or _A_DAY)).timestamp()


_A_DAY = timedelta(days=1)


def _is_host_of(pattern: str, url: str) -> bool:
    """Whether the vendor's pattern matches the whole host. A match of only the beginning of a longer name, or inside
    the path, means another server."""
    parts = urlsplit(url)
    host = f"{parts.scheme}://{parts.netloc}"
    found = re.match(pattern, host + parts.path.replace(".", "_"))
    return found is not None and (found.end() >= len(host) or pattern.endswith(r"\."))


def _tiers(model: Any, now: datetime) -> dict[str, dict[str, Any]]:
    """The prices that differ in each service tier; the first of several variants counts."""
    found: dict[str, dict[str, Any]] = {}
    for variant in model.price_variants or ():
        (kind, tier), *others = variant.when.items()
        if not others and kind in _TIERS and (variant.constraint is None or variant.constraint.active(now)):
            own = {key: price for key, price in variant.prices.__dict__.items() if price is not None}
            found[tier] = {**own, **found.get(tier, {})}
    return {tier: prices for tier, prices in found.items() if tier not in STANDARD_TIERS}


def _levels(prices: Mapping[str, Any], percent: int) -> dict[str, Any]:
    """The prices of short calls, and the complete prices of those longer than each threshold."""
    tiered = {part: prices.get(key) for part, key in _KEYS.items() if prices.get(key) is not None}
    starts = sorted({tier.start for price in tiered.values() for tier in getattr(price, "tiers", ())})
    return {
        "parts": _rates(tiered, 0, percent),
        "above": [[start, _rates(tiered, start + 1, percent)] for start in starts],
        "per_request": _nano(prices["requests_kcount"] / 1000, percent) if prices.get("requests_kcount") else 0,
    }


def _rates(tiered: Mapping[str, Any], length: int, percent: int) -> dict[str, int]:
    return with_defaults({part: _nano(_at(price, length), percent) for part, price in tiered.items()})


def _at(price: Any, length: int) -> Decimal:
    """The price for calls of this length; a threshold applies above it, not at it."""
    if isinstance(price, Decimal):
        return price
    base: Decimal = price.base
    for tier in price.tiers:
        if length > tier.start:
            base = tier.price
    return base


def _nano(dollars: Decimal, percent: int) -> int:
    return int((dollars * NANO * percent / 100).to_integral_value())


if __name__ == "__main__":
    moment, queries = json.load(sys.stdin)
    json.dump(price_list(moment, [tuple(query) for query in queries]), sys.stdout)
