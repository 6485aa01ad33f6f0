"""The price of every route: from the settings, else from the installed price list.

Fetches nothing from the network. A subprocess reads the large package, so that it costs the gateway neither start-up
time nor memory. Methods never wait for the list unless they say so.
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nexus
from nexus.accounting.days import DAY, day_of, midnight
from nexus.accounting.price_list import PriceQuery, price_list
from nexus.accounting.prices import NanoRates, Price, read_price, with_defaults
from nexus.accounting.record import TokensKnown
from nexus.conversation.usage import Usage
from nexus.daemon import start_daemon
from nexus.dataclasses import dataclass
from nexus.errors import Overloaded
from nexus.provider import Listing, Provider
from nexus.settings.price import PriceSettings

log = logging.getLogger("nexus.usage")

PACKAGE = "genai-prices"
PATIENCE = 120.0
"""Timeout in seconds of the subprocess that reads the list."""

FORMAT = 3
"""Version of the cached format."""

KEPT = 7 * DAY
"""Seconds after which a cached extract of the list is deleted."""

Document = dict[str, Any]
Reader = Callable[[float, list[PriceQuery]], Document]
"""Reads the list's prices of routes at a time in Unix seconds. Raises OSError, ValueError or
subprocess.SubprocessError."""


@dataclass(frozen=True, slots=True)
class PricedRoute:
    """A route to price; ``settings`` override the list, which knows it as ``listing``."""

    name: str
    listing: Listing | None = None
    settings: PriceSettings | None = None
    is_free: bool = False

    @property
    def own(self) -> Price | None:
        """The price from the settings, or of a free provider; None if the list is needed."""
        if self.settings is not None:
            return configured(self.settings)
        return FREE if self.is_free else None

    @property
    def listed(self) -> Iterator[PriceQuery]:
        """The query for the list; none if it is not needed or the server is not public."""
        if self.own is None and self.listing is not None and _is_public(self.listing.base_url):
            yield self.name, self.listing.base_url, self.listing.model, self.listing.percent


FREE = Price(NanoRates({}), "free", is_free=True)
"""The price at providers that cost nothing."""


def configured(settings: PriceSettings) -> Price:
    own, *above = (
        NanoRates(with_defaults(rates.parts), settings.per_request) for rates in (settings, *settings.above.values())
    )
    return Price(own, "settings", tuple(zip(map(int, settings.above), above, strict=True)))


def priced(providers: Iterable[Provider]) -> Iterator[PricedRoute]:
    for provider in providers:
        for alias, model in provider.settings.models.items():
            listing = provider.listing(model.rename or alias, model)
            yield PricedRoute(f"{provider.name}/{alias}", listing, model.price, provider.is_free)


class PriceBook:
    """Prices of routes. Thread-safe. ``folder`` is the cache folder of the extracted list, None for no cache."""

    def __init__(
        self,
        routes: Iterable[PricedRoute],
        folder: Path | None,
        clock: Callable[[], float] = time.time,
        read: Reader | None = None,
    ) -> None:
        known = list(routes)
        self._folder = folder
        self._clock = clock
        self._reader = read or _run
        self._own = {route.name: price for route in known if (price := route.own) is not None}
        self._queries = [query for route in known for query in route.listed]
        self._awaited = {name for name, *_ in self._queries}
        self._listed: Mapping[str, Price] = {}
        self._read_at = self._until = 0.0
        """For which times ``_listed`` holds."""
        self._reading = False
        self._changed = threading.Condition()

    def start(self) -> None:
        """Reads the list in the background, again when prices change: on a date, or at a time of day. Raises
        Overloaded."""
        if not self._queries:
            return
        with self._changed:
            if self._reading or self._read_at <= self._clock() < self._until:
                return
            start_daemon("prices", self._read)
            self._reading = True

    def price(self, route: str) -> Price | None:
        """The price of a route; None if unknown, or not known yet. Never waits."""
        if (price := self._own.get(route)) is not None:
            return price
        if route not in self._awaited:
            return None
        with suppress(Overloaded):
            # The next call tries again.
            self.start()
        return self._listed.get(route)

    def is_known(self, route: str) -> bool:
        """False if the price may be in the list and the list has not been read yet."""
        return route not in self._awaited or self._until > 0

    def wait(self, seconds: float = PATIENCE) -> None:
        """Waits until the list is read, for at most ``seconds``. Raises Overloaded."""
        self.start()
        with self._changed:
            self._changed.wait_for(lambda: not self._reading, seconds)

    def now(self, route: str) -> Price | None:
        """The price, waiting for the list if necessary."""
        self.wait()
        return self.price(route)

    def cost(self, route: str, usage: Usage | None, known: TokensKnown) -> tuple[int | None, str]:
        """The cost of usage in nano-dollars and the source of its price; None and "" if unknown."""
        if usage is None and known == "yes":
            # Vendors do not bill requests that they rejected.
            return 0, ""
        price = self.price(route)
        if price is None:
            return None, ""
        return price.cost(usage) if usage is not None and known != "no" else None, price.source

    def _read(self) -> None:
        now = self._clock()
        listed, until = self._listed, midnight(now) + DAY
        try:
            listed, until = _listed(self._queries, self._folder, now, self._reader)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            log.warning("costs are unknown: cannot read the price list", extra={"fields": {"why": str(error)}})
        finally:
            with self._changed:
                self._listed, self._read_at, self._until, self._reading = listed, now, until, False
                self._changed.notify_all()


def _listed(
    queries: list[PriceQuery], folder: Path | None, now: float, read: Reader
) -> tuple[Mapping[str, Price], float]:
    """The prices of routes, and until when they hold."""
    try:
        installed = version(PACKAGE)
    except PackageNotFoundError:
        log.warning(f"costs are unknown except for models with a configured price: {PACKAGE} is not installed")
        return {}, midnight(now) + DAY
    if folder is None:
        document = read(now, queries)
    else:
        digest = hashlib.sha256(f"{FORMAT} {installed} {day_of(now)} {json.dumps(queries)}".encode()).hexdigest()[:16]
        document = _read_once(folder / f"prices-{digest}.json", now, lambda: read(now, queries))
    source = f"{PACKAGE} {installed}"
    return {route: read_price(price, source) for route, price in document["prices"].items()}, document["until"]


def _run(at: float, queries: list[PriceQuery]) -> Document:
    """Reads the list in a subprocess, which imports from this installation and not from the working directory."""
    environ = {**os.environ, "PYTHONPATH": str(Path(nexus.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "nexus.accounting.price_list"],
        input=json.dumps([at, queries]),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
        env=environ,
    )
    return _checked(json.loads(done.stdout))


def read_here(at: float, queries: list[PriceQuery]) -> Document:
    """Reads the list in this process, for short-lived commands."""
    return _checked(json.loads(json.dumps(price_list(at, queries))))


def _checked(document: Any) -> Document:
    if not isinstance(document, dict) or not isinstance(document.get("prices"), dict) or "until" not in document:
        raise ValueError("unexpected content")
    return document


def _is_public(base_url: str) -> bool:
    """Whether a price list could know the host: not an IP address or a local name."""
    host = urlsplit(base_url).hostname or ""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return False
    return "." in host


def _read_once(cache: Path, now: float, read: Callable[[], Document]) -> Document:
    """Of several processes that start together only the first reads the list; the others find it in the cache."""
    with _file_lock(cache.with_name("prices.lock")):
        with suppress(OSError, ValueError):
            document = _checked(json.loads(cache.read_text()))
            if now < document["until"]:
                return document
        document = read()
        # If it cannot be written, the list is read again the next time.
        with suppress(OSError):
            _write(cache, document)
        return document


@contextmanager
def _file_lock(file: Path) -> Iterator[None]:
    """A lock between processes; none if the file cannot be written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = file.open("w")
    except OSError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(cache: Path, document: Document) -> None:
    """Raises OSError."""
    for old in cache.parent.glob("prices-*.json"):
        if time.time() - old.stat().st_mtime > KEPT:
            old.unlink(missing_ok=True)
    fresh = cache.with_name(f"{cache.name}.new")
    fresh.write_text(json.dumps(document))
    fresh.replace(cache)
