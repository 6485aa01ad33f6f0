"""One HTTP exchange with a deadline.

Every error is raised as ``CheckFailed`` with a message that users can act on. The deadline applies to the whole
exchange, with or without pings. ``Timings`` holds the timings even if the exchange fails.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TypeVar
from urllib.parse import urlsplit

from nexus.dataclasses import dataclass
from nexus.protocols.eventstream import CorruptMessage, Decoder, named
from nexus.protocols.sse import Frame, FrameDecoder, FrameTooLarge
from nexus.wire import Json, mapping, text

NOT_SERVED = "is not served through this protocol"
MOST_READ = 64 * 1024
"""Maximum bytes to show of an error that is not JSON."""

T = TypeVar("T")


class CheckFailed(Exception):
    """The exchange failed or the answer is invalid; the message says why."""


class ErrorStatus(CheckFailed):
    """The server answered with an error status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class NotServed(ErrorStatus):
    """The gateway does not offer this model through this protocol."""


@dataclass(slots=True)
class Timings:
    """Timings in seconds since the start of the request, and the route that the gateway reports."""

    began: float = 0.0
    first: float | None = None
    total: float | None = None
    route: str = ""

    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def mark_first(self) -> None:
        self.first = self.elapsed() if self.first is None else self.first


@dataclass(frozen=True, slots=True)
class ServerUnderTest:
    """The server under test; ``url`` has no trailing slash."""

    url: str
    timeout: float

    def get(self, path: str, headers: Mapping[str, str]) -> Json:
        with self._exchange("GET", path, None, headers, Timings()) as reply:
            return reply.document()

    @contextmanager
    def post(self, path: str, body: Json, headers: Mapping[str, str], trace: Timings) -> Iterator[Reply]:
        raw = json.dumps(body).encode()
        with self._exchange("POST", path, raw, {"Content-Type": "application/json", **headers}, trace) as reply:
            yield reply

    @contextmanager
    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], trace: Timings
    ) -> Iterator[Reply]:
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.netloc, timeout=self.timeout)
        trace.began = time.monotonic()
        try:
            self._guarded(connection.connect, "cannot connect")
            # Keep the socket for the deadline: the connection drops it if the response closes the connection.
            sock: socket.socket = connection.sock
            self._guarded(lambda: connection.request(method, parts.path + path, body, dict(headers)))
            response = self._guarded(connection.getresponse)
            trace.route = response.headers.get("x-nexus-route", "")
            reply = Reply(self, response, sock, trace)
            if response.status >= 400:
                raise reply.refusal()
            yield reply
        finally:
            trace.total = trace.elapsed()
            connection.close()

    def _guarded(self, action: Callable[[], T], problem: str = "the connection was lost") -> T:
        try:
            return action()
        except TimeoutError as error:
            raise CheckFailed(f"no complete answer within {self.timeout:g}s") from error
        except (OSError, HTTPException) as error:
            raise CheckFailed(f"{problem}: {error or type(error).__name__}") from error

    def read(self, response: HTTPResponse, sock: socket.socket, trace: Timings) -> bytes:
        """The bytes available; b"" at the end of the body. Raises CheckFailed."""

        def receive() -> bytes:
            left = self.timeout - trace.elapsed()
            if left <= 0:
                raise TimeoutError
            sock.settimeout(left)
            return response.read1()

        return self._guarded(receive)


@dataclass(frozen=True, slots=True)
class Reply:
    """A response whose headers have arrived."""

    gateway: ServerUnderTest
    response: HTTPResponse
    sock: socket.socket
    trace: Timings

    def document(self) -> Json:
        """The body as JSON. Raises CheckFailed."""
        try:
            return json.loads(b"".join(self._pieces()))
        except ValueError as error:
            raise CheckFailed("the body is not JSON") from error

    def frames(self) -> Iterator[Frame]:
        """The frames of an event stream as they arrive. Raises CheckFailed."""
        kind = self.response.headers.get("content-type", "")
        if not kind.startswith("text/event-stream"):
            raise CheckFailed(f"asked for a stream and got {kind or 'no content type'}")
        decoder = FrameDecoder()
        for piece in self._pieces():
            try:
                yield from decoder.feed(piece)
            except FrameTooLarge as error:
                raise CheckFailed(str(error)) from error
        if decoder.rest.strip():
            raise CheckFailed("the stream ended within an event")

    def events(self) -> Iterator[tuple[str, str]]:
        """Name and payload of the events of an AWS event stream, with its checksums verified. Raises CheckFailed."""
        kind = self.response.headers.get("content-type", "")
        if kind != "application/vnd.amazon.eventstream":
            raise CheckFailed(f"asked for an event stream and got {kind or 'no content type'}")
        decoder = Decoder()
        try:
            for piece in self._pieces():
                for message in decoder.feed(piece):
                    yield named(message)
            decoder.finish()
        except CorruptMessage as error:
            raise CheckFailed(f"the event stream is broken: {error}") from error

    def refusal(self) -> ErrorStatus:
        """This error response as an exception."""
        status, body = self.response.status, b"".join(self._pieces())
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        message = error_text(document) or body[:MOST_READ].decode("utf-8", "replace") or "no error body"
        unsupported = self.response.headers.get("x-nexus-error") == "unsupported_feature"
        kind = NotServed if status == 400 and unsupported and NOT_SERVED in message else ErrorStatus
        return kind(f"{status} {message}", status)

    def _pieces(self) -> Iterator[bytes]:
        declared = self.response.headers.get("content-length", "")
        missing = int(declared) if declared.isdigit() else None
        while missing != 0 and (piece := self.gateway.read(self.response, self.sock, self.trace)):
            missing = missing - len(piece) if missing is not None else None
            yield piece
        if missing:
            raise CheckFailed(f"the body ended {missing} bytes early")


def error_text(document: object) -> str:
    """Code and message of an error in any dialect, or ""."""
    error = mapping(mapping(document).get("error")) or _of_aws(mapping(document))
    code = text(error.get("code")) or text(error.get("type"))
    return ": ".join(part for part in (code, text(error.get("message"))) if part)


def _of_aws(document: Mapping[str, Json]) -> Mapping[str, Json]:
    """An AWS error: the message is at the top level, and the kind is in a header."""
    return document if isinstance(document.get("message"), str) and "type" not in document else {}
