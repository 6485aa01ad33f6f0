"""One HTTP exchange with the server under test, with a deadline.

Every error is raised as ``CheckFailed`` with a message that users can act on. The deadline applies to the whole
exchange, with or without pings. ``Timings`` holds the timings even if the exchange fails.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from nexus.cancel import Cancel
from nexus.dataclasses import dataclass
from nexus.errors import UNSENT, UpstreamError, UpstreamTimeout
from nexus.headers import own
from nexus.protocols.error_words import decode_error, error_words
from nexus.protocols.eventstream import CorruptMessage, Decoder, named
from nexus.protocols.sse import Frame, FrameDecoder, FrameTooLarge
from nexus.upstream.request import STREAM, Timeouts, UpstreamReply, UpstreamRequest, media_type
from nexus.upstream.transport import Transport
from nexus.wire import Json, decode, mapping, text

NOT_SERVED = "is not served through this protocol"
MOST_READ = 64 * 2**20
"""Maximum bytes of an answer that is not a stream."""

_AWS = "application/vnd.amazon.eventstream"


class CheckFailed(Exception):
    """The exchange failed or the answer is invalid; the message says why."""


class ErrorStatus(CheckFailed):
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


class ServerUnderTest:
    """The server under test; ``url`` has no trailing slash, ``timeout`` is for each exchange."""

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._transport = Transport("the server", Timeouts(timeout, timeout, timeout))

    def get(self, path: str, headers: Mapping[str, str]) -> Json:
        with self._exchange(UpstreamRequest(self._url + path, dict(headers), b"", "GET"), Timings()) as reply:
            return reply.document()

    @contextmanager
    def post(self, path: str, body: Json, headers: Mapping[str, str], trace: Timings) -> Iterator[Reply]:
        sent = {"content-type": "application/json", **{name.lower(): value for name, value in headers.items()}}
        with self._exchange(UpstreamRequest(self._url + path, sent, json.dumps(body).encode()), trace) as reply:
            yield reply

    @contextmanager
    def _exchange(self, request: UpstreamRequest, trace: Timings) -> Iterator[Reply]:
        trace.began, cancel = time.monotonic(), Cancel()
        late = UpstreamTimeout(f"no complete answer within {self._timeout:g}s", provider="")
        try:
            with cancel.within(self._timeout, late), self._transport.send(request, cancel) as reply:
                trace.route = reply.headers.get(own.ROUTE, "")
                if reply.status >= 400:
                    raise _refusal(reply)
                yield Reply(reply)
        except UpstreamTimeout as error:
            raise CheckFailed(str(late)) from error
        except UpstreamError as error:
            problem = "cannot connect" if error.phase in UNSENT else "the connection was lost"
            raise CheckFailed(f"{problem}: {error.cause or error}") from error
        finally:
            trace.total = trace.elapsed()


@dataclass(frozen=True, slots=True)
class Reply:
    """A response whose headers have arrived."""

    reply: UpstreamReply

    def document(self) -> Json:
        """The body as JSON. Raises CheckFailed."""
        try:
            return decode(self.reply.whole(MOST_READ) or b"")
        except ValueError as error:
            raise CheckFailed("the body is not JSON") from error

    def frames(self) -> Iterator[Frame]:
        """The frames of an event stream as they arrive. Raises CheckFailed."""
        decoder = FrameDecoder()
        try:
            for piece in self._pieces(STREAM):
                yield from decoder.feed(piece)
        except FrameTooLarge as error:
            raise CheckFailed(str(error)) from error
        if decoder.rest.strip():
            raise CheckFailed("the stream ended within an event")

    def events(self) -> Iterator[tuple[str, str]]:
        """Name and payload of the events of an AWS event stream, with its checksums verified. Raises CheckFailed."""
        decoder = Decoder()
        try:
            for piece in self._pieces(_AWS):
                yield from map(named, decoder.feed(piece))
            decoder.finish()
        except CorruptMessage as error:
            raise CheckFailed(f"the event stream is broken: {error}") from error

    def _pieces(self, wanted: str) -> Iterator[bytes]:
        kind = self.reply.headers.get("content-type", "")
        if media_type(kind) != wanted:
            raise CheckFailed(f"expected the content type {wanted}, got {kind or 'none'}")
        yield from iter(self.reply.read, b"")


def _refusal(reply: UpstreamReply) -> ErrorStatus:
    body = reply.whole(MOST_READ) or b""
    document = decode_error(body)
    error = mapping(mapping(document).get("error"))
    code = text(error.get("code")) or text(error.get("type"))
    message = ": ".join(filter(None, (code, error_words(document, body)))) or "no error body"
    unsupported = reply.headers.get(own.ERROR) == "unsupported_feature"
    kind = NotServed if reply.status == 400 and unsupported and NOT_SERVED in message else ErrorStatus
    return kind(f"{reply.status} {message}", reply.status)
