"""Checks before every handler: CORS, CSRF, the Host header, and the client's address.

Loop thread only; never blocks. The rules are in ``nexus.auth``; this file applies them to Tornado's requests.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Self

from tornado.httputil import HTTPHeaders, HTTPServerRequest

from nexus.auth import cors, metadata
from nexus.auth.client_ip import client_ip, missing_hops
from nexus.auth.cors import is_own
from nexus.auth.credentials import HeaderLines
from nexus.dataclasses import dataclass, field
from nexus.errors import PermissionDenied
from nexus.late import pattern
from nexus.settings.guards import ClientIpSettings, CorsSettings, CsrfSettings
from nexus.settings.oauth import ProtectedResource
from nexus.settings.server import ServerSettings

log = logging.getLogger("nexus")


def header_lines(headers: HTTPHeaders) -> HeaderLines:
    """Returns all lines of each header, by lower-case name."""
    lines: dict[str, list[str]] = {}
    for name, value in headers.get_all():
        lines.setdefault(name.lower(), []).append(value)
    return lines


@dataclass(frozen=True, slots=True)
class Guards:
    """``own_hosts`` are the accepted Host names besides this machine's own; None if any name is accepted. ``warned``
    has the proxy that ``caller_ip`` has warned about, once it has."""

    requires_credential: bool
    cors: CorsSettings | None
    csrf: CsrfSettings
    client_ip: ClientIpSettings
    resource: ProtectedResource | None
    own_hosts: tuple[str, ...] | None = None
    warned: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, own: ServerSettings) -> Self:
        resource = own.oauth.protected_resource if own.oauth is not None else None
        hosts = own.hosts if own.is_local else None
        return cls(own.requires_credential, own.cors, own.csrf, own.client_ip, resource, hosts)

    def caller_ip(self, lines: HeaderLines, peer: str) -> str:
        """Returns the client's IP address, from the headers of a trusted proxy if there is one. Warns once if fewer
        proxies add to X-Forwarded-For than are trusted: the entry that is believed may then be the client's own."""
        hops = self.client_ip.x_forwarded_for_trusted_hops
        if hops and not self.warned and (missing := missing_hops(hops, lines)):
            self.warned.append(peer)
            log.warning(
                "X-Forwarded-For has fewer addresses than server.client_ip.x_forwarded_for_trusted_hops expects: with "
                "too high a number, callers choose their own address",
                extra={"fields": {"hops": hops, "missing": missing, "peer": peer}},
            )
        return client_ip(self.client_ip, lines, peer)

    def check_host(self, request: HTTPServerRequest) -> None:
        """Raises PermissionDenied for a foreign Host name, if no credential is required: prevents DNS rebinding."""
        if self.own_hosts is None or self.requires_credential or is_unix(request):
            return
        for host in request.headers.get_list("Host"):
            if not is_own(host, self.own_hosts):
                raise PermissionDenied("this Host header is not allowed; add the name to server.hosts")

    def check_page(self, method: str | None, headers: Mapping[str, str]) -> None:
        """Raises PermissionDenied if a page's origin is not allowed, or if a required CSRF header is missing."""
        if self.csrf.enabled and method != "OPTIONS" and self.csrf.header_name not in headers:
            raise PermissionDenied(f"the header {self.csrf.header_name} is missing; send it with any value")
        origin = headers.get("origin")
        # If a credential is required, a foreign page has none. Otherwise any page open in a browser on this machine
        # could call, and with a name that resolves to this address also read the answers.
        if origin is not None and not self.requires_credential and not cors.is_allowed(self.cors, origin):
            raise PermissionDenied("this origin is not allowed; add it to server.cors.allow_origins")

    def challenge(self, error: Exception) -> Mapping[str, str]:
        """Returns the WWW-Authenticate header for an error, if it has one."""
        challenge = metadata.challenge(error, self.resource)
        return {} if challenge is None else {"WWW-Authenticate": challenge}


def is_unix(request: HTTPServerRequest) -> bool:
    stream = getattr(request.connection, "stream", None)
    return getattr(stream, "is_unix", False)


_HOST = pattern(r"[A-Za-z0-9.-]{1,253}(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?")


def origin_of(request: HTTPServerRequest) -> str:
    """Returns the scheme (from a proxy, if it terminates TLS) and host that the client used; "" if Host is invalid."""
    host = request.headers.get("Host", "")
    secure = request.protocol == "https" or request.headers.get("X-Forwarded-Proto") == "https"
    return f"{'https' if secure else 'http'}://{host}" if _HOST.fullmatch(host) else ""
