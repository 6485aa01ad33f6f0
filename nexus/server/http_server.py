"""The HTTP server in front of the application, with its own streams and connections.

Loop thread only. Requests that Tornado would answer with a bare status line, or log with a traceback, are rejected here
in the dialect of the path and get an access log line.
"""

from __future__ import annotations

import asyncio
import http
import logging
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from tornado.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornado.httpserver import _HTTPRequestContext
from tornado.httputil import HTTPMessageDelegate, HTTPServerConnectionDelegate, HTTPServerRequest, ResponseStartLine
from tornado.iostream import IOStream
from tornado.netutil import ssl_wrap_socket
from tornado.routing import Router

from nexus.accounting.record import CallRecord
from nexus.errors import ClientError
from nexus.headers import own
from nexus.server.app import App
from nexus.server.endpoints.paths import dialect_at
from nexus.server.http.client_stream import ClientStream, ClientTlsStream
from nexus.server.http.clocks import PhaseClock
from nexus.server.http.connection import Connection
from nexus.server.http.heads import new_id, written
from nexus.server.lifecycle import Lifecycle
from nexus.server.sockets.accepting import PausingServer
from nexus.upstream.dial import set_options

log = logging.getLogger("nexus.server")


class CurrentApp(Router):
    """Routes to the current application, looked up once per request, so that idle connections hold no old one."""

    def __init__(self, app: App) -> None:
        self.app = app

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        return self.app.find_handler(request, **kwargs)


class HttpServer(PausingServer):
    """Serves the current application, over ``Connection`` objects."""

    def initialize(self, current: CurrentApp, lifecycle: Lifecycle, *, plain: bool = False) -> None:  # type: ignore[override]
        """Tornado's factory calls this in place of a constructor. ``plain`` serves HTTP even if TLS is configured."""
        super().initialize(current)
        self._current = current
        self._lifecycle = lifecycle
        self._plain = plain

    def _handle_connection(self, connection: socket.socket, address: Any) -> None:
        """Replaces Tornado's, whose streams do not detect that the client disconnected during an answer."""
        try:
            set_options(connection, self._current.app.clocks.idle)
            tls = None if self._plain else self._current.app.runtime.tls
            if tls is not None:
                wrapped = ssl_wrap_socket(connection, tls, server_side=True, do_handshake_on_connect=False)
                self.handle_stream(ClientTlsStream(wrapped), address)
            else:
                self.handle_stream(ClientStream(connection), address)
        except OSError:
            # The client has already disconnected.
            connection.close()

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        assert isinstance(stream, ClientStream)
        context = _HTTPRequestContext(stream, address, self.protocol, self.trusted_downstream)
        served = ServerConnection(stream, self.conn_params, context, self._connection)
        self._connections.add(served)
        served.start_serving(self)

    @property
    def unread(self) -> list[Connection]:
        """The requests that are still being read."""
        current = [served.current for served in self._connections if isinstance(served, ServerConnection)]
        return [one for one in current if one is not None and one.is_reading]

    def refuse_unread(self, error: ClientError) -> None:
        """Answers every request that is still being read with the error."""
        for connection in self.unread:
            connection.refuse(error)

    def _connection(
        self, stream: ClientStream, params: HTTP1ConnectionParameters, context: object, clock: PhaseClock
    ) -> Connection:
        """Returns a Connection for one request, with the current configuration's timeouts."""
        clocks = self._current.app.clocks
        return Connection(stream, params, context, clock, clocks, self._lifecycle, self._refuse_early)

    def _refuse_early(self, connection: Connection, error: ClientError) -> None:
        """Rejects a request that fails before it has a handler."""
        app, id = self._current.app, new_id()
        dialect = dialect_at(app.runtime.settings, connection.target, {})
        body = dialect.write_error(error, id)
        headers = {
            "Server": "nexus",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            written(dialect.id_header): id,
            written(own.REQUEST_ID): id,
            written(own.ERROR): error.kind,
        }
        line = ResponseStartLine("", error.status, http.HTTPStatus(error.status).phrase)
        connection.write_headers(line, headers, None if connection.method == "HEAD" else body)
        connection.finish()
        record = CallRecord(
            id=id,
            at=time.time() - connection.age,
            caller=str(connection.context),
            identity=None,
            protocol=dialect.name,
            status=error.status,
            error=error,
            total=connection.age,
            method=connection.method,
            path=connection.target,
            read=0,
        )
        app.server.finished(record)


class ServerConnection(HTTP1ServerConnection):
    """Serves the requests of one connection, one after another."""

    stream: ClientStream

    def __init__(
        self,
        stream: ClientStream,
        params: HTTP1ConnectionParameters,
        context: object,
        connection: Callable[[ClientStream, HTTP1ConnectionParameters, object, PhaseClock], Connection],
    ) -> None:
        super().__init__(stream, params, context)
        self._clock = PhaseClock(stream)
        self._connection = partial(connection, stream, params, context, self._clock)
        self.current: Connection | None = None

    async def _server_request_loop(self, delegate: HTTPServerConnectionDelegate) -> None:
        try:
            more = True
            while more:
                self.current = connection = self._connection()
                try:
                    more = await connection.read_response(delegate.start_request(self, connection))
                except asyncio.CancelledError:
                    return
                except Exception:
                    log.exception("connection failed")
                    connection.close()
                    return
                if self.stream.has_more:
                    # Let other connections run before the next pipelined request.
                    await asyncio.sleep(0)
        finally:
            self.current = None
            self._clock.close()
            delegate.on_close(self)
