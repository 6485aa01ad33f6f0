"""``[server.oauth]``: tokens of an identity provider, and where its keys are found."""

from __future__ import annotations

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, Field, FilePath, field_validator

from nexus.settings.types import DAY, Duration, Label, Table
from nexus.settings.urls import host_of, read_base_url


def read_jwks_url(value: str) -> str:
    """The address of a JWKS document; unlike a base URL it may have a query."""
    url, mark, query = value.strip().partition("?")
    if "#" in query or not query.isprintable() or " " in query:
        raise ValueError("has a query with blanks, control characters or a fragment")
    return read_base_url(url) + mark + query


def read_identifier(value: str) -> str:
    """A URL that names a resource or an authorization server; a bare origin ends in a slash."""
    parts = urlsplit(read_base_url(value) + ("/" if value.strip().endswith("/") else ""))
    return urlunsplit(parts._replace(path=parts.path or "/"))


JwksUrl = Annotated[str, AfterValidator(read_jwks_url)]
Identifier = Annotated[str, AfterValidator(read_identifier)]


class ProtectedResource(Table):
    """``[server.oauth.protected_resource]``: what clients are told that look for where to log in (RFC 9728)."""

    resource: Identifier
    """The address under which clients know this gateway."""

    authorization_servers: tuple[Identifier, ...]
    """Who gives out tokens for it."""

    @field_validator("authorization_servers")
    @classmethod
    def _some_server(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("names nobody who gives out tokens")
        return value


class OAuthSettings(Table):
    """Callers show a token (JWT) of an identity provider."""

    url: JwksUrl
    """The identity provider's keys: its JWKS document."""

    poll_interval: Annotated[Duration, Field(ge=1, le=DAY)] = 300.0
    """How often the keys are fetched anew; an unknown key is looked for at once."""

    expected_issuer: Label | None = None
    """What the claim "iss" must say; not looked at when left out."""

    expected_audience: Label | None = None
    """What the claim "aud" must hold; not looked at when left out."""

    ca_file: FilePath | None = None
    """CA certificates (PEM) to trust instead of the public ones when the keys are fetched."""

    protected_resource: ProtectedResource | None = None
    """The public metadata at /.well-known/oauth-protected-resource."""


def oauth_warnings(oauth: OAuthSettings | None) -> tuple[str, ...]:
    """What is allowed and yet worth a loud word."""
    if oauth is None:
        return ()
    said = []
    if oauth.url.startswith("http:") and not _is_loopback(host_of(oauth.url) or ""):
        said.append("server.oauth.url is not https: whoever sits between can give out tokens for everybody")
    if oauth.expected_audience is None:
        said.append("server.oauth has no expected_audience: tokens that were meant for other services are accepted")
    if oauth.expected_issuer is None:
        said.append("server.oauth has no expected_issuer: the claim iss of tokens is not looked at")
    return tuple(said)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
