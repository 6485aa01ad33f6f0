"""Checks before every handler: CORS, CSRF, names of this machine, and the client's address.

Loop thread only; nothing here blocks. Rules are in ``nexus.auth``; this file hands them what Tornado knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from tornado.httputil import HTTPHeaders, HTTPServerRequest

from nexus.auth import cors, metadata
from nexus.auth.client_ip import client_ip
from nexus.auth.cors import is_own
from nexus.auth.credentials import HeaderLines
from nexus.dataclasses import dataclass
from nexus.errors import PermissionDenied
from nexus.late import pattern
from nexus.settings.guards import ClientIpSettings, CorsSettings, CsrfSettings
from nexus.settings.oauth import ProtectedResource
from nexus.settings.server import ServerSettings


def header_lines(headers: HTTPHeaders) -> HeaderLines:
    """Every line of every header, by its lower-case name."""
    lines: dict[str, list[str]] = {}
    for name, value in headers.get_all():
        lines.setdefault(name.lower(), []).append(value)
    return lines


@dataclass(frozen=True, slots=True)
class Guards:
    """``own_hosts`` are the names that the gateway answers to beside this machine's; None where it answers to any."""

    requires_credential: bool
    cors: CorsSettings | None
    csrf: CsrfSettings
    client_ip: ClientIpSettings
    resource: ProtectedResource | None
    own_hosts: tuple[str, ...] | None = None

    @classmethod
    def of(cls, own: ServerSettings) -> Self:
        resource = own.oauth.protected_resource if own.oauth is not None else None
        hosts = own.hosts if own.is_local else None
        return cls(own.asks_who_calls, own.cors, own.csrf, own.client_ip, resource, hosts)

    def caller_ip(self, lines: HeaderLines, peer: str) -> str:
        """Where a call comes from, as far as the proxy in front is believed."""
        return client_ip(self.client_ip, lines, peer)

    def reply_headers(self, request: HTTPServerRequest) -> dict[str, str]:
        """For every reply, errors too: without them a page cannot read why it was refused."""
        return cors.reply_headers(self.cors, request.headers.get("Origin"))

    def preflight(self, request: HTTPServerRequest) -> dict[str, str] | None:
        """The headers of a 204, where a browser asks before it calls; None for any other request."""
        if request.method != "OPTIONS":
            return None
        return cors.preflight_headers(self.cors, {name.lower(): value for name, value in request.headers.items()})

    def check_host(self, request: HTTPServerRequest) -> None:
        """Raises PermissionDenied for a name that is not this machine's, where nothing else keeps a page out."""
        if self.own_hosts is None or self.requires_credential or is_unix(request):
            return
        for host in request.headers.get_list("Host"):
            if not is_own(host, self.own_hosts):
                raise PermissionDenied("this Host header is not allowed; add the name to server.hosts")

    def check_page(self, request: HTTPServerRequest) -> None:
        """Raises PermissionDenied for a page that may not call, and for a form without the header that it needs."""
        if self.csrf.enabled and request.method != "OPTIONS" and self.csrf.header_name not in request.headers:
            raise PermissionDenied(f"the header {self.csrf.header_name} is missing")
        origin = request.headers.get("Origin")
        # With a key or a token to show, a foreign page has nothing to show. Without, whatever page a browser on this
        # machine has open could call, and a name that resolves to this address makes it read the answers too.
        if origin is not None and not self.requires_credential and not cors.is_allowed(self.cors, origin):
            raise PermissionDenied("this origin is not allowed; add it to server.cors.allow_origins")

    def challenge(self, error: Exception) -> Mapping[str, str]:
        """The headers that a refusal has beside its body."""
        challenge = metadata.challenge(error, self.resource)
        return {} if challenge is None else {"WWW-Authenticate": challenge}


def is_unix(request: HTTPServerRequest) -> bool:
    """Whether a request came over a Unix socket."""
    stream = getattr(request.connection, "stream", None)
    return getattr(stream, "is_unix", False)


_HOST = pattern(r"[A-Za-z0-9.-]{1,253}(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?")


def origin_of(request: HTTPServerRequest) -> str:
    """Scheme and host as the client called them, "" where that is no host; a proxy in front may speak HTTPS for us."""
    host = request.headers.get("Host", "")
    secure = request.protocol == "https" or request.headers.get("X-Forwarded-Proto") == "https"
    return f"{'https' if secure else 'http'}://{host}" if _HOST.fullmatch(host) else ""
