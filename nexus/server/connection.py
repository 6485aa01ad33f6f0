"""One request on a client's connection: its head, its body, its clocks and the watch on the client.

Loop thread only. Tornado writes answers and parses chunks; what is read, how long and how much is decided here,
for every path alike. An answer that goes out before the body is read is followed by reading on within bounds: a socket
closed over unread bytes is reset, and the client would never see why.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from tornado.concurrent import future_add_done_callback
from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import StreamClosedError, UnsatisfiableReadError

from nexus.errors import ClientError, HeadTooLarge, InvalidRequest
from nexus.server.clocks import Clocks, PhaseClock
from nexus.server.delegate import OnceDelegate
from nexus.server.heads import answer_head, body_length, has_no_body, read_headers, read_start_line
from nexus.server.lifecycle import Lifecycle
from nexus.server.stream import INTERIM, OPENING, ClientStream, ClientTlsStream

LONGEST_HEAD = 64 * 1024
DISCARD_FACTOR = 4
"""How many times the largest body is read and thrown away before a sender is cut off."""

_HEAD_END = re.compile(rb"\r?\n\r?\n")

MOST_ZEROS = 10
"""Leading zeros of a chunk's size: with the digits behind them at most the 16 that clients take."""


class Owner(Protocol):
    """Who answers a request."""

    def refuse(self, error: ClientError) -> None:
        """Answers with an error, unless an answer has begun."""
        ...


class Connection(HTTP1Connection):
    """``owner`` answers for a request; until it is known, ``stranger`` does."""

    stream: ClientStream

    def __init__(
        self,
        stream: ClientStream,
        params: HTTP1ConnectionParameters,
        context: object,
        clocks: Clocks,
        lifecycle: Lifecycle,
        stranger: Callable[[Connection], Owner],
    ) -> None:
        super().__init__(stream, False, params, context)
        # What a body may hold is decided by who takes it.
        self._max_body_size = 1 << 62
        self.owner: Owner | None = None
        self._largest_body = clocks.largest_body
        self._lifecycle = lifecycle
        self._stranger = stranger
        self._clock = PhaseClock(stream, clocks, self._late)
        self._began = stream.loop.time()
        self._probes = 0
        self._zeros = 0
        self._early = b""

    @property
    def target(self) -> str:
        """The path that was asked for, as far as it is known."""
        return "" if self._request_start_line is None else self._request_start_line.path.partition("?")[0]

    @property
    def method(self) -> str:
        return "" if self._request_start_line is None else self._request_start_line.method

    @property
    def age(self) -> float:
        """Seconds since this request's first byte came, or was waited for."""
        return self.stream.loop.time() - self._began

    @property
    def is_reading(self) -> bool:
        """Whether a request is being read, and nothing of its answer is written."""
        begun = self._request_start_line is not None
        return begun and not self._read_finished and self._response_start_line is None

    async def read_response(self, delegate: HTTPMessageDelegate) -> bool:
        """Reads one request and sees its answer out; whether another may follow."""
        delegates = OnceDelegate(delegate)
        self._clock.until_head()
        try:
            return await self._exchange(delegates)
        except StreamClosedError:
            return False
        except UnsatisfiableReadError:
            # Tornado has closed the stream.
            self.refuse(InvalidRequest("the size of a chunk is not written as HTTP has it"))
            return False
        except (HTTPInputError, ClientError) as error:
            # Tornado quotes headers, and credentials with them.
            own = error if isinstance(error, ClientError) else InvalidRequest("the request is not valid HTTP")
            self.refuse(own)
            return await self._discard()
        finally:
            self._lifecycle.leave(self)
            self._clock.stop()
            self.stream.settle()
            delegates.end()
            self._clear_callbacks()

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
            # All of it is here: whoever answers takes it without being waited for.
            self._watch()
            delegate.headers_received(start, headers)
            delegate.finish()
            return await self._see_out()
        if (ready := delegate.headers_received(start, headers)) is not None:
            await ready
        if self._write_finished:
            return await self._discard()
        await self._take_body(delegate, headers, length)
        if not self._write_finished:
            self._watch()
            delegate.finish()
        return await self._see_out()

    def give_early(self, receive: Callable[[bytes], None]) -> None:
        """Hands over the body where all of it came with the head."""
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
            head += await self.stream.read_bytes(LONGEST_HEAD, partial=True)
            if self._write_finished:
                return b""
            while head.startswith((b"\r", b"\n")):
                # Between two requests some clients send an empty line.
                del head[:1]
            found = _HEAD_END.search(head, seen)
            if (found.end() if found else len(head)) > LONGEST_HEAD:
                raise HeadTooLarge(f"the headers of the request are larger than {LONGEST_HEAD} bytes")
            if found:
                self.stream.unread(bytes(head[found.end() :]))
                return bytes(head[: found.end()])

    def _read_lines(self, head: bytes) -> tuple[RequestStartLine, HTTPHeaders, int | None]:
        """Raises InvalidRequest."""
        line, rest = head.split(b"\n", 1)
        # An error is answered by what is known so far.
        start = self._request_start_line = read_start_line(line)
        headers = self._request_headers = read_headers(rest)
        length = body_length(headers)
        self._disconnect_on_finish = not self._can_keep_alive(start, headers)
        return start, headers, length

    async def _take_body(self, delegate: OnceDelegate, headers: HTTPHeaders, length: int | None) -> None:
        version = self._request_start_line.version if self._request_start_line else ""
        if version == "HTTP/1.1" and headers.get("Expect", "").lower() == "100-continue":
            self.stream.write(INTERIM)
        self.stream.last_read = self.stream.loop.time()
        self._clock.within_body()
        self.stream.mid_body = True
        try:
            if length is None:
                await self._read_chunked_body(delegate)
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

    async def _see_out(self) -> bool:
        """Until the answer is written or the client left."""
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
        """Reads on until the client is done, has had its time or sent too much."""
        with suppress(StreamClosedError, UnsatisfiableReadError):
            if not self._finish_future.done():
                await self._finish_future
            self.stream.settle()
            self._linger()
            while True:
                await self.stream.read_bytes(LONGEST_HEAD, partial=True)
        return self._shut()

    def _linger(self) -> None:
        """The answer is out: says that nothing follows, and bounds what is read on."""
        self._lifecycle.leave(self)
        if self.stream.closed() or self.stream.room is not None:
            return
        self.stream.room = DISCARD_FACTOR * self._largest_body
        self._clock.while_discarding()
        if not isinstance(self.stream, ClientTlsStream):
            with suppress(OSError):
                self.stream.socket.shutdown(socket.SHUT_WR)

    def _finish_request(self, future: asyncio.Future[None] | None) -> None:
        """Of Tornado's, called when an answer is written: closing is for ``read_response`` as long as it reads."""
        if self._read_finished:
            super()._finish_request(future)
            return
        self._linger()
        if not self._finish_future.done():
            self._finish_future.set_result(None)

    def write_headers(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> asyncio.Future[None]:
        """In place of Tornado's, which looks at each line by itself."""
        if not self._read_finished or self._lifecycle.is_stopping:
            self._disconnect_on_finish = True
        assert isinstance(start_line, ResponseStartLine)
        self._response_start_line = start_line
        # Of a head that could not be read there may be neither.
        asked = self._request_start_line = self._request_start_line or RequestStartLine("GET", "", "HTTP/1.1")
        asked_headers = self._request_headers = self._request_headers or HTTPHeaders()
        if asked.version == "HTTP/1.1":
            if self._disconnect_on_finish:
                headers["Connection"] = "close"
        elif asked_headers.get("Connection", "").lower() == "keep-alive":
            headers["Connection"] = "Keep-Alive"
        length = headers.get("Content-Length")
        is_bare = asked.method == "HEAD" or has_no_body(start_line.code)
        self._chunking_output = asked.version == "HTTP/1.1" and not is_bare and length is None
        if self._chunking_output:
            headers["Transfer-Encoding"] = "chunked"
        if asked.method == "HEAD" or start_line.code == 304:
            self._expected_content_remaining = 0
        else:
            self._expected_content_remaining = None if length is None else int(length)
        return self._send_head(answer_head(start_line, headers), chunk)

    def _send_head(self, head: bytes, chunk: bytes | None) -> asyncio.Future[None]:
        """In one write with the first of what follows."""
        future = self._write_future = asyncio.Future()
        if self.stream.closed():
            future.set_exception(StreamClosedError())
            future.exception()
            return future
        self.stream.sent_of_head, self._probes = self._probes, 0
        self._pending_write = self.stream.write(head + self._format_chunk(chunk) if chunk else head)
        future_add_done_callback(self._pending_write, self._on_write_complete)
        return future

    def write(self, chunk: bytes) -> asyncio.Future[None]:
        self._zeros = 0
        return super().write(chunk)

    def push(self, chunk: bytes) -> bool:
        """A further piece of an answer; whether all of it is out. Raises StreamClosedError."""
        if not chunk:
            # It would be the end.
            return True
        self._zeros = 0
        chunked = b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunking_output else self._format_chunk(chunk)
        return self.stream.push(chunked)

    # Whether a client that half-closed still reads.

    def _probe(self) -> bytes:
        """The next byte of what goes out anyway: the first words of the head, or a zero before the size of a chunk."""
        if self._response_start_line is None:
            place = self._probes % len(INTERIM)
            if self._probes >= OPENING and self._request_start_line and self._request_start_line.version != "HTTP/1.1":
                return b""
            self._probes += 1
            return INTERIM[place : place + 1]
        if self._chunking_output and self._zeros < MOST_ZEROS:
            self._zeros += 1
            return b"0"
        return b""

    def _late(self, error: ClientError | None) -> None:
        if error is None:
            self.stream.close()
        else:
            self.refuse(error)

    def refuse(self, error: ClientError) -> None:
        """Answers what is being read, whoever would have answered it."""
        (self.owner or self._stranger(self)).refuse(error)
