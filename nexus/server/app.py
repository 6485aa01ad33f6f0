"""Maps paths to handlers, and to the dialect of their errors.

Paths come from the settings; at any other path, the error names the nearest one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Iterable, Iterator
from functools import cached_property
from typing import Any

from tornado.escape import url_unescape
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler, _HandlerDelegate

from nexus.auth import metadata
from nexus.protocols.dialect import Dialect
from nexus.protocols.loader import DIALECTS
from nexus.protocols.operation import RAW, Operation
from nexus.server.endpoints import raw
from nexus.server.endpoints.base import UnknownPath
from nexus.server.endpoints.calls import CallHandler
from nexus.server.endpoints.home import (
    HELLO,
    HealthHandler,
    HelloHandler,
    HomeHandler,
    MetadataHandler,
    NothingElse,
    ReadyHandler,
)
from nexus.server.endpoints.models import ModelHandler, ModelListHandler
from nexus.server.endpoints.paths import DEFAULT, Base, bases
from nexus.server.endpoints.usage import CallsHandler, ReportHandler
from nexus.server.http.clocks import Clocks
from nexus.server.runtime import Runtime
from nexus.server.server import Server
from nexus.settings import Settings

MOST_KNOWN, LONGEST_KNOWN = 500, 200
"""Maximum paths whose handlers are cached, and maximum characters of such a path."""


_LITERAL = re.compile(r"(?:[/\w](?![?*+{]))*")


class Spec:
    """A path pattern with its handler and arguments. The pattern is compiled when a requested path has its literal
    prefix, because most patterns are never needed."""

    def __init__(self, pattern: str, handler: type[RequestHandler], dialect: Dialect = DEFAULT, **more: object) -> None:
        """``more`` are arguments of the handler in addition to the dialect."""
        self.handler = handler
        self.arguments: dict[str, Any] = {"dialect": dialect, **more}
        self._pattern = pattern
        begins = _LITERAL.match(pattern)
        self._begins = begins[0] if begins is not None else ""

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self._pattern)

    def match(self, path: str) -> list[bytes] | None:
        """Returns the pattern's groups, unquoted; None if the path does not match."""
        found = self._compiled.fullmatch(path) if path.startswith(self._begins) else None
        return None if found is None else [url_unescape(group, encoding=None, plus=False) for group in found.groups()]


class App(Application):
    """Serves one runtime; the last of ``specs`` matches every path."""

    def __init__(self, server: Server, runtime: Runtime, specs: Iterable[Spec]) -> None:
        # Nexus has its own access log.
        super().__init__(log_function=lambda handler: None)
        self.server = server
        self.runtime = runtime
        self._specs = list(specs)
        for spec in self._specs:
            spec.arguments |= {"server": server, "runtime": runtime}
        self._known: dict[str, tuple[Spec, list[bytes]]] = {}
        own = runtime.settings.server
        self.clocks = Clocks(own.client_timeout, own.upload_timeout, own.keep_alive_timeout, own.max_body_size)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HandlerDelegate:
        """Replaces Tornado's, which tries rule by rule for every request."""
        known = self._known.get(request.path)
        if known is None:
            found = ((spec, spec.match(request.path)) for spec in self._specs)
            known = next((spec, groups) for spec, groups in found if groups is not None)
            if len(request.path) <= LONGEST_KNOWN:
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known[request.path] = known
        spec, groups = known
        return HandlerDelegate(self, request, spec.handler, spec.arguments, groups, None)


class HandlerDelegate(_HandlerDelegate):
    """Runs a handler that receives its body in pieces."""

    def execute(self) -> Awaitable[None]:
        """Replaces Tornado's, which also handles templates and buffered bodies."""
        self.handler = self.handler_class(self.application, self.request, **self.handler_kwargs)
        prepared: asyncio.Future[None] = asyncio.Future()
        self.handler._prepared_future = prepared  # type: ignore[assignment]
        self._task = asyncio.create_task(self.handler._execute([], *self.path_args, **self.path_kwargs))
        return prepared


def make_app(server: Server, runtime: Runtime) -> App:
    return App(server, runtime, _specs(runtime))


def make_health_app(server: Server, runtime: Runtime) -> App:
    health = runtime.settings.server.health
    return App(server, runtime, [*_health(runtime.settings), _nothing_else(health.path, health.ready_path)])


def make_metrics_app(server: Server, runtime: Runtime) -> App:
    from nexus.server.endpoints.metrics import OwnMetricsHandler

    path = runtime.settings.server.metrics.path
    return App(server, runtime, [Spec(re.escape(path), OwnMetricsHandler), _nothing_else(path)])


def _nothing_else(*served: str) -> Spec:
    return Spec(".*", NothingElse, served=served)


def _specs(runtime: Runtime) -> Iterator[Spec]:
    settings = runtime.settings
    if settings.server.health.enabled and not settings.server.health.listen:
        yield from _health(settings)
    if settings.server.metrics.enabled and not settings.server.metrics.listen_address:
        from nexus.server.endpoints.metrics import MetricsHandler

        yield Spec(re.escape(settings.server.metrics.path), MetricsHandler)
    if runtime.guards.resource is not None:
        yield Spec(re.escape(metadata.PATH), MetadataHandler)
    if settings.llm.enabled:
        served = bases(settings)
        for base in served:
            prefix, first = base.pattern, base.dialects[0]
            for dialect in base.dialects:
                answers = dialect.operations[0].pattern
                # A doubled endpoint comes from a base URL that is the endpoint itself: 404, not an id of a stored item.
                yield Spec(f"{prefix}{answers}{answers}", UnknownPath, dialect)
                for operation in dialect.operations:
                    pattern = f"({operation.pattern})" if operation.many else operation.pattern
                    others = _at_same_path(served, base, operation)
                    yield Spec(f"{prefix}{pattern}", CallHandler, dialect, operation=operation, others=others)
            hellos = f"(?:/|{HELLO})?" if base.path else HELLO
            yield Spec(f"{re.escape(base.path)}{hellos}", HelloHandler, first)
        for base in served:
            for models in base.models:
                # If protocols list models at the same path, the first one's spec answers for all.
                others = [other.dialects[0] for other in served if models in other.models]
                yield Spec(re.escape(models), ModelListHandler, base.dialects[0], others=others)
                yield Spec(f"{re.escape(models)}/(.+)", ModelHandler, base.dialects[0], others=others)
        for provider in runtime.providers:
            if provider.settings.passthrough:
                spoken = next((DIALECTS[name] for name in provider.dialects if name in DIALECTS), DEFAULT)
                below = re.escape(raw.below(provider.name))
                yield Spec(f"{below}/.*", raw.RawHandler, spoken, operation=RAW, provider=provider.name)
        yield Spec(re.escape(HELLO), HelloHandler)
    if settings.server.shows_dashboard:
        from nexus.server.endpoints.dashboard.data import DataHandler
        from nexus.server.endpoints.dashboard.page import DashboardHandler

        yield Spec(re.escape(settings.server.dashboard.path), DashboardHandler)
        yield Spec(re.escape(settings.server.dashboard.data_path), DataHandler)
    yield Spec("/usage/v1/report", ReportHandler)
    yield Spec("/usage/v1/calls", CallsHandler)
    yield Spec("/", HomeHandler)
    yield Spec(".*", UnknownPath)


def _at_same_path(served: list[Base], base: Base, operation: Operation) -> list[Dialect]:
    """Returns all dialects with this operation at the same path, if there are several; for example, protocols that
    share a base both have files."""
    dialects = [
        dialect
        for other in served
        if other.versioned == base.versioned
        for dialect in other.dialects
        if operation in dialect.operations
    ]
    return dialects if len(dialects) > 1 else []


def _health(settings: Settings) -> Iterator[Spec]:
    health = settings.server.health
    yield Spec(re.escape(health.path), HealthHandler)
    yield Spec(re.escape(health.ready_path), ReadyHandler)
