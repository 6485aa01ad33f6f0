"""``nexus check``: prints the routes of a settings file, their prices, and what budgets cover.

Law: all output passes through the log redactor, so that no column added later can show a key.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from nexus.accounting.price_book import PriceBook, priced, read_here
from nexus.accounting.prices import Price
from nexus.accounting.tabulate import aligned
from nexus.auth import cors
from nexus.cli.colours import report
from nexus.cli.discover import discover, models
from nexus.cli.discover import report as compared
from nexus.cli.output import put
from nexus.limits.accounts import in_dollars, usd
from nexus.processes.cores import worker_count
from nexus.protocols.loader import PROTOCOLS
from nexus.protocols.protocol import Protocol
from nexus.provider import Provider
from nexus.provider.route import Route
from nexus.server.process.announce import what_to_paste
from nexus.settings import ProviderSettings, ServerSettings, Settings, registry, secrets
from nexus.settings.budgets import covered
from nexus.settings.limits import RedisStorage
from nexus.settings.listen import url_of
from nexus.settings.usage import state_folder
from nexus.settings.warnings import warnings
from nexus.telemetry.logs import redactor

VIRTUAL_COLUMNS = ("VIRTUAL MODEL", "TRIED IN THIS ORDER")
COLUMNS = ("MODEL", "PROVIDER", "TYPE", "VENDOR ID", "BASE URL", "KEY")


ALREADY_RUNNING = "Nexus is already running at this address; stop it before you start another one"


def check(
    settings: Settings, source: str, *, running: bool = False, coloured: bool = False, discovers: bool = False
) -> int:
    """Prints the routes of valid settings; returns the exit code. ``running``: a Nexus already runs at their address.
    ``discovers``: also compares them with the models that vendors offer.
    """
    answers = discover(settings) if discovers else {}
    *lines, last = _report(settings, source, running=running)
    text = "\n".join([*lines, *compared(settings, answers), last, ""])
    put(report(redactor(secrets(settings))(text), coloured=coloured))
    return int(any(answer.failed for answer in answers.values()))


def _report(settings: Settings, source: str, *, running: bool) -> Iterator[str]:
    vendors: list[Provider] = registry.load_all(settings.llm.served)
    routes = list(_routes(vendors))
    prices = known_prices(vendors)
    if routes:
        yield from aligned([COLUMNS, *routes])
        yield ""
        yield from aligned([PRICE_COLUMNS, *(_priced(name, price) for name, price in prices.items())])
        yield ""
    if virtual := list(_virtual(settings)):
        yield from aligned([VIRTUAL_COLUMNS, *virtual])
        yield ""
    scheme = settings.server.scheme
    urls = [url_of(address, scheme) for address in settings.server.listen_address]
    yield from what_to_paste(settings, next((url for url in urls if url.startswith(scheme + ":")), urls[0]))
    if (pages := cors.advice(settings.server.cors)) is not None:
        yield pages
    yield from _shared_paths(settings)
    yield from _header_plan(settings)
    yield from budget_lines(settings, prices)
    yield from _workers(settings.server)
    if (advice := _room_for_others(settings)) is not None:
        yield advice
    for warning in (*warnings(settings), *([ALREADY_RUNNING] if running else [])):
        yield f"warning: {warning}"
    count = sum(len(provider.models) for provider in settings.llm.providers.values())
    yield f"{source}: valid, {models(count) if settings.llm.enabled else 'language models disabled'}"


def _workers(server: ServerSettings) -> Iterator[str]:
    """The number of worker processes, and where they keep what they share."""
    if server.workers == 1:
        return
    count = worker_count(server.workers)
    named = f"{count} ({server.workers})" if server.workers == "auto" else str(count)
    if isinstance(server.rate_limits.storage, RedisStorage):
        kept = "in Redis, for all machines that use it"
    else:
        kept = "by their supervisor: exact on this machine, and lost when it stops; several machines need Redis"
    yield f"workers: {named}; limits and stored answers are kept {kept}"


def _shared_paths(settings: Settings) -> Iterator[str]:
    """Protocols that list their models at the same path, and the header that decides between them."""
    at: dict[tuple[str, str], list[Protocol]] = {}
    for name, path in settings.llm.paths.items():
        if (protocol := PROTOCOLS[name]).models is not None:
            for version in protocol.versions:
                at.setdefault((path, version + protocol.models), []).append(protocol)
    for (path, listing), protocols in at.items():
        if len(protocols) > 1:
            names = " and ".join(protocol.name for protocol in protocols)
            headers = " or ".join(protocol.header for protocol in protocols if protocol.header is not None)
            yield f"{names} at {path or '/'}: the header {headers} decides in which protocol {listing} answers"


def _header_plan(settings: Settings) -> Iterator[str]:
    """What the header rules of each model do; shows names only."""
    for name, provider in settings.llm.served.items():
        for alias, model in provider.models.items():
            if rules := (*provider.headers, *model.headers):
                yield f"headers of {name}/{alias}: {'; '.join(rule.summary() for rule in rules)}"


def _routes(vendors: Iterable[Provider]) -> Iterator[Sequence[str]]:
    for vendor in vendors:
        for alias, model in vendor.settings.models.items():
            route, key = Route(vendor, alias, model), _key(vendor.settings)
            for public in route.names:
                yield public, vendor.name, vendor.settings.type, route.model, vendor.base_url or "-", key


def _virtual(settings: Settings) -> Iterator[Sequence[str]]:
    """The targets of each virtual model, in order."""
    for name, model in settings.llm.models.items() if settings.llm.enabled else ():
        total = sum(target.weight for target in model.spread)
        shares = [f"{target.model} ({100 * target.weight / total:.0f} %)" for target in model.spread]
        steps = [" or ".join(shares)] if shares else []
        tried = ", then ".join([*steps, *model.targets])
        others = (("too long", model.on_overflow), ("out of limits", model.on_budget))
        tried += "".join(f"; {when}: {target}" for when, target in others if target is not None)
        for public in dict.fromkeys((name, *model.expose_as)):
            yield public, tried


def _room_for_others(settings: Settings) -> str | None:
    """Advice to set max_concurrency, so that one hanging vendor cannot take every worker thread; None if not needed."""
    providers = settings.llm.served
    unbounded = [name for name, one in providers.items() if one.models and one.max_concurrency is None]
    if len(providers) < 2 or not unbounded:
        return None
    threads = settings.server.worker_threads
    return (
        f"max_concurrency is not set for {', '.join(unbounded)}; one that hangs can take all {threads} worker threads; "
        f"{max(1, threads // 2)} would leave room for the others"
    )


def _key(provider: ProviderSettings) -> str:
    keys = provider.configured_keys
    configured = f"{len(keys)} keys" if len(keys) > 1 else "present" if keys else "fetched"
    match provider.has_key, provider.takes_callers_key, provider.needs_key:
        case True, True, _:
            return f"from client, else {configured}"
        case True, False, _:
            return configured
        case False, True, _:
            return "from client"
        case False, False, True:
            return "missing"
        case _:
            return "not needed"


PRICE_COLUMNS = ("PRICE OF", "USD PER MILLION TOKENS", "SOURCE")


def known_prices(vendors: Iterable[Provider]) -> Mapping[str, Price | None]:
    """Price of each model by name, in the order of the file; None if unknown."""
    routes = list(priced(vendors))
    book = PriceBook(routes, state_folder(os.environ), read=read_here)
    return {route.name: book.now(route.name) for route in routes}


def _priced(name: str, price: Price | None) -> Sequence[str]:
    """The table row with the price of short calls in the standard service tier."""
    if price is None:
        return name, "unknown", "-"
    parts = price.rates.parts
    sums = [f"{usd(parts[part])} {part}" for part in ("input", "output") if part in parts]
    more = [f"more above {start} tokens" for start, _ in price.above[:1]]
    if price.rates.per_request:
        more.append(f"{in_dollars(price.rates.per_request)} a call")
    return name, ", ".join([*sums, *more]) or "nothing", price.source


def budget_lines(settings: Settings, prices: Mapping[str, Price | None]) -> Iterator[str]:
    """Each budget, and its models without a known price."""
    for name, counted in covered(settings.budgets, settings.llm).items() if settings.llm.enabled else ():
        budget = settings.budgets[name]
        what = "all models" if budget.models is None else ", ".join(sorted(counted))
        limit = f"{in_dollars(budget.limit_usd)} a {budget.period} ({budget.time_zone}) for each {budget.per}"
        yield f"budget {name}: {limit}, on {what}"
        unknown = [route for route, price in prices.items() if price is None and route in counted]
        if unknown:
            effect = "refuses" if budget.unknown == "deny" else "does not count"
            yield f"budget {name}: {effect} calls of {', '.join(unknown)}, whose price is unknown"
