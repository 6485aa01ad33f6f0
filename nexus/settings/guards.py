"""``[server.tls]``, ``[server.cors]``, ``[server.csrf]`` and ``[server.client_ip]``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator

from nexus.dataclasses import dataclass
from nexus.headers.names import read_header_name
from nexus.headers.own import CSRF
from nexus.late import pattern
from nexus.settings.types import DAY, Duration, FilePath, Location, Read, Table, each

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "PATCH", "TRACE")
PORTS = {"http": 80, "https": 443}

ORIGIN = (
    'is not an origin; write it like "https://app.example.com" or "http://localhost:3000"; a star may stand for the '
    'first labels of the host ("https://*.example.com") or for the port ("http://localhost:*")'
)
_ORIGIN = pattern(r"([a-z][a-z0-9+.-]*)://(\*\.)?([a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}|\*))?")


@dataclass(frozen=True, slots=True)
class AllowedOrigin:
    """One entry of ``allow_origins``; ``below`` means all subdomains of ``host``. ``port`` is None if any port is
    allowed, 0 if the scheme has no default port."""

    scheme: str
    host: str
    below: bool
    port: int | None

    @classmethod
    def read(cls, value: object) -> AllowedOrigin:
        """An origin of the settings file; a trailing slash is ignored. Raises ValueError."""
        if isinstance(value, AllowedOrigin):
            return value
        match = _ORIGIN.fullmatch(value.strip().lower().removesuffix("/")) if isinstance(value, str) else None
        if match is None:
            raise ValueError(ORIGIN)
        port = None if match[4] == "*" else int(match[4] or PORTS.get(match[1], 0))
        if port is not None and port > 65535:
            raise ValueError(ORIGIN)
        return cls(match[1], match[3], match[2] is not None, port)

    def allows(self, origin: str) -> bool:
        """Whether the value of a browser's ``Origin`` header matches."""
        match = _ORIGIN.fullmatch(origin.lower())
        if match is None or match[2] or match[4] == "*":
            return False
        port = int(match[4] or PORTS.get(match[1], 0))
        same_host = match[3].endswith(f".{self.host}") if self.below else match[3] == self.host
        return match[1] == self.scheme and same_host and self.port in (None, port)


def read_method(value: object) -> str:
    if not isinstance(value, str) or value not in METHODS:
        raise ValueError(f"is not an HTTP method; known are: {', '.join(METHODS)}")
    return value


def read_name(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return read_header_name(value)


def star_or(read: Callable[[object], Read]) -> Callable[[object], Literal["*"] | tuple[Read, ...]]:
    """A reader of "*", one entry, or a list of entries; each problem is reported at its own path."""

    def read_all(value: object) -> Literal["*"] | tuple[Read, ...]:
        if value in ("*", ["*"]):
            return "*"
        if not isinstance(value, list | tuple):
            return (read(value),)
        return each(value, read)

    return read_all


Origins = Annotated[Literal["*"] | tuple[AllowedOrigin, ...], PlainValidator(star_or(AllowedOrigin.read))]
Methods = Annotated[Literal["*"] | tuple[str, ...], PlainValidator(star_or(read_method))]
HeaderNames = Annotated[Literal["*"] | tuple[str, ...], PlainValidator(star_or(read_name))]


class CorsSettings(Table):
    """Cross-origin requests: which web pages may call. A key left out sends no such header."""

    allow_origins: Origins | None = None
    """Origins whose pages may call: "*", an origin, or a list of origins."""

    allow_methods: Methods | None = None
    """Methods that pages may use: "*", a method, or a list of methods."""

    allow_headers: HeaderNames | None = None
    """Request headers that pages may send: "*", a header, or a list of headers."""

    expose_headers: HeaderNames | None = None
    """Response headers that pages may read: "*", a header, or a list of headers."""

    allow_credentials: bool = False
    """Whether browsers may send cookies and client certificates."""

    max_age: Annotated[Duration, Field(le=DAY)] | None = None
    """How long a browser may cache the response to its preflight, at most a day."""

    allow_private_network: bool = False
    """Whether public pages may call a gateway in a private network."""

    def problems(self) -> Iterator[Location]:
        keys = ("allow_origins", "allow_methods", "allow_headers", "expose_headers")
        for key in keys if self.allow_credentials else ():
            if getattr(self, key) == "*":
                yield (key,), 'cannot be "*" with allow_credentials; list the names'


class CsrfSettings(Table):
    """CSRF protection: requires a header that a form of another site cannot send."""

    enabled: bool = False
    """Reject requests without the header."""

    header_name: Annotated[str, AfterValidator(read_header_name)] = CSRF
    """Name of the header; any value counts."""


class TlsSettings(Table):
    """Serves HTTPS instead of HTTP."""

    certificate: FilePath
    """Server certificate and its chain (PEM)."""

    key: FilePath
    """Private key of the certificate (PEM, not encrypted)."""


class ClientIpSettings(Table):
    """Proxy headers that Nexus trusts for the client's address."""

    x_real_ip: bool = False
    """Trust X-Real-IP; only if the proxy always sets it."""

    x_forwarded_for_trusted_hops: Annotated[int, Field(ge=0, le=100)] | None = None
    """Trust X-Forwarded-For: take the entry this many places before the last one: 0 behind one proxy, 1 behind two.
    With too high a number, callers can forge their address."""
