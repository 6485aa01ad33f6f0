"""The HTTP client: whole answers with a deadline, and streams that are read while they come.

Standard library only, no redirect is followed and nothing is retried; whatever goes wrong on the way is
``Failed`` with a text that a person can act on.
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


class Failed(Exception):
    """No whole answer came."""


class Unreachable(Failed):
    """Nobody listens there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers`` have lower-case names."""

    status: int
    headers: Headers
    body: bytes
    seconds: float

    @property
    def json(self) -> Json:
        """None where the body is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def brief(self) -> str:
        """Status, and the error's message or the beginning of the body."""
        said = text(mapping(mapping(self.json).get("error")).get("message"))
        return f"{self.status} {said or self.body[:200].decode('utf-8', 'replace')}".strip()


@dataclass(frozen=True, slots=True)
class Client:
    """``url`` has no slash at its end; ``key`` travels in ``forms``, headers by which a credential is sent."""

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
        """The whole answer, of a stream too."""
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
                        raise Failed(f"an answer of more than {MOST_BYTES} bytes")
            except TimeoutError as error:
                raise Failed(f"no complete answer within {limit:g}s") from error
            except (OSError, HTTPException) as error:
                raise Failed(f"the connection was lost: {error or type(error).__name__}") from error
        return Answer(response.status, lower(response), bytes(whole), time.monotonic() - began)

    @contextmanager
    def stream(self, path: str, body: bytes, more: Headers) -> Iterator[Stream]:
        """Reads on a thread of its own, so that a caller may wait for what comes and go on when nothing does."""
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
    """What has come of an event stream; ``error`` says why it ended early, "" that it ended properly."""

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
        """Looks after every change; gives up early when the stream has ended."""
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
    """Ends a read that is under way on another thread."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:  # the gateway was quicker
        return
