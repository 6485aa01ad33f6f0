"""How a request ended, told exactly once."""

from __future__ import annotations

from collections.abc import Awaitable

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine


class OnceDelegate(HTTPMessageDelegate):
    """Tells the one behind it exactly once how a request ended: finished, or its connection closed."""

    def __init__(self, inner: HTTPMessageDelegate) -> None:
        self._inner = inner
        self._open = False

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        ready = self._inner.headers_received(start_line, headers)
        self._open = True
        return ready

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        self._open = False
        self._inner.finish()

    def end(self) -> None:
        if self._open:
            self._open = False
            self._inner.on_connection_close()
