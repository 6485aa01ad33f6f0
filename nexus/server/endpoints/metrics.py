"""The Prometheus endpoint: metrics of all processes of this gateway, whichever process answers.

Served with calls, to keys that may see everyone's usage, or without a key at a separate address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial

from nexus import __version__
from nexus.auth.identity import sees_everybody
from nexus.errors import PermissionDenied
from nexus.protocols.checks import query_pairs
from nexus.server.endpoints.base import ReadHandler
from nexus.server.runtime import Runtime
from nexus.telemetry.metrics.catalog import BUILD, IN_COOLDOWN, KEYS_IN_COOLDOWN, Metric
from nexus.telemetry.metrics.exposition import Scrape, Values, render

NOT_A_READER = (
    "metrics cover all callers: only keys of groups in usage.readers may read them; "
    "server.metrics.listen_address serves them at a separate address without a key"
)


class MetricsHandler(ReadHandler):
    """Metrics at the address of calls, with a key; also while requests cannot be counted, because Redis is down."""

    is_vital = True

    async def get(self) -> None:
        self.check_reader()
        server, runtime, headers = self.server, self.runtime, self.request.headers
        server.sample()
        scrape = Scrape(
            headers.get("Accept", ""),
            headers.get("Accept-Encoding", ""),
            tuple(value for name, value in query_pairs(self.request.query) if name == "name[]" and value),
        )
        page = await server.query_workers.work(partial(render, server.rows.sums(), unsummed(runtime), scrape))
        self.set_header("Cache-Control", "no-store")
        self.set_header("Vary", "Accept, Accept-Encoding")
        if page.encoding is not None:
            self.set_header("Content-Encoding", page.encoding)
        self.send(page.body, page.content_type)

    def check_reader(self) -> None:
        """Raises PermissionDenied if the caller may not see everyone's usage."""
        if not sees_everybody(self.identity, self.runtime.settings.usage.readers):
            raise PermissionDenied(NOT_A_READER)


class OwnMetricsHandler(MetricsHandler):
    """Metrics at a separate address: anyone who can connect may read them."""

    guarded = False

    def check_host(self) -> None:
        """Checks only if all addresses are loopback: other machines may reach this one by any name."""
        addresses = self.runtime.settings.server.metrics.listen_address or ()
        if all(address.is_loopback for address in addresses):
            super().check_host()

    def check_reader(self) -> None:
        return


def unsummed(runtime: Runtime) -> Mapping[Metric, Values]:
    """Returns the metrics that are not summed, because every process has the same values."""
    cooldowns = runtime.gateway.router.cooldowns
    scopes = cooldowns.active(cooldowns.clock())
    keys = Counter(provider for provider, _ in {(provider, account) for provider, _, account in scopes if account})
    whole = {(provider, alias) for provider, alias, account in scopes if not account}
    names = dict.fromkeys(provider.name for provider in runtime.providers)
    return {
        BUILD: {(__version__,): 1},
        KEYS_IN_COOLDOWN: {(name,): keys[name] for name in names},
        IN_COOLDOWN: {
            (route.name,): int(not whole.isdisjoint({(route.provider.name, ""), (route.provider.name, route.alias)}))
            for route in runtime.gateway.routes
        },
    }
