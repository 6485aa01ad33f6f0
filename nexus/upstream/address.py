"""What a URL of a vendor comes to in an HTTP exchange, and the head that a request begins with. Pure."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from urllib.parse import urlsplit

from urllib3.util.url import _encode_target

from nexus.dataclasses import dataclass
from nexus.late import pattern
from nexus.upstream.network_errors import host_of

_PORTS = {"http": 80, "https": 443}
_HEAD = pattern(r"[^\0\r\n]+\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [^\0\r\n]*\r\n)*\r\n")


@dataclass(frozen=True, slots=True)
class Address:
    """``origin`` is scheme, host and port, what connections are kept for; ``host`` is the header of that name,
    ``target`` what a server is asked for, and ``proxied`` what a proxy is that forwards; ``shown`` is for the log.
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
    """Raises ValueError."""
    parts = urlsplit(url)
    name, port = parts.hostname or "", parts.port
    host = f"[{name}]" if ":" in name else name if name.isascii() else name.encode("idna").decode()
    if port is not None and port != _PORTS.get(parts.scheme):
        host = f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    target = _encode_target(f"/{parts.path.lstrip('/')}{query}")
    return Address((parts.scheme, name, port), host, target, host_of(url))


def head_of(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Raises ValueError for what would not be one head."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    head = f"{method} {target} HTTP/1.1\r\n{lines}\r\n"
    # One line each: a value with a line end in it would be a header of its own.
    if head.count("\n") != len(headers) + 2 or _HEAD.fullmatch(head) is None:
        raise ValueError("a header of the request is not valid HTTP")
    return head.encode("latin-1")
