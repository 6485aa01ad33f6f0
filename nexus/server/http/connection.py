"""One request on a client's connection: its head, its body, its timeouts, and detecting that the client disconnected.

Loop thread only. This file decides what to read, for how long and how much, for all paths. If an answer is sent before
the body is read, reading goes on within limits: closing a socket with unread bytes resets it, and the client would
never see the answer.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from tornado.http1connection import HTTP1ConnectionParameters
from tornado.httputil import HTTPHeaders, HTTPInputError, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.iostream import StreamClosedError, UnsatisfiableReadError

from nexus.errors import ClientError, HeadTooLarge, InvalidRequest
from nexus.late import pattern
from nexus.server.http.answering import AnsweringConnection
from nexus.server.http.chunked import read_chunks
from nexus.server.http.client_stream import INTERIM, ClientStream, ClientTlsStream
from nexus.server.http.clocks import Clocks, PhaseClock
from nexus.server.http.heads import body_length, in_origin_form, read_headers, read_start_line
from nexus.server.lifecycle import Lifecycle

LONGEST_HEAD = 64 * 1024
DISCARD_FACTOR = 4
"""After an early answer, this many times the maximum body size is read and discarded before the connection closes."""

TLS_HELLO = b"\x16\x03"
"""The first bytes of a TLS handshake; no request begins with them."""

_HEAD_END = pattern(rb"\r?\n\r?\n")


class Owner(Protocol):
    """Answers a request."""

    def refuse(self, error: ClientError) -> None:
        """Answers with an error, unless an answer has begun."""
        ...


class OnceDelegate(HTTPMessageDelegate):
    """Tells the inner delegate exactly once how a request ended: finished, or connection closed."""

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


class Connection(AnsweringConnection):
    """``owner`` answers a request's errors; until it is set, ``refuse_early`` does. ``length`` is that of the body in
    bytes, None if it is chunked."""

    def __init__(
        self,
        stream: ClientStream,
        params: HTTP1ConnectionParameters,
        context: object,
        clock: PhaseClock,
        clocks: Clocks,
        lifecycle: Lifecycle,
        refuse_early: Callable[[Connection, ClientError], None],
    ) -> None:
        super().__init__(stream, params, context, lifecycle)
        # The handler that collects the body enforces its limit.
        self._max_body_size = 1 << 62
        self.owner: Owner | None = None
        self.length: int | None = 0
        self._clocks = clocks
        self._refuse_early = refuse_early
        self._clock = clock
        self._began = stream.loop.time()
        self._early = b""

    @property
    def target(self) -> str:
        """The request's path, or "" if it is not known yet."""
        return "" if self._request_start_line is None else self._request_start_line.path.partition("?")[0]

    @property
    def method(self) -> str:
        return "" if self._request_start_line is None else self._request_start_line.method

    @property
    def age(self) -> float:
        """Seconds since this request's first byte, or since waiting for it began."""
        return self.stream.loop.time() - self._began

    @property
    def is_reading(self) -> bool:
        """Whether a request is being read and its answer has not begun."""
        begun = self._request_start_line is not None
        return begun and not self._read_finished and self._response_start_line is None

    async def read_response(self, delegate: HTTPMessageDelegate) -> bool:
        """Reads one request and waits for its answer; returns whether another request may follow."""
        delegates = OnceDelegate(delegate)
        self._clock.until_head(self._clocks, self._late)
        try:
            return await self._exchange(delegates)
        except StreamClosedError:
            return False
        except UnsatisfiableReadError:
            # Tornado has already closed the stream.
            self.refuse(InvalidRequest("invalid chunk size"))
            return False
        except (HTTPInputError, ClientError) as error:
            # Tornado's messages quote headers, which may hold credentials. After this file it checks only Host.
            text = "malformed HTTP request: expected one valid Host header"
            self.refuse(error if isinstance(error, ClientError) else InvalidRequest(text))
            return await self._discard()
        finally:
            self._lifecycle.leave(self)
            self._clock.end()
            self.stream.settle()
            delegates.end()
            self._clear_callbacks()
            # The owner's request refers back to this: break the cycle rather than wait for the garbage collector.
            self.owner = None

    async def _exchange(self, delegate: OnceDelegate) -> bool:
        head = await self._read_head()
        self._lifecycle.enter(self)
        if self._write_finished:
            return await self._discard()
        start, headers, length = self._read_lines(head)
        self._early = self.stream.take(length) if length else b""
        self._read_finished = length == 0
        self._clock.stop()
        if self._read_finished or self._early:
            # The whole body has already arrived: the handler takes it with ``give_early``.
            self._watch()
            delegate.headers_received(start, headers)
            delegate.finish()
            return await self._await_answer()
        if (ready := delegate.headers_received(start, headers)) is not None:
            await ready
        if self._write_finished:
            return await self._discard()
        await self._take_body(delegate, headers, length)
        if not self._write_finished:
            self._watch()
            delegate.finish()
        return await self._await_answer()

    def give_early(self, receive: Callable[[bytes], None]) -> None:
        """Hands over the body if all of it came with the head."""
        if self._early:
            receive(self._early)
            self._early, self._read_finished = b"", not self._write_finished

    async def _read_head(self) -> bytes:
        head = bytearray()
        while True:
            if head and not self._clock.is_within_head:
                self._clock.within_head()
                self._began = self._clock.since
            seen = max(0, len(head) - 3)
            self.stream.rests = not head
            reading = self.stream.read_bytes(LONGEST_HEAD, partial=True)
            self.stream.rests = False
            head += await reading
            if self._write_finished:
                return b""
            while head.startswith((b"\r", b"\n")):
                # Some clients send an empty line between requests.
                del head[:1]
            found = _HEAD_END.search(head, seen)
            if (found.end() if found else len(head)) > LONGEST_HEAD:
                raise HeadTooLarge(f"the request headers are larger than {LONGEST_HEAD} bytes")
            if found:
                self.stream.unread(bytes(head[found.end() :]))
                return bytes(head[: found.end()])
            if head.startswith(TLS_HELLO):
                raise InvalidRequest("this port serves plain HTTP: use http:// in the URL, or set server.tls")

    def _read_lines(self, head: bytes) -> tuple[RequestStartLine, HTTPHeaders, int | None]:
        """Returns the start line, the headers and the body's length. Raises InvalidRequest."""
        line, rest = head.split(b"\n", 1)
        # Set step by step: an error reply uses what is known so far.
        start = self._request_start_line = read_start_line(line)
        headers = self._request_headers = read_headers(rest)
        start = self._request_start_line = in_origin_form(start, headers)
        length = self.length = body_length(headers)
        # HTTP/1.0 has no chunks: a proxy may see another end of the body (RFC 9112 section 6.1).
        is_framed = length is not None or start.version == "HTTP/1.1"
        self._disconnect_on_finish = not (is_framed and self._can_keep_alive(start, headers))
        return start, headers, length

    async def _take_body(self, delegate: OnceDelegate, headers: HTTPHeaders, length: int | None) -> None:
        version = self._request_start_line.version if self._request_start_line else ""
        if version == "HTTP/1.1" and headers.get("Expect", "").lower() == "100-continue":
            self.stream.write(INTERIM)
        if length is not None and (body := self.stream.take(length)):
            # The whole body arrived meanwhile.
            delegate.data_received(body)
            self._read_finished = True
            return
        self.stream.last_read = self.stream.loop.time()
        self._clock.within_body()
        self.stream.mid_body = True
        try:
            if length is None:
                await read_chunks(self.stream, partial(self._deliver_body, delegate))
            else:
                await self._read_fixed_body(length, delegate)
        finally:
            self.stream.mid_body = False
        self._clock.stop()
        self._read_finished = True

    def _watch(self) -> None:
        if not self.stream.closed():
            self.stream.owe(self._probe)
            self.stream.set_close_callback(self._on_connection_close)

    async def _await_answer(self) -> bool:
        """Waits until the answer is written or the client disconnected; returns whether another request may follow."""
        try:
            if not self._finish_future.done() and not self.stream.closed():
                await self._finish_future
        finally:
            self.stream.settle()
        if self._disconnect_on_finish or self.stream.closed() or self.stream.spoiled:
            unread = self.stream.spoiled or not self._read_finished
            return await self._discard() if unread else self._shut()
        return True

    def _shut(self) -> bool:
        self.close()
        return False

    async def _discard(self) -> bool:
        """Reads and discards until the client is done, time is up, or it sent too much; then closes."""
        with suppress(StreamClosedError, UnsatisfiableReadError):
            if not self._finish_future.done():
                await self._finish_future
            self.stream.settle()
            self._linger()
            while True:
                await self.stream.read_bytes(LONGEST_HEAD, partial=True)
        return self._shut()

    def _linger(self) -> None:
        """Shuts down the sending side after the answer, and limits how much more is read."""
        self._lifecycle.leave(self)
        if self.stream.closed() or self.stream.room is not None:
            return
        self.stream.room = DISCARD_FACTOR * self._clocks.largest_body
        self._clock.while_discarding()
        if not isinstance(self.stream, ClientTlsStream):
            with suppress(OSError):
                self.stream.socket.shutdown(socket.SHUT_WR)

    def _finish_request(self, future: asyncio.Future[None] | None) -> None:
        """Overrides Tornado's, called when the answer is written: while the body is still read, ``_discard`` closes."""
        if self._read_finished:
            super()._finish_request(future)
            return
        self._linger()
        if not self._finish_future.done():
            self._finish_future.set_result(None)

    def _late(self, error: ClientError | None) -> None:
        if error is None:
            self.stream.close()
        else:
            self.refuse(error)

    def refuse(self, error: ClientError) -> None:
        if self.owner is not None:
            self.owner.refuse(error)
        else:
            self._refuse_early(self, error)
