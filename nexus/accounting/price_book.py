"""The price of every route: what the settings say, else what the installed list of prices knows.

Nothing is fetched from anywhere, and the large package is read by a program of its own: neither the start nor the
memory of the gateway pays for it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nexus.accounting.ledger import day_of
from nexus.accounting.prices import Price, Rates, read_price
from nexus.settings.price import PriceSettings

log = logging.getLogger("nexus.usage")

PACKAGE = "genai-prices"
PATIENCE = 120.0
"""Seconds for the program that reads the list."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A route as prices see it; ``settings`` win over the list."""

    name: str
    base_url: str
    model: str
    settings: PriceSettings | None = None


def configured(settings: PriceSettings) -> Price:
    """A price that the settings name."""
    above = tuple((int(start), Rates(rates.parts, settings.per_request)) for start, rates in settings.above.items())
    return Price(Rates(settings.parts, settings.per_request), "settings", above)


class PriceBook:
    """Thread-safe. ``folder`` is where what was read of the list is kept, None where it is not kept."""

    def __init__(self, routes: Iterable[Priced], folder: Path | None, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._clock = clock
        known = list(routes)
        self._configured = {route.name: configured(route.settings) for route in known if route.settings is not None}
        self._others = [(route.name, route.base_url, route.model) for route in known if route.settings is None]
        self._listed: Mapping[str, Price] = {}
        self._day: str | None = None
        self._lock = threading.Lock()

    def price(self, route: str) -> Price | None:
        """None where nobody knows one. The first call of a day reads the list, which may take a second."""
        if (price := self._configured.get(route)) is not None:
            return price
        if self._day != day_of(self._clock()):
            self._read()
        return self._listed.get(route)

    def _read(self) -> None:
        """Some prices begin on a day, hence once a day."""
        with self._lock:
            day = day_of(self._clock())
            if self._day != day:
                self._listed = _listed(self._others, self._folder, day)
                self._day = day


def _listed(routes: list[tuple[str, str, str]], folder: Path | None, day: str) -> dict[str, Price]:
    if not routes:
        return {}
    try:
        installed = version(PACKAGE)
    except PackageNotFoundError:
        log.warning("costs are unknown: the package %s is not installed", PACKAGE)
        return {}
    asked = json.dumps(routes)
    name = f"prices-{hashlib.sha256(f'{installed} {day} {asked}'.encode()).hexdigest()[:16]}.json"
    document = _kept(folder, name) or _run(asked)
    if document is None:
        return {}
    if folder is not None:
        _keep(folder, name, document)
    source = f"{PACKAGE} {installed}"
    return {route: read_price(price, source) for route, price in document["prices"].items()}


def _run(asked: str) -> dict[str, Any] | None:
    command = [sys.executable, "-m", "nexus.accounting.price_list"]
    try:
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=PATIENCE, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        log.warning("costs are unknown: the list of prices could not be read", extra={"fields": {"why": str(error)}})
        return None
    return found


def _kept(folder: Path | None, name: str) -> dict[str, Any] | None:
    if folder is None:
        return None
    try:
        document = json.loads((folder / name).read_text())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and isinstance(document.get("prices"), dict) else None


def _keep(folder: Path, name: str, document: Mapping[str, Any]) -> None:
    """In place of what was kept of other days and versions; where it cannot be kept it is read again."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / name).exists():
            for old in folder.glob("prices-*.json"):
                old.unlink(missing_ok=True)
            fresh = folder / f"{name}.new"
            fresh.write_text(json.dumps(document))
            fresh.replace(folder / name)
