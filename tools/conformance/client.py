"""HTTP client: whole answers with a deadline, and streams read as they arrive.

Standard library only; follows no redirects and does not retry. Every error is an ``ExchangeFailed`` with a message that
a user can act on.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from nexus.protocols.sse import Frame, FrameDecoder
from nexus.wire import Json, mapping, text

MOST_BYTES = 16 * 1024 * 1024
MADE_UP = "conformance-test-key"

Headers = Mapping[str, str]


class ExchangeFailed(Exception):
    """No complete answer arrived."""


class Unreachable(ExchangeFailed):
    """The connection failed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers`` have lower-case names."""

    status: int
    headers: Headers
    body: bytes
    seconds: float

    @property
    def json(self) -> Json:
        """The parsed body, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def brief(self) -> str:
        """The status, and the error message or the beginning of the body."""
        message = text(mapping(mapping(self.json).get("error")).get("message"))
        return f"{self.status} {message or self.body[:200].decode('utf-8', 'replace')}".strip()


@dataclass(frozen=True, slots=True)
class Client:
    """``url`` has no trailing slash; ``forms`` are the headers that carry ``key``."""

    url: str
    timeout: float
    key: str = MADE_UP
    forms: tuple[str, ...] = ("x-api-key",)
    extra: Headers = field(default_factory=dict)

    def headers(self, more: Headers) -> dict[str, str]:
        values = {"x-api-key": self.key, "authorization": f"Bearer {self.key}"}
        own = {form: values[form] for form in self.forms}
        return {"accept": "application/json", "accept-encoding": "identity", **own, **more, **self.extra}

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        more: Headers | None = None,
        seconds: float | None = None,
    ) -> Answer:
        """Sends a request and returns the whole answer, even of a stream. Raises ExchangeFailed."""
        began, limit = time.monotonic(), seconds or self.timeout
        with self._connection(limit) as connection:
            sock: socket.socket = connection.sock
            try:
                connection.request(method, self.target(path), body, self.headers(more or {}))
                response = connection.getresponse()
                whole = bytearray()
                while piece := self._piece(response, sock, began + limit):
                    whole += piece
                    if len(whole) > MOST_BYTES:
                        raise ExchangeFailed(f"an answer of more than {MOST_BYTES} bytes")
            except TimeoutError as error:
                raise ExchangeFailed(f"no complete answer within {limit:g}s") from error
            except (OSError, HTTPException) as error:
                raise ExchangeFailed(f"the connection was lost: {error or type(error).__name__}") from error
        return Answer(response.status, lower(response), bytes(whole), time.monotonic() - began)

    @contextmanager
    def stream(self, path: str, body: bytes, more: Headers) -> Iterator[Stream]:
        """Reads a stream on a separate thread, so that the caller can wait with a timeout. Raises Unreachable."""
        with self._connection(self.timeout) as connection:
            connection.sock.settimeout(None)
            sock: socket.socket = connection.sock
            stream = Stream()
            headers = self.headers(more)

            def receive() -> None:
                try:
                    connection.request("POST", self.target(path), body, headers)
                    stream.begin(response := connection.getresponse())
                    while piece := response.read1(65536):
                        stream.feed(piece)
                except (OSError, HTTPException, ValueError) as error:
                    stream.end(str(error) or type(error).__name__)
                else:
                    stream.end("")

            thread = threading.Thread(target=receive, name="stream", daemon=True)
            thread.start()
            try:
                yield stream
            finally:
                hang_up(sock)
                thread.join()

    def target(self, path: str) -> str:
        return (urlsplit(self.url).path + path) or "/"

    @contextmanager
    def _connection(self, seconds: float) -> Iterator[HTTPConnection]:
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.netloc, timeout=seconds)
        try:
            connection.connect()
        except OSError as error:
            raise Unreachable(f"cannot connect to {self.url}: {error or type(error).__name__}") from error
        try:
            yield connection
        finally:
            connection.close()

    def _piece(self, response: HTTPResponse, sock: socket.socket, deadline: float) -> bytes:
        if response.isclosed():
            return b""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        return response.read1(65536)


class Stream:
    """What has arrived of an event stream; ``error`` says why it broke off, or is "" if it ended properly."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = {}
        self.raw = bytearray()
        self.frames: list[Frame] = []
        self.ended = False
        self.error = ""
        self._decoder = FrameDecoder()
        self._changed = threading.Condition()

    def begin(self, response: HTTPResponse) -> None:
        with self._changed:
            self.status, self.headers = response.status, lower(response)
            self._changed.notify_all()

    def feed(self, piece: bytes) -> None:
        with self._changed:
            self.raw += piece
            self.frames += self._decoder.feed(piece)
            self._changed.notify_all()

    def end(self, error: str) -> None:
        with self._changed:
            self.ended, self.error = True, error
            self._changed.notify_all()

    def wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Waits for ``holds``, the end of the stream or the timeout; returns whether ``holds`` is true."""
        with self._changed:
            self._changed.wait_for(lambda: holds() or self.ended, seconds)
            return holds()

    def has(self, words: bytes) -> Callable[[], bool]:
        return lambda: words in self.raw

    @property
    def pings(self) -> int:
        return sum(frame.event == "ping" or '"ping"' in (frame.data or "") for frame in self.frames)


def lower(response: HTTPResponse) -> Headers:
    return {name.lower(): value for name, value in response.getheaders()}


def hang_up(sock: socket.socket) -> None:
    """Ends a pending read on another thread."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:  # the gateway has already closed
        return
