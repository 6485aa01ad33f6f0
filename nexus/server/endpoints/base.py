"""The base of every endpoint: request ids, authentication, and errors in the dialect of the path.

Every error is rendered by the dialect's ``write_error``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, cast

from tornado.web import HTTPError, RequestHandler, stream_request_body

from nexus import errors
from nexus.accounting.record import CallRecord
from nexus.auth import cors
from nexus.auth.credentials import HeaderLines
from nexus.auth.identity import Identity
from nexus.errors import Cancelled, MethodNotAllowed, NexusError, NotFound, NoWebSocket, RequestTooLarge, UpstreamStatus
from nexus.errors.unforeseen import stand_in
from nexus.headers import own
from nexus.headers.tracing import REQUEST_ID, CallTrace, TraceContext, request_id
from nexus.protocols.checks import query_pairs
from nexus.protocols.dialect import Dialect
from nexus.server.endpoints.paths import describe, dialect_at, hides_404, no_proxy
from nexus.server.guards import header_lines, is_unix, origin_of
from nexus.server.http.connection import Connection
from nexus.server.http.heads import date, new_id, written
from nexus.server.runtime import Runtime
from nexus.server.server import Server

log = logging.getLogger("nexus.server")
# Tornado logs headers that it cannot parse, which may hold credentials, and faults of clients' connections.
logging.getLogger("tornado.general").setLevel(logging.ERROR)


@stream_request_body
class BaseHandler(RequestHandler):
    """``runtime`` is the one that is current when the request begins. ``dialect`` renders errors.
    ``identity`` is set once ``prepare`` is over, before any of the body is read. ``headers`` are the request's by
    lower-case name, with repeated lines joined by commas; ``lines`` has each line. ``context`` (the trace) and
    ``request_id`` are the caller's, if given; ``caller`` is the client's IP address. ``refused`` is the error that was
    answered, if any; ``received`` counts the bytes of the body. ``logged``: the access log has the request, or will.
    """

    # In slots, because they would make the instance's __dict__ grow to its next size, 1.5 kB.
    __slots__ = ("caller", "context", "headers", "id", "lines", "request_id", "runtime", "server")

    guarded = True
    is_vital = False
    takes_body = False
    refused: NexusError | None = None
    logged = False
    received = 0
    server: Server
    runtime: Runtime
    identity: Identity
    dialect: Dialect
    lines: HeaderLines
    headers: dict[str, str]

    def initialize(self, server: Server, runtime: Runtime, dialect: Dialect, others: Sequence[Dialect] = ()) -> None:
        """``others`` are further dialects at the same path; the request's headers decide which one is used."""
        self.server = server
        self.runtime = runtime
        self.lines = header_lines(self.request.headers)
        self.headers = {name: ",".join(lines) for name, lines in self.lines.items()}
        self.context = TraceContext.of(self.headers)
        self.request_id = request_id(self.headers)
        peer = "unix" if is_unix(self.request) else self.request.remote_ip or ""
        self.caller = runtime.guards.caller_ip(self.lines, peer)
        self.dialect = max(others, key=lambda one: one.protocol.likeness(self.headers)) if others else dialect
        self.id = new_id()
        self.connection.owner = self
        self.trace = self._begin_trace()
        runtime.uses.begin()

    async def _execute(self, *args: Any, **kwargs: Any) -> None:
        """Overrides Tornado's: the runtime stays in use until all work for the request is over."""
        try:
            await super()._execute(*args, **kwargs)
        finally:
            self.runtime.uses.end()

    def _begin_trace(self) -> CallTrace | None:
        exporting = self.server.exporting
        if exporting is None:
            return None
        return exporting.begin(self.context, self.request.method or "", self.traced_path())

    def traced_path(self) -> str:
        """The path for traces, without parts that clients choose; "" if the path is unknown."""
        return ""

    def name_request(self) -> None:
        """Sets the headers with our request id and the caller's; a vendor's id then moves to a separate header."""
        names = {own.REQUEST_ID: self.id}
        if self.request_id is not None:
            vendors = self._headers.get(written(REQUEST_ID))
            if vendors is not None and vendors != self.id:
                names[own.UPSTREAM_REQUEST_ID] = vendors
            names[REQUEST_ID] = self.request_id
        self.set_headers(names)

    def clear(self) -> None:
        """Replaces Tornado's, which formats the date for every answer and keeps headers in two dictionaries."""
        lines = {"Server": "nexus", "Content-Type": "text/html; charset=UTF-8", "Date": date(int(time.time()))}
        self._headers: dict[str, str] = lines  # type: ignore[assignment]
        self._write_buffer: list[bytes] = []
        self.set_status(200)

    def set_headers(self, fields: Mapping[str, str]) -> None:
        """Sets headers in bulk. Tornado validates each character of each value, which only unusual values need."""
        text = "".join(fields.values())
        if text.isascii() and text.isprintable():
            self._headers.update({written(name): value for name, value in fields.items()})
        else:
            for name, value in fields.items():
                self.set_header(name, value)

    def set_header(self, name: str, value: Any) -> None:
        super().set_header(written(name), value)

    @property
    def connection(self) -> Connection:
        """The client's connection; only HTTP/1.x is served."""
        return cast(Connection, self.request.connection)

    async def prepare(self) -> None:
        guards, method = self.runtime.guards, self.request.method
        # For every reply, including errors: without them a page cannot read the error.
        if readers := cors.reply_headers(guards.cors, self.headers.get("origin")):
            self.set_headers(readers)
        self.check_host()
        if not self.guarded:
            self._check_request()
            return
        if method == "OPTIONS" and (allowed := cors.preflight_headers(guards.cors, self.headers)) is not None:
            self.set_headers(allowed)
            self.set_status(204)
            self.finish()
            return
        guards.check_page(method, self.headers)
        if self.request.query:
            self.dialect.check_query(self.request.query)
        enter = self.runtime.gateway.enter
        self.identity = await enter(self.lines, self.caller, self.server, is_vital=self.is_vital)
        self._check_request()

    def check_host(self) -> None:
        """Raises PermissionDenied if the Host header is not accepted."""
        self.runtime.guards.check_host(self.request)

    def _check_request(self) -> None:
        """Rejects a wrong method or an unexpected body as soon as the head is read, before any of the body."""
        if self.request.method not in self.methods():
            raise HTTPError(405)
        if not self.takes_body and self.connection.length != 0:
            raise RequestTooLarge(f"{self.request.method} {self.request.path} takes no body")

    def data_received(self, chunk: bytes) -> None:
        self.received += len(chunk)

    def refuse(self, error: NexusError) -> None:
        """Answers with an error while the body is being read, unless an answer was sent."""
        if not self._finished:
            self.answer_error(error)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if not self.logged and not self._finished:
            self.refused = Cancelled("the client disconnected before its request was complete")
            self._log_refusal(self.refused)

    def on_finish(self) -> None:
        if not self.logged and self.refused is not None:
            self._log_refusal(self.refused)

    def _log_refusal(self, failure: NexusError) -> None:
        self.logged = True
        seconds = self.request.request_time()
        self.server.finished(
            CallRecord(
                id=self.id,
                at=time.time() - seconds,
                caller=self.caller,
                identity=vars(self).get("identity"),
                protocol=self.dialect.form,
                status=failure.status,
                error=failure,
                total=seconds,
                method=self.request.method or "",
                path=self.request.path,
                read=self.received,
                user_agent=self.headers.get("user-agent", ""),
                request_id=self.request_id,
                context=self.context,
                trace=self.trace,
            )
        )

    def compute_etag(self) -> None:
        return None

    def query(self) -> dict[str, str]:
        """The parameters of the query; the last one if a name is repeated. Raises InvalidRequest."""
        return dict(query_pairs(self.request.query))

    def methods(self) -> tuple[str, ...]:
        known = ("GET", "HEAD", "POST", "DELETE")
        return tuple(
            name for name in known if getattr(type(self), name.lower()) is not getattr(RequestHandler, name.lower())
        )

    def send(self, body: bytes, content_type: str = "application/json") -> None:
        self.set_header("Content-Type", content_type)
        self.name_request()
        self.set_header("Content-Length", str(len(body)))
        self.finish(body)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Called by Tornado with any exception that a handler raised."""
        _, error, _ = kwargs.get("exc_info", (None, None, None))
        self.answer_error(self.own_error(error, status_code))

    def answer_error(self, error: NexusError) -> None:
        """Sends a whole error reply: status, headers and body. If a head was already sent, closes the connection."""
        self.refused = error
        if self._headers_written:
            self.connection.stream.close()
            return
        self.set_status(error.status, REASONS.get(error.status))
        own = {self.dialect.id_header: self.id, **self.runtime.guards.challenge(error)}
        self.set_headers({**own, **error.reply_headers(self.dialect.name), **self.dialect.error_headers(error)})
        if isinstance(error, UpstreamStatus) and self.dialect.passes_errors:
            self.send(error.body, error.headers["content-type"])
        else:
            self.send(self.dialect.write_error(error, self.id))

    def own_error(self, error: BaseException | None, status: int) -> NexusError:
        match error:
            case NexusError():
                return error
            # Proxies such as nginx remove Upgrade, but not the other headers of a handshake.
            case HTTPError(status_code=405) if "sec-websocket-version" in self.headers:
                return NoWebSocket("WebSockets are not supported; POST to this path instead")
            case HTTPError(status_code=405) if self.request.method == "CONNECT":
                return MethodNotAllowed(no_proxy(self.runtime.settings), allow=())
            case HTTPError(status_code=405):
                return MethodNotAllowed(f"{self.request.method} is not allowed here", allow=self.methods())
            case HTTPError(status_code=code) if 400 <= code < 500:
                return errors.InvalidRequest("the request could not be read")
            case _:
                return stand_in(error)

    def log_exception(self, kind: Any, value: BaseException | None, trace: Any) -> None:
        if not isinstance(value, NexusError | HTTPError):
            log.error("handler failed", exc_info=value, extra={"fields": {"id": self.id}})


class ReadHandler(BaseHandler):
    """An endpoint for GET, and for HEAD, which sends no body."""

    def head(self, *path: str) -> Awaitable[None] | None:
        return self.get(*path)


REASONS = {499: "Client Closed Request", 529: "Overloaded"}
"""Reason phrases that the standard library lacks."""


class UnknownPath(BaseHandler):
    """Rejects every path without a handler, with a 404 or, for some clients, a 400 that names the nearest path."""

    def initialize(self, server: Server, runtime: Runtime, dialect: Dialect, others: Sequence[Dialect] = ()) -> None:
        super().initialize(server, runtime, dialect, others)
        self.dialect = dialect_at(runtime.settings, self.request.path, self.headers)

    def _check_request(self) -> None:
        path, origin = self.request.path, origin_of(self.request)
        message, is_known = describe(self.runtime.settings, path, self.headers, origin)
        if is_known and self.request.method == "POST" and hides_404(self.headers):
            raise errors.InvalidRequest(message)
        raise NotFound(message)
