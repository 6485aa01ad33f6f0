"""The server under test: one started here on a free port, or one that already runs.

A server started here is what ``nexus`` would start from the same settings, except for its address and without TLS,
because the certificate is for another name. A running server gets only requests that any client may send.
"""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Self
from urllib.parse import quote

from nexus.cli.smoke.caller import Caller
from nexus.cli.smoke.formats import FORMATS
from nexus.cli.smoke.http import CheckFailed, ErrorStatus, ServerUnderTest
from nexus.cli.smoke.probe import Endpoint, Site, TestedModel
from nexus.late import pattern
from nexus.provider.route import Route
from nexus.server.process.running import Running, start
from nexus.server.sockets.listeners import Listeners
from nexus.server.sockets.listening import base_url, bind
from nexus.settings import ListenAddress, Protocols, Settings
from nexus.wire import Json, mapping, sequence, text

EMBEDS = pattern(r"embed|gecko", re.IGNORECASE)
"""Matches the names of embedding models."""
DRAIN = 1.0
"""Drain timeout in seconds: calls in flight at the end were interrupted, and no client waits for them."""
PAGE = 1000
MOST_PAGES = 50


class LocalServer:
    """Runs the server on a thread, at ``url``; use as a context manager."""

    def __init__(self, settings: Settings) -> None:
        server = settings.server.model_copy(update={"drain_timeout": DRAIN, "tls": None})
        self._settings = settings.model_copy(update={"server": server})
        self._ready = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="nexus", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def hangs(self) -> bool:
        """Whether a worker thread is still busy, which would keep the process alive."""
        return self.running.server.workers.busy > 0

    def site(self, timeout: float, caller: Caller) -> Site:
        paths = self._settings.llm.protocols.enabled_paths()
        served = (format for format in FORMATS if format.protocol in paths)
        endpoints = (Endpoint(format, paths[format.protocol], caller.headers_for(format)) for format in served)
        models = (
            TestedModel(route.name, _counts_streams(route), embeds=_embeds(route.model))
            for route in self.running.runtime.gateway.routes
        )
        return Site(ServerUnderTest(self.url, timeout), tuple(endpoints), tuple(models))

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            # The main thread raises errors of the start; the interpreter reports later ones.
            if self._ready.is_set():
                raise
            self._error = error
            self._ready.set()

    async def _serve(self) -> None:
        sockets = bind(ListenAddress("127.0.0.1", 0))
        self.url = base_url(sockets[0])
        self.running: Running = start(self._settings, Listeners(sockets))
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._stop.wait()
        await self.running.stop()


def remote(url: str, protocols: Protocols, timeout: float, caller: Caller) -> Site:
    """The formats and models that a running server lists. Raises CheckFailed."""
    gateway = ServerUnderTest(url.rstrip("/"), timeout)
    names: dict[str, None] = {}
    endpoints: list[Endpoint] = []
    for format in FORMATS:
        path = protocols.enabled_paths().get(format.protocol)
        if path is None:
            continue
        endpoint = Endpoint(format, path, caller.headers_for(format))
        listed = model_names(gateway, endpoint) if format.lists_models else []
        if listed is not None:
            endpoints.append(endpoint)
            names |= dict.fromkeys(listed)
    if not any(endpoint.format.lists_models for endpoint in endpoints):
        raise CheckFailed("the server lists no models in any protocol; are the paths right?")
    return Site(gateway, tuple(endpoints), tuple(TestedModel(name, embeds=_embeds(name)) for name in names))


def _counts_streams(route: Route) -> bool:
    return not route.provider.target("chat", route.model, route.settings).chat.no_stream_usage


def _embeds(model: str) -> bool:
    return EMBEDS.search(model) is not None


def model_names(gateway: ServerUnderTest, endpoint: Endpoint) -> list[str] | None:
    """All models on all pages of the list; None if the protocol is not served. Raises CheckFailed."""
    names: list[str] = []
    query = f"?limit={PAGE}"
    for _ in range(MOST_PAGES):
        try:
            page: Json = mapping(gateway.get(f"{endpoint.path}/v1/models{query}", endpoint.headers))
        except ErrorStatus as error:
            if error.status == 404:
                return None
            raise
        names += [text(mapping(entry).get("id")) for entry in sequence(page.get("data"))]
        last = text(page.get("last_id"))
        if not (page.get("has_more") is True and last):
            return names
        query = f"?limit={PAGE}&after_id={quote(last, safe='')}"
    raise CheckFailed(f"the list of models has more than {MOST_PAGES} pages")
