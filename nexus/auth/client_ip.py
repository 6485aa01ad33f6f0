"""The client's address, from the headers of trusted proxies or the socket."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Sequence

from nexus.auth.credentials import HeaderLines
from nexus.settings.guards import ClientIpSettings


def client_ip(settings: ClientIpSettings, headers: HeaderLines, peer: str) -> str:
    """The client's address: X-Real-IP if trusted, else the trusted entry of X-Forwarded-For, else the peer."""
    real = headers.get("x-real-ip", ())
    # Two lines mean that the proxy did not replace the header that its client sent.
    if settings.x_real_ip and len(real) == 1 and (found := read_ip(real[0])) is not None:
        return found
    if settings.x_forwarded_for_trusted_hops is not None:
        found = _forwarded(headers.get("x-forwarded-for", ()), settings.x_forwarded_for_trusted_hops)
        if found is not None:
            return found
    return read_ip(peer) or peer


def missing_hops(hops: int, headers: HeaderLines) -> int:
    """How many entries X-Forwarded-For lacks for these hops; 0 if the request has no such header."""
    lines = headers.get("x-forwarded-for", ())
    return max(0, hops - ",".join(lines).count(",")) if lines else 0


LONGEST = 64
"""Maximum characters of an address with port and brackets, with some margin."""


def read_ip(text: str) -> str | None:
    """The canonical form of an IP address given with or without a port; None for anything else."""
    host = text.strip()
    return _read(host) if len(host) <= LONGEST else None


@functools.lru_cache(1024)
def _read(host: str) -> str | None:
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    # A zone can be any text, so one client could pass for many.
    if "%" in host:
        return None
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)


def _forwarded(lines: Sequence[str], hops: int) -> str | None:
    """The entry ``hops`` places before the last one of all lines joined, or None."""
    entries = ",".join(lines).rsplit(",", hops + 1)
    return read_ip(entries[-1 - hops]) if lines and len(entries) > hops else None
