"""The request to a vendor, and its reply: an event stream or a plain body, whatever its content type says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from nexus.dataclasses import dataclass
from nexus.upstream.upload import Upload

UNIX = "http+unix"
"""URL scheme of a server on a Unix socket; the host is the percent-encoded path of the socket."""

STREAM = "text/event-stream"

_BOM = b"\xef\xbb\xbf"
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
"""How lines of an event stream begin (WHATWG HTML, section 9.2.5)."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts of an exchange in seconds: to connect, until the head of the answer, and between bytes of its body.

    ``keep_alive``: how long an idle connection stays in the pool.
    """

    connect: float
    first_byte: float
    idle: float
    keep_alive: float = 50.0


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One HTTP request. ``headers`` holds the vendor's key, so it is left out of the repr.

    ``dropped`` names what a provider removed from the body, in terms of the body's dialect. Without ``timeouts`` the
    transport's own apply. ``upload`` is sent instead of ``body``. ``repeatable``: whether the vendor may get it twice.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    dropped: tuple[str, ...] = ()
    timeouts: Timeouts | None = None
    upload: Upload | None = None
    repeatable: bool = True

    @property
    def size(self) -> int:
        return len(self.body if self.upload is None else self.upload)

    def sent_with(self, headers: Mapping[str, str], timeouts: Timeouts | None) -> UpstreamRequest:
        return UpstreamRequest(
            self.url, headers, self.body, self.method, self.dropped, timeouts, self.upload, self.repeatable
        )

    def __repr__(self) -> str:
        return f"UpstreamRequest({self.method} {self.url}, {self.size} bytes)"


class UpstreamReply(ABC):
    """An answer whose head has arrived. ``headers`` have lower-case names.

    ``secrets`` are credentials sent with the request in addition to those of the attempt: signatures, access tokens.
    """

    status: int
    headers: Mapping[str, str]
    secrets: tuple[str, ...] = ()

    _ahead: bytes = b""

    @abstractmethod
    def _next(self) -> bytes:
        """The next bytes as they came; b"" at the end. Raises UpstreamError, or the reason of a cancelled call."""

    def read(self) -> bytes:
        """The next bytes, as ``_next``."""
        if not self._ahead:
            return self._next()
        piece, self._ahead = self._ahead, b""
        return piece

    def peek(self) -> bytes:
        """The next bytes, as ``_next``; ``read`` returns them again."""
        self._ahead = self._ahead or self._next()
        return self._ahead

    def whole(self, most: int) -> bytes | None:
        """The whole body, or None if it is longer than ``most`` bytes. Raises as ``read`` does."""
        body = bytearray()
        while piece := self.read():
            body += piece
            if len(body) > most:
                return None
        return bytes(body)

    def original(self) -> bytes:
        """The vendor's own bytes of the next event of the last read, if ``read`` frames events differently from the
        vendor.
        """
        return b""

    def end_within(self, seconds: float) -> None:  # noqa: B027 - nothing to do for a reply that does not wait
        """Gives the upstream at most ``seconds`` more, because its answer is complete. The earliest deadline wins."""

    def begin_piece(self, within: float) -> None:  # noqa: B027 - likewise
        """Gives the upstream at most ``within`` seconds for what the next ``read`` returns, however slowly it comes."""

    def close(self) -> None:  # noqa: B027 - likewise
        """Returns the connection to the pool, or closes it if the answer was not read to its end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LocalReply(UpstreamReply):
    """An answer made in this process; ``pieces`` is consumed as the relay reads it."""

    def __init__(self, status: int, headers: Mapping[str, str], pieces: Iterable[bytes]) -> None:
        self.status = status
        self.headers = headers
        self._pieces = iter(pieces)

    def _next(self) -> bytes:
        return next(self._pieces, b"")


def media_type(value: str) -> str:
    """The media type in lower case, without parameters."""
    return value.partition(";")[0].strip().lower()


def is_stream(first: bytes, kind: str) -> bool:
    """Whether a body that begins with ``first`` is an event stream; the content type ``kind`` decides if the bytes do
    not.
    """
    start = first.removeprefix(_BOM).lstrip()
    if start.startswith(_FIELDS):
        return True
    return kind == STREAM and start[:1] not in (b"{", b"[")
