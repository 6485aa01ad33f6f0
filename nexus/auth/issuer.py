"""Metadata of an identity provider (OpenID Connect Discovery 1.0, RFC 8414).

Law: endpoints are on the issuer's own host or one that the settings list, and use https except on this machine.
Otherwise an attacker who can answer for the issuer once could make Nexus trust the keys of any server.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from nexus.dataclasses import dataclass
from nexus.settings.listen import is_loopback_host
from nexus.settings.urls import host_of
from nexus.wire import Json, text

WELL_KNOWN = "/.well-known/openid-configuration"
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Metadata:
    """Endpoint URLs; ``token`` and ``device`` are "" if the issuer has none."""

    jwks: str
    token: str
    device: str


def metadata_url(issuer: str) -> str:
    return issuer.rstrip("/") + WELL_KNOWN


def read_metadata(document: Mapping[str, Json], issuer: str, hosts: Collection[str]) -> Metadata:
    """The endpoints in a metadata document. Raises ValueError with a message for users, which names hosts but no full
    URLs."""
    named = text(document.get("issuer"))
    if not named:
        raise ValueError("the answer is no discovery document: it names no issuer")
    if named != issuer:
        slash = "; only the trailing slash differs" if named.rstrip("/") == issuer.rstrip("/") else ""
        raise ValueError(f"the discovery document names another issuer{slash}")
    jwks = _endpoint(document, "jwks_uri", issuer, hosts)
    if not jwks:
        raise ValueError("the discovery document has no jwks_uri")
    token = _endpoint(document, "token_endpoint", issuer, hosts)
    return Metadata(jwks, token, _endpoint(document, "device_authorization_endpoint", issuer, hosts))


def _endpoint(document: Mapping[str, Json], name: str, issuer: str, hosts: Collection[str]) -> str:
    url = text(document.get(name))
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or len(url) > _LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{name} is not a URL")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError(f"{name} has credentials or a fragment")
    own = urlsplit(issuer)
    is_local = parts.scheme == "http" and is_loopback_host(host) and is_loopback_host(own.hostname or "")
    if parts.scheme != "https" and not is_local:
        raise ValueError(f"{name} is not https")
    same = host == host_of(issuer) and (port or _port(parts.scheme)) == (own.port or _port(own.scheme))
    if not same and host not in hosts:
        raise ValueError(f'{name} is at {host}, another host than the issuer; to trust it: hosts = ["{host}"]')
    return url


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
