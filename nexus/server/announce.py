"""What Nexus says about itself once it serves: its version, what to paste into clients, warnings."""

from __future__ import annotations

import logging
import sys
from typing import Self

from nexus import __version__
from nexus.auth.cors import advice
from nexus.dataclasses import dataclass
from nexus.server.clients import reachable
from nexus.server.listeners import Listeners
from nexus.server.listening import base_url
from nexus.server.welcome import demo_text, what_to_paste
from nexus.settings import Settings
from nexus.settings.warnings import warnings
from nexus.upstream.request import UNIX
from nexus.upstream.tls import authorities_from_environment

log = logging.getLogger("nexus")


@dataclass(frozen=True, slots=True)
class Urls:
    """Where it is reached; ``health`` and ``metrics`` have URLs of their own where they have addresses of their own."""

    calls: list[str]
    health: str | None
    metrics: str | None

    @classmethod
    def of(cls, settings: Settings, listeners: Listeners) -> Self:
        """While the sockets are open."""
        secure = settings.server.tls is not None
        health, metrics = (
            next((base_url(sock) for sock in sockets), None) for sockets in (listeners.health, listeners.metrics)
        )
        return cls([base_url(sock, secure=secure) for sock in listeners.calls], health, metrics)


def announce(settings: Settings, urls: Urls, *, demo: bool) -> None:
    bases = urls.calls
    # Clients call a host; of Unix sockets only other programs of this machine know what to do with them.
    base = next((base for base in bases if base.startswith(("http:", "https:"))), bases[0])
    log.info(f"Nexus {__version__}")
    for line in what_to_paste(settings, base):
        log.info(line)
    if settings.server.health.enabled:
        log.info(f"health: {reachable(urls.health or base)}{settings.server.health.path}")
    if settings.server.metrics.enabled:
        log.info(f"metrics: {reachable(urls.metrics or base)}{settings.server.metrics.path}")
    if settings.server.shows_dashboard and not base.startswith(UNIX):
        log.info(f"page for people: {reachable(base)}{settings.server.dashboard.path}")
    if (pages := advice(settings.server.cors)) is not None:
        log.info(pages)
    for other in bases:
        if other != base:
            log.info(f"also listening: {other}")
    if named := authorities_from_environment():
        log.info(f"certificate authorities: from {' and '.join(named)}")
    for warning in warnings(settings):
        log.warning(warning)
    if demo:
        sys.stdout.write(demo_text(base))
        sys.stdout.flush()
