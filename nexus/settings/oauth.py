"""``[server.oauth]``: tokens of an identity provider, and where its keys are found."""

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, Field, FilePath, SecretStr, field_validator

from nexus.settings.listen import HostName
from nexus.settings.types import DAY, Duration, Label, Location, Table
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


def read_issuer(value: str) -> str:
    """The name of an identity provider, which is the address of its document too; a slash behind it counts."""
    text = value.strip()
    url = read_base_url(text)
    if not url.startswith("https:") and not (url.startswith("http:") and is_loopback(host_of(url) or "")):
        raise ValueError("must begin with https://: otherwise anyone on the network path could issue tokens")
    return url + ("/" if text.endswith("/") else "")


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
            raise ValueError("lists no issuer")
        return value


class LoginSettings(Table):
    """``[server.oauth.login]``: as which client ``nexus login`` asks the issuer for a token (RFC 8628)."""

    client_id: Label
    """The id of a public client that may use the device authorization grant."""

    client_secret: SecretStr | None = None
    """For the few issuers that want one of such clients too; it is no secret from whoever logs in."""

    scopes: tuple[Label, ...] = ("openid", "offline_access")
    """What is asked for; offline_access lets a login be renewed."""

    audience: Label | None = None
    """Where the issuer wants it, what the token is for."""

    token: Literal["access_token", "id_token"] = "access_token"
    """Which token of the answer callers show: id_token where access tokens are no JWT."""


class OAuthSettings(Table):
    """Callers show a token (JWT) of an identity provider."""

    issuer: Annotated[str, AfterValidator(read_issuer)] | None = None
    """The identity provider, as it names itself: its document at /.well-known/openid-configuration names its keys, and
    the claim "iss" must say it. Either this or url is required."""

    hosts: tuple[HostName, ...] = ()
    """Other hosts than the issuer's own where its document may say that keys and logins are."""

    url: JwksUrl | None = None
    """The identity provider's keys: its JWKS document, where no document of the issuer is to be asked."""

    poll_interval: Annotated[Duration, Field(ge=1, le=DAY)] = 300.0
    """How often Nexus fetches the keys again; it looks for an unknown key at once."""

    expected_issuer: Label | None = None
    """What the claim "iss" must say; by default the issuer, and without either Nexus does not look at it."""

    expected_audience: Label | None = None
    """What the claim "aud" must hold; by default Nexus does not look at it."""

    ca_file: FilePath | None = None
    """CA certificates (PEM) to trust instead of the public ones when the keys are fetched."""

    protected_resource: ProtectedResource | None = None
    """The public metadata at /.well-known/oauth-protected-resource."""

    login: LoginSettings | None = None
    """For ``nexus login``."""

    @property
    def claimed_issuer(self) -> str | None:
        """What "iss" must say."""
        return self.expected_issuer or self.issuer

    def problems(self) -> Iterator[Location]:
        if self.url is None and self.issuer is None:
            yield (), "has neither issuer nor url; one of them is needed to find the token signing keys"
        elif self.login is not None and self.issuer is None:
            yield ("login",), "needs issuer, whose discovery document has the login endpoints"


def oauth_warnings(oauth: OAuthSettings | None) -> tuple[str, ...]:
    """What is allowed and yet worth a loud word."""
    if oauth is None:
        return ()
    risks = []
    if oauth.url is not None and oauth.url.startswith("http:") and not is_loopback(host_of(oauth.url) or ""):
        risks.append("server.oauth.url is not https: anyone on the network path can issue tokens")
    if oauth.expected_audience is None:
        risks.append("server.oauth has no expected_audience: tokens for other services are accepted")
    if oauth.claimed_issuer is None:
        risks.append("server.oauth has no expected_issuer: the iss claim of tokens is not checked")
    return tuple(risks)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
