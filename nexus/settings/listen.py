"""Listen addresses: ``HOST:PORT``, or ``unix:PATH`` for a Unix socket."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Annotated, TypeAlias
from urllib.parse import quote

from pydantic import AfterValidator, PlainValidator

from nexus.dataclasses import dataclass
from nexus.late import pattern

UNIX = "unix:"
LONGEST_PATH = 100
"""Maximum bytes of a Unix socket's path; systems allow slightly different numbers above it."""

_LABEL = pattern(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_MODE = pattern(r"0?[0-7]{3}")


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A TCP address to listen on; an IPv6 host has no brackets, port 0 means any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        return is_loopback_host(self.host)

    @classmethod
    def read(cls, value: object) -> ListenAddress:
        """Reads "HOST:PORT", with an IPv6 literal in brackets. Raises ValueError."""
        if isinstance(value, ListenAddress):
            return value
        host, colon, port = value.strip().rpartition(":") if isinstance(value, str) else ("", "", "")
        if not colon:
            raise ValueError('is not a listen address; write "HOST:PORT", such as "127.0.0.1:8000" or "[::1]:8000"')
        if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
            raise ValueError("must end with a port from 0 to 65535")
        return cls(_read_host(host), int(port))


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A Unix socket to listen on."""

    path: str

    def __str__(self) -> str:
        return f"{UNIX}{self.path}"

    @property
    def is_loopback(self) -> bool:
        return True

    @classmethod
    def read(cls, value: str) -> UnixAddress:
        """Reads "unix:PATH". Raises ValueError."""
        path = value.strip().removeprefix(UNIX).removeprefix("//")
        if not path or not path.isprintable() or path.endswith("/"):
            raise ValueError('is not the path of a Unix socket; write it like "unix:/run/nexus/nexus.sock"')
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise ValueError(f"is longer than {LONGEST_PATH} bytes; the path of a socket must be shorter")
        return cls(path)


AnyAddress: TypeAlias = ListenAddress | UnixAddress


def url_of(address: AnyAddress, scheme: str = "http") -> str:
    """The URL of a server on ``address``; for a Unix socket in the form that a provider's ``base_url`` accepts."""
    if isinstance(address, UnixAddress):
        return f"http+unix://{quote(address.path, safe='')}"
    return f"{scheme}://{address}"


def read_addresses(value: object) -> tuple[AnyAddress, ...]:
    """Reads one address, several separated by commas, or a list. Raises ValueError."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        parts = [parts]
    addresses = tuple(map(_read_address, parts))
    if not addresses:
        raise ValueError('names no address; write "HOST:PORT", such as "127.0.0.1:8000"')
    named = [address for address in addresses if isinstance(address, UnixAddress) or address.port]
    if len(set(named)) < len(named):
        raise ValueError("names an address twice")
    return addresses


def _read_address(value: object) -> AnyAddress:
    if isinstance(value, UnixAddress):
        return value
    if isinstance(value, str) and value.strip().startswith(UNIX):
        return UnixAddress.read(value)
    return ListenAddress.read(value)


def read_mode(value: str) -> str:
    """File permissions in octal digits. Raises ValueError."""
    if not _MODE.fullmatch(value):
        raise ValueError('is not a mode; write it in octal digits, such as "0660"')
    return value


def is_loopback_host(host: str) -> bool:
    """Whether a name or an IP address means this machine."""
    literal = ip_of(host)
    if literal is None:
        name = host.lower().removesuffix(".")
        return name == "localhost" or name.endswith(".localhost")
    mapped = literal.ipv4_mapped if isinstance(literal, ipaddress.IPv6Address) else None
    return (mapped or literal).is_loopback


def ip_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that ``host`` spells, or None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_hostname(host: str) -> bool:
    labels = host.removesuffix(".").split(".")
    # A last label of digits only is a malformed IPv4 address, never a name (RFC 3696, section 2).
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()


def read_host_name(value: str) -> str:
    """A Host header name, or a wildcard ("*.example.com"), in lower case. Raises ValueError."""
    name = value.strip().lower().removesuffix(".")
    if not is_hostname(name.removeprefix("*.")):
        raise ValueError('is not a host name; write it without a port, like "nexus.example.com" or "*.example.com"')
    return name


def _read_host(host: str) -> str:
    if not host:
        raise ValueError('has no host; "0.0.0.0:PORT" listens on every interface')
    if host.startswith("[") and host.endswith("]"):
        if not isinstance(ip_of(host[1:-1]), ipaddress.IPv6Address):
            raise ValueError("has text in brackets that is not an IPv6 address")
        return host[1:-1]
    if "//" in host:
        raise ValueError('is a URL; write "HOST:PORT" alone')
    if ":" in host:
        raise ValueError('has an IPv6 address without brackets; write it like "[::1]:8000"')
    if ip_of(host) is None and not is_hostname(host):
        raise ValueError("has a host that is neither an IP address nor a host name")
    return host


Addresses = Annotated[tuple[AnyAddress, ...], PlainValidator(read_addresses)]

FileMode = Annotated[str, AfterValidator(read_mode)]

HostName = Annotated[str, AfterValidator(read_host_name)]
