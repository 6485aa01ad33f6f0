"""The request that goes to a vendor, and the reply that comes back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from nexus.dataclasses import dataclass
from nexus.upstream.upload import Upload

UNIX = "http+unix"
"""The scheme of a server that listens on a Unix socket; its host is the percent-encoded path of the socket."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds after which an exchange is given up: to connect, to the head of the answer, and without a byte of it.

    ``keep_alive``: how long an unused connection is kept for the next exchange.
    """

    connect: float
    first_byte: float
    idle: float
    keep_alive: float = 50.0


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One HTTP request. ``headers`` holds the vendor's key, hence it is never shown.

    ``dropped`` names what a provider had to take out of the body, in the words of the body's dialect; ``timeouts`` are
    None where the transport's own hold. ``upload`` is sent in place of ``body``.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    dropped: tuple[str, ...] = ()
    timeouts: Timeouts | None = None
    upload: Upload | None = None

    @property
    def size(self) -> int:
        """Bytes of what is sent behind the head."""
        return len(self.body if self.upload is None else self.upload)

    def sent_with(self, headers: Mapping[str, str], timeouts: Timeouts | None) -> UpstreamRequest:
        """The same with other headers and timeouts."""
        return UpstreamRequest(self.url, headers, self.body, self.method, self.dropped, timeouts, self.upload)

    def __repr__(self) -> str:
        return f"UpstreamRequest({self.method} {self.url}, {self.size} bytes)"


class UpstreamReply(ABC):
    """An answer whose head has arrived. ``headers`` have lower-case names.

    ``secrets`` are the credentials that went with the request beyond those of its attempt: signatures, access tokens.
    """

    status: int
    headers: Mapping[str, str]
    secrets: tuple[str, ...] = ()

    @abstractmethod
    def read(self) -> bytes:
        """The next bytes as they came; b"" at the end. Raises UpstreamError, or the reason of a cancelled call."""

    def whole(self, most: int) -> bytes | None:
        """All of it; None where that is more than so many bytes. Raises as ``read`` does."""
        body = bytearray()
        while piece := self.read():
            body += piece
            if len(body) > most:
                return None
        return bytes(body)

    def original(self) -> bytes:
        """The vendor's own bytes of the next event of what was read last, where ``read`` frames events otherwise."""
        return b""

    def end_within(self, seconds: float) -> None:  # noqa: B027 - nothing to do where nobody is waited for
        """The upstream gets no more than ``seconds`` from here: its answer is complete. The earliest end stays."""

    def close(self) -> None:  # noqa: B027 - likewise
        """Gives the connection back, or up when the answer was not read to its end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LocalReply(UpstreamReply):
    """An answer made in this process; ``pieces`` is consumed as the relay asks for it."""

    def __init__(self, status: int, headers: Mapping[str, str], pieces: Iterable[bytes]) -> None:
        self.status = status
        self.headers = headers
        self._pieces = iter(pieces)

    def read(self) -> bytes:
        return next(self._pieces, b"")
