"""What ``nexus check`` says of money: the price of every model and who says so, and what budgets cover."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from nexus.accounting.price_book import PriceBook, priced, read_here
from nexus.accounting.prices import Price
from nexus.limits.accounts import dollars, usd
from nexus.provider import Provider
from nexus.settings import Settings
from nexus.settings.budgets import covered
from nexus.settings.usage import state_folder

PRICE_COLUMNS = ("PRICE OF", "USD PER MILLION TOKENS", "SOURCE")
UNKNOWN = "unknown"


def known_prices(vendors: Iterable[Provider]) -> Mapping[str, Price | None]:
    """By the name of each model, in the order of the file."""
    routes = list(priced(vendors))
    book = PriceBook(routes, state_folder(os.environ), read=read_here)
    return {route.name: book.now(route.name) for route in routes}


def price_rows(prices: Mapping[str, Price | None]) -> Iterator[Sequence[str]]:
    """What short calls cost in the ordinary service tier."""
    for name, price in prices.items():
        yield (name, UNKNOWN, "-") if price is None else (name, _in_words(price), price.source)


def _in_words(price: Price) -> str:
    parts = price.rates.parts
    sums = [f"{usd(parts[part])} {part}" for part in ("input", "output") if part in parts]
    more = [f"more above {start} tokens" for start, _ in price.above[:1]]
    if price.rates.per_request:
        more.append(f"{dollars(price.rates.per_request)} a call")
    return ", ".join([*sums, *more]) or "nothing"


def budget_lines(settings: Settings, prices: Mapping[str, Price | None]) -> Iterator[str]:
    """Each budget, and the models that it keeps from being used."""
    for name, budget in settings.budgets.items() if settings.llm.enabled else ():
        models = covered(budget, settings.llm)
        what = "all models" if budget.models is None else ", ".join(sorted(models))
        limit = f"{dollars(budget.limit_usd)} a {budget.period} ({budget.time_zone}) for each {budget.per}"
        yield f"budget {name}: {limit}, on {what}"
        unknown = [route for route, price in prices.items() if price is None and route in models]
        if unknown:
            fate = "refuses" if budget.unknown == "deny" else "does not count"
            yield f"budget {name}: {fate} calls of {', '.join(unknown)}, whose price is unknown"
