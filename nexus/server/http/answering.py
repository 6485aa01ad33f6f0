"""Writes answers to a client's connection: the head and the first piece in one write, then further pieces.

Loop thread only. To find out whether a half-closed client still reads, single bytes of a head may be sent ahead of it,
and leading zeros ahead of a chunk's size.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping

from tornado.concurrent import future_add_done_callback
from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import HTTPHeaders, RequestStartLine, ResponseStartLine
from tornado.iostream import StreamClosedError

from nexus.server.http.client_stream import INTERIM, OPENING, ClientStream
from nexus.server.http.heads import answer_head, has_no_body
from nexus.server.lifecycle import Lifecycle

MOST_ZEROS = 10
"""Maximum leading zeros of a chunk's size. With the digits that follow, these are at most the 16 that clients accept.
"""


class AnsweringConnection(HTTP1Connection):
    """The writing half of a connection; once ``lifecycle`` is stopping, every answer closes its connection."""

    stream: ClientStream

    def __init__(
        self, stream: ClientStream, params: HTTP1ConnectionParameters, context: object, lifecycle: Lifecycle
    ) -> None:
        super().__init__(stream, False, params, context)
        self._lifecycle = lifecycle
        self._probes = 0
        self._zeros = 0

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: MutableMapping[str, str],
        chunk: bytes | None = None,
    ) -> asyncio.Future[None]:
        """Replaces Tornado's, which validates line by line; ``headers`` must have names as ``written`` returns them."""
        if not self._read_finished or self._lifecycle.is_stopping:
            self._disconnect_on_finish = True
        assert isinstance(start_line, ResponseStartLine)
        self._response_start_line = start_line
        # If the head could not be parsed, either may be missing.
        request = self._request_start_line = self._request_start_line or RequestStartLine("GET", "", "HTTP/1.1")
        request_headers = self._request_headers = self._request_headers or HTTPHeaders()
        if request.version == "HTTP/1.1":
            if self._disconnect_on_finish:
                headers["Connection"] = "close"
        elif request_headers.get("Connection", "").lower() == "keep-alive":
            headers["Connection"] = "Keep-Alive"
        length = headers.get("Content-Length")
        is_bare = request.method == "HEAD" or has_no_body(start_line.code)
        self._chunking_output = request.version == "HTTP/1.1" and not is_bare and length is None
        if self._chunking_output:
            headers["Transfer-Encoding"] = "chunked"
        if request.method == "HEAD" or start_line.code == 304:
            self._expected_content_remaining = 0
        else:
            self._expected_content_remaining = None if length is None else int(length)
        return self._send_head(answer_head(start_line, headers), chunk)

    def _send_head(self, head: bytes, chunk: bytes | None) -> asyncio.Future[None]:
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
        """Sends a further piece of an answer; returns whether all of it was written. Raises StreamClosedError."""
        if not chunk:
            # An empty chunk would end the body.
            return True
        self._zeros = 0
        chunked = b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunking_output else self._format_chunk(chunk)
        return self.stream.push(chunked)

    def _probe(self) -> bytes:
        """Returns the next byte that may be sent early: of the head's beginning, or a zero before a chunk's size; b""
        if there is none."""
        if self._response_start_line is None:
            index = self._probes % len(INTERIM)
            if self._probes >= OPENING and self._request_start_line and self._request_start_line.version != "HTTP/1.1":
                return b""
            self._probes += 1
            return INTERIM[index : index + 1]
        if self._chunking_output and self._zeros < MOST_ZEROS:
            self._zeros += 1
            return b"0"
        return b""
