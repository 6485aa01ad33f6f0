"""``[server.oauth]``: accepts tokens of an identity provider."""

from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator

from nexus.settings.listen import HostName, is_loopback_host
from nexus.settings.types import DAY, Duration, FilePath, Label, Location, Table
from nexus.settings.urls import host_of, read_base_url


def read_jwks_url(value: str) -> str:
    """The URL of a JWKS document; unlike a base URL it may have a query. Raises ValueError."""
    url, mark, query = value.strip().partition("?")
    if "#" in query or not query.isprintable() or " " in query:
        raise ValueError("must not have a fragment, or spaces or control characters in its query")
    return read_base_url(url) + mark + query


def read_identifier(value: str) -> str:
    """The URL of a resource or an authorization server; a bare origin ends in a slash. Raises ValueError."""
    parts = urlsplit(read_base_url(value) + ("/" if value.strip().endswith("/") else ""))
    return urlunsplit(parts._replace(path=parts.path or "/"))


def read_issuer(value: str) -> str:
    """The URL that identifies an identity provider; a trailing slash is significant. Raises ValueError."""
    text = value.strip()
    url = read_base_url(text)
    if not url.startswith("https:") and not (url.startswith("http:") and is_loopback_host(host_of(url) or "")):
        raise ValueError("must begin with https://: otherwise anyone on the network path could issue tokens")
    return url + ("/" if text.endswith("/") else "")


JwksUrl = Annotated[str, AfterValidator(read_jwks_url)]
Identifier = Annotated[str, AfterValidator(read_identifier)]


class ProtectedResource(Table):
    """``[server.oauth.protected_resource]``: protected resource metadata, by which clients find where to log in (RFC
    9728)."""

    resource: Identifier
    """Public URL of this gateway."""

    authorization_servers: tuple[Identifier, ...]
    """URLs of the authorization servers that issue tokens for it."""

    @field_validator("authorization_servers")
    @classmethod
    def _some_server(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("is empty; list the URL of each authorization server")
        return value


class LoginSettings(Table):
    """``[server.oauth.login]``: the OAuth client with which ``nexus login`` requests a token (RFC 8628)."""

    client_id: Label
    """Id of a public client that may use the device authorization grant."""

    client_secret: SecretStr | None = None
    """Client secret, for the few issuers that require one of public clients too; anyone who logs in can see it."""

    scopes: tuple[Label, ...] = ("openid", "offline_access")
    """Scopes to request; offline_access allows renewing a login."""

    audience: Label | None = None
    """Audience of the token, if the issuer requires it."""

    token: Literal["access_token", "id_token"] = "access_token"
    """Which token of the response callers send; id_token if the issuer's access tokens are not JWTs."""


class OAuthSettings(Table):
    """Callers authenticate with a token (JWT) of an identity provider."""

    issuer: Annotated[str, AfterValidator(read_issuer)] | None = None
    """Issuer URL of the identity provider. Nexus finds its keys through /.well-known/openid-configuration and requires
    it in the claim "iss". Either this or url is required."""

    hosts: tuple[HostName, ...] = ()
    """Additional hosts that the issuer's document may name for keys and logins, besides the issuer's own."""

    url: JwksUrl | None = None
    """URL of the identity provider's keys (JWKS), to skip discovery."""

    poll_interval: Annotated[Duration, Field(ge=1, le=DAY)] = 300.0
    """How often Nexus fetches the keys again, 1s to 1d; an unknown key triggers a fetch at once."""

    expected_issuer: Label | None = None
    """Required value of the claim "iss". Default: issuer; not checked without either."""

    expected_audience: Label | None = None
    """Required value in the claim "aud". Default: not checked."""

    ca_file: FilePath | None = None
    """CA certificates (PEM) to trust instead of the public ones when fetching keys."""

    protected_resource: ProtectedResource | None = None
    """Metadata to serve at /.well-known/oauth-protected-resource."""

    login: LoginSettings | None = None
    """OAuth client for ``nexus login``."""

    @property
    def claimed_issuer(self) -> str | None:
        """The required value of the claim "iss", or None if it is not checked."""
        return self.expected_issuer or self.issuer

    def problems(self) -> Iterator[Location]:
        if self.url is None and self.issuer is None:
            yield (), "has neither issuer nor url; set one of them, to find the keys that sign tokens"
        elif self.login is not None and self.issuer is None:
            yield ("login",), "needs issuer, whose discovery document has the login endpoints"


def oauth_warnings(oauth: OAuthSettings | None) -> Iterator[str]:
    """Warnings about allowed but risky settings."""
    if oauth is None:
        return
    if oauth.url is not None and oauth.url.startswith("http:") and not is_loopback_host(host_of(oauth.url) or ""):
        yield "server.oauth.url is not https: anyone on the network path can issue tokens"
    if oauth.expected_audience is None:
        yield "server.oauth has no expected_audience: tokens for other services are accepted"
    if oauth.claimed_issuer is None:
        yield "server.oauth has no expected_issuer: the iss claim of tokens is not checked"
