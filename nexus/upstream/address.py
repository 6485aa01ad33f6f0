"""Parses the URLs of a vendor and of a proxy for an HTTP exchange, and builds the request head. Pure."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from urllib3.util.url import _encode_target

from nexus.dataclasses import dataclass, field
from nexus.late import pattern
from nexus.upstream.network_errors import authority_of

_PORTS = {"http": 80, "https": 443}
_HEAD = pattern(r"[^\0\r\n]+\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [^\0\r\n]*\r\n)*\r\n")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes.

    ``origin`` is scheme, host and port: the key of a connection pool. ``host`` is the Host header. ``target`` is the
    request target, and ``proxied`` the absolute one that a forwarding proxy needs. ``shown`` is for the log.
    """

    origin: tuple[str, str, int | None]
    host: str
    target: str
    shown: str

    @property
    def is_secure(self) -> bool:
        return self.origin[0] == "https"

    @property
    def proxied(self) -> str:
        return f"{self.origin[0]}://{self.host}{self.target}"


@functools.lru_cache(maxsize=1024)
def address_of(url: str) -> Address:
    """Parses ``url``. Raises ValueError if it is invalid."""
    parts = urlsplit(url)
    name, port = parts.hostname or "", parts.port
    host = f"[{name}]" if ":" in name else name if name.isascii() else name.encode("idna").decode()
    if port is not None and port != _PORTS.get(parts.scheme):
        host = f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    target = _encode_target(f"/{parts.path.lstrip('/')}{query}")
    return Address((parts.scheme, name, port), host, target, authority_of(url))


@dataclass(frozen=True, slots=True)
class Socks:
    """A SOCKS5 proxy; with ``remote_names`` the proxy resolves host names (``socks5h``)."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    remote_names: bool = False


def socks_of(proxy: str | None) -> Socks | None:
    """The proxy behind a URL, if it is a SOCKS5 one."""
    parts = urlsplit(proxy or "")
    if not parts.scheme.startswith("socks5") or parts.hostname is None:
        return None
    name = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return Socks(parts.hostname, parts.port or 1080, name, password, remote_names=parts.scheme == "socks5h")


def head_of(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """The request head. Raises ValueError if it would not be one valid head."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    head = f"{method} {target} HTTP/1.1\r\n{lines}\r\n"
    # One line per header: a line break in a value would inject another header.
    if head.count("\n") != len(headers) + 2 or _HEAD.fullmatch(head) is None:
        raise ValueError("a header of the request is not valid HTTP")
    return head.encode("latin-1")
