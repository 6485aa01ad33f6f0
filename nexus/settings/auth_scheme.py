"""How a provider's key is sent (header, scheme, query parameters), and ``forward_login``, which forwards the caller's
own vendor login to the vendor, and to no other host.

The login is used under the caller's own terms with the vendor; Nexus stores nothing of it.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import parse_qsl, quote, unquote_plus, urlencode

from pydantic import AfterValidator, Field, SecretStr, model_validator

from nexus.headers.forwarding import is_credential
from nexus.settings.entra import EntraSettings
from nexus.settings.header_rules import read_rule_name
from nexus.settings.provider import ProviderSettings
from nexus.settings.types import Location, Table, fail_at
from nexus.settings.urls import host_of

AUTHORIZATION = "authorization"

Scheme = Literal["Bearer", "Basic", "Token", "none"]


class BearerToken(SecretStr):
    """A token that is always sent as ``Authorization: Bearer``, whatever header keys are sent in."""


Query = dict[str, str | SecretStr]
"""Query parameters; a value is a secret if its name says so."""


def read_query(value: Query) -> Query:
    """Query parameters with secret values wrapped. Raises ValueError for an empty name or control characters."""
    texts = {name: _plain(text) for name, text in value.items()}
    for name, text in texts.items():
        if not name or not f"{name}{text}".isprintable():
            raise ValueError("has a parameter without a name, or control characters")
    return {name: SecretStr(text) if is_credential(name) else text for name, text in texts.items()}


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


class _Identity(Table):
    entra: EntraSettings | None = None
    """Use Microsoft Entra ID tokens in place of a key."""


# The last base's fields come first, so that the check of api_key can read them.
class AuthSchemeSettings(ProviderSettings, _Identity):
    """A provider type with compatible servers, which differ in how they take the key."""

    key_sources: ClassVar[tuple[str, ...]] = (*ProviderSettings.key_sources, "entra")
    key_header: ClassVar[str] = AUTHORIZATION
    """The header that carries the key by default."""

    request_paths: ClassVar[tuple[str, ...]] = ()
    """Request paths to strip from the end of base_url, because vendors' pages show full endpoint URLs."""

    auth_header: Annotated[str, AfterValidator(read_rule_name)] | None = None
    """Header that carries the key, such as "api-key" for Azure. Default: the vendor's, "authorization" or
    "x-api-key"."""

    auth_scheme: Scheme | None = None
    """Scheme to write before the key: "Bearer", "Basic" (a key with a colon is taken as user:password and
    base64-encoded), "Token" or "none". Default: "Bearer" in the header authorization, else "none"."""

    query: Annotated[Query, AfterValidator(read_query)] = Field(default_factory=dict)
    """Query parameters to add to every request, such as api-version; they may also follow a ? in base_url."""

    @property
    def has_key(self) -> bool:
        return super().has_key or self.entra is not None

    @property
    def carrier(self) -> str:
        """The header that carries the key."""
        schemed = self.auth_scheme not in (None, "none")
        return self.auth_header or (AUTHORIZATION if schemed else self.key_header)

    def credential(self, key: SecretStr) -> dict[str, str]:
        """The header that sends ``key``, with its value."""
        text = key.get_secret_value()
        if isinstance(key, BearerToken):
            return {AUTHORIZATION: f"Bearer {text}"}
        scheme = self.auth_scheme or ("Bearer" if self.carrier == AUTHORIZATION else "none")
        spelled = _basic(text) if scheme == "Basic" else text
        return {self.carrier: spelled if scheme == "none" else f"{scheme} {spelled}"}

    def spellings(self, key: SecretStr) -> tuple[str, ...]:
        text = key.get_secret_value()
        return (text, _basic(text)) if self.auth_scheme == "Basic" else (text,)

    @property
    def query_secrets(self) -> tuple[str, ...]:
        """Values of the query parameters that carry a credential, judged by their names."""
        return tuple(value.get_secret_value() for value in self.query.values() if isinstance(value, SecretStr))

    def with_query(self, url: str, client: str) -> str:
        """``url`` with the configured parameters, and those of the ``client`` that they do not override."""
        if not self.query and not client:
            return url
        own = urlencode({name: _plain(value) for name, value in self.query.items()}, quote_via=quote)
        theirs = (pair for pair in client.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in self.query)
        query = "&".join([*([own] if own else []), *theirs])
        return f"{url}?{query}" if query else url

    @model_validator(mode="before")
    @classmethod
    def _endpoint_as_base_url(cls, data: Any) -> Any:
        """Moves a query in base_url to ``query``, and strips a request path from its end."""
        url = data.get("base_url") if isinstance(data, dict) else None
        if not isinstance(url, str) or "#" in url:
            return data
        base, _, query = url.strip().partition("?")
        base = base.rstrip("/")
        for endpoint in cls.request_paths:
            base = base.removesuffix(endpoint)
        pairs, own = dict(parse_qsl(query, keep_blank_values=True)), data.get("query", {})
        if pairs and (not isinstance(own, Mapping) or set(pairs) & set(own)):
            fail_at((("base_url",), "has a parameter that query sets too; set it only once"))
        return {**data, "base_url": base} | ({"query": {**pairs, **own}} if pairs else {})

    def problems(self) -> Iterator[Location]:
        named = [name for name in ("auth_scheme", "auth_header", "entra") if getattr(self, name) is not None]
        if named:
            header = AUTHORIZATION if named == ["entra"] else self.carrier
            text = f"sets the header {header}, as {named[0]} does; remove one of them"
            yield from ((path, text) for path in self.rules_on(header))
        if self.entra is not None and super().has_key:
            yield ("entra",), "cannot be combined with a key; set only one of them"


def _basic(text: str) -> str:
    """RFC 7617. Base64 has no colon, so a key without one is already encoded."""
    return base64.b64encode(text.encode()).decode() if ":" in text else text


class _Login(Table):
    forward_login: bool | str = False
    """Forward the caller's own login (Authorization: Bearer; of claude.ai, or of Codex at ChatGPT) to the vendor in
    place of api_key, under the caller's own terms with the vendor. Callers then send their gateway key in x-nexus-key
    or Proxy-Authorization. With your own base_url: its host instead of true."""


# The last base's fields come first, so that the check of api_key can read them.
class VendorLoginSettings(AuthSchemeSettings, _Login):
    """A provider whose vendor has logins. ``login_url`` is the base URL that accepts them, ``login_dialect`` the
    dialect of the clients that send them."""

    key_sources: ClassVar[tuple[str, ...]] = (*AuthSchemeSettings.key_sources, "forward_login")
    login_url: ClassVar[str]

    @property
    def forwards_login(self) -> bool:
        return bool(self.forward_login)

    @property
    def takes_callers_key(self) -> bool:
        return self.forward_token or bool(self.forward_login)

    def problems(self) -> Iterator[Location]:
        if not self.forward_login:
            return
        url, home = self.base_url or self.login_url, host_of(self.login_url)
        host = host_of(url)
        allowed = home if self.forward_login is True else self.forward_login.strip().lower()
        if allowed != host:
            yield ("forward_login",), f'sends logins to a host other than {home}; to allow it, name the host: "{host}"'
        if host == home and not url.startswith("https://"):
            yield ("forward_login",), f"sends logins to {home} unencrypted; base_url must begin with https://"
        text = "overwrites authorization, which carries the callers' logins (forward_login); remove this rule"
        yield from ((path, text) for path in self.rules_on(AUTHORIZATION))
