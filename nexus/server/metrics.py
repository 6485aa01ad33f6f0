"""What Prometheus reads: all that the processes of this gateway have counted, whichever of them is asked.

With a key for whoever may see what everybody used, or at an address of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from urllib.parse import parse_qsl

from nexus import __version__
from nexus.auth.identity import sees_everybody
from nexus.errors import PermissionDenied
from nexus.server.base import ReadHandler
from nexus.server.runtime import Runtime
from nexus.telemetry.metrics.catalog import BUILD, KEYS_RESTING, RESTING, Metric
from nexus.telemetry.metrics.exposition import Scrape, Values, render

NOT_A_READER = (
    "metrics cover all callers: only keys of groups in usage.readers may read them; "
    "server.metrics.listen_address serves them at a separate address without a key"
)


class MetricsHandler(ReadHandler):
    """Where calls are served."""

    async def get(self) -> None:
        self.check_reader()
        server, runtime, headers = self.server, self.runtime, self.request.headers
        server.look()
        asked = parse_qsl(self.request.query, max_num_fields=100)
        scrape = Scrape(
            headers.get("Accept", ""),
            headers.get("Accept-Encoding", ""),
            tuple(value for name, value in asked if name == "name[]"),
        )
        page = await server.report(partial(render, server.rows.sums(), now(runtime), scrape))
        self.set_header("Cache-Control", "no-store")
        self.set_header("Vary", "Accept, Accept-Encoding")
        if page.encoding is not None:
            self.set_header("Content-Encoding", page.encoding)
        self.send(page.body, page.content_type)

    def check_reader(self) -> None:
        """Raises PermissionDenied."""
        if not sees_everybody(self.identity, self.runtime.settings.usage.readers):
            raise PermissionDenied(NOT_A_READER)


class OwnMetricsHandler(MetricsHandler):
    """Where nothing else is served: whoever can connect may read."""

    guarded = False

    def check_host(self) -> None:
        """Where others than this machine are meant to read, they know it by whatever name."""
        addresses = self.runtime.settings.server.metrics.listen_address or ()
        if all(address.is_loopback for address in addresses):
            super().check_host()

    def check_reader(self) -> None:
        return


def now(runtime: Runtime) -> Mapping[Metric, Values]:
    """What every process knows by itself, or from the others."""
    rests = runtime.gateway.router.rests
    resting = rests.resting(rests.clock())
    keys = Counter(provider for provider, _, account in resting if account)
    whole = {(provider, alias) for provider, alias, account in resting if not account}
    names = dict.fromkeys(provider.name for provider in runtime.providers)
    return {
        BUILD: {(__version__,): 1},
        KEYS_RESTING: {(name,): keys[name] for name in names},
        RESTING: {
            (route.name,): int(not whole.isdisjoint({(route.provider.name, ""), (route.provider.name, route.alias)}))
            for route in runtime.gateway.routes
        },
    }
