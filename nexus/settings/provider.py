"""``[llm.providers.NAME]``: the settings that providers of every type share.

A provider type declares its own keys in a subclass next to its code, never here. Nothing is read from the environment
unless a template in the file says so.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from nexus.settings import registry
from nexus.settings.attempts import ProviderTimeouts, Retries
from nexus.settings.files import trust_of
from nexus.settings.header_rules import HeaderRules, writers
from nexus.settings.limits import RateLimits
from nexus.settings.model import ModelSettings
from nexus.settings.tagged import Tagged
from nexus.settings.types import FilePath, KeyPath, Label, Location, PositiveDuration, Table, did_you_mean, fail_at
from nexus.settings.urls import BaseUrl, ProxyUrl, is_plain
from nexus.upstream.tls import Trust, tls_context

NO_KEYS = "is empty; list one key for each account, or set api_key"
SAME_KEY = "has a key twice; each key must be a separate account"

NO_KEY = (
    "is missing or empty: set api_key, or forward_token = true to use the callers' own keys; "
    'for a server that needs no key use any text, such as api_key = "none"'
)

_MEANT = dict.fromkeys(("gemini", "vertex", "vertexai", "vertex_ai"), "google") | {
    "claude": "anthropic",
    "aws": "bedrock",
    "amazon": "bedrock",
}
"""Provider types by other names of their vendors."""

SHORTEST_KEY = 6
"""Minimum characters of a key that counts as a secret."""


class ProviderSettings(Tagged):
    """A provider: one place to send calls to."""

    needs_key: ClassVar[bool] = True
    key_sources: ClassVar[tuple[str, ...]] = ("forward_token", "api_key_command", "api_keys")
    """Settings that can replace api_key."""

    login_dialect: ClassVar[str] = ""
    """The dialect of clients whose own login the vendor accepts; "" if it accepts none."""

    passes_paths: ClassVar[bool] = True
    """Whether ``passthrough`` works: other paths of the vendor accept the plain key."""

    searches: ClassVar[bool] = False
    """Whether the vendor has a web search that translation can request."""

    @classmethod
    def variants(cls) -> Mapping[str, type[Table]]:
        return registry.SettingsTypes()

    @classmethod
    def wrong_kind(cls, table: Mapping[str, Any]) -> str:
        kind, known = table.get("type"), f"known types: {', '.join(cls.variants())}"
        if kind is None:
            split = any(isinstance(item, dict) and "type" in item for item in table.values())
            hint = '; a name with a dot needs quotes: [llm.providers."NAME"]' if split else ""
            return f"is missing; it must be a provider type ({known}){hint}"
        word = kind.lower() if isinstance(kind, str) else ""
        hint = did_you_mean(_MEANT.get(word, word), cls.variants())
        compatible = '; for a server that is compatible with OpenAI, "openai" and its base_url'
        return f"unknown provider type{hint or compatible} ({known})"

    type: str
    """Type of the provider, such as "openai"."""

    forward_token: bool = False
    """Use the vendor key in the caller's X-Provider-API-Key header, falling back to api_key."""

    # Not in the repr, because its arguments may hold a secret.
    api_key_command: tuple[str, ...] | None = Field(default=None, repr=False)
    """Program and arguments that print the key, in place of api_key. Run without a shell, at start and when the vendor
    rejects the key, at most every 30 seconds."""

    api_keys: tuple[SecretStr, ...] | None = None
    """Several keys in place of api_key, each of a separate account; sessions are spread over them."""

    # Declared after its alternatives, because its check reads them and fields are validated in order.
    api_key: SecretStr | None = Field(default=None, validate_default=True)
    """The vendor's key, preferably as a template such as "{{ env.OPENAI_API_KEY }}"."""

    api_key_refresh: PositiveDuration = 3600.0
    """How long Nexus uses a key that api_key_command printed before it runs the program again."""

    base_url: BaseUrl | None = None
    """Base URL of the API. Default: the vendor's public address."""

    passthrough: bool = False
    """Let callers reach other paths of the vendor below /llm/raw/NAME: those with a prefix in passthrough_paths."""

    passthrough_paths: tuple[str, ...] = ()
    """Prefixes of the paths to pass through, as they follow the vendor's host, such as "/v1/fine_tuning"."""

    unknown: Literal["deny", "allow"] = "deny"
    """Calls whose tokens or cost cannot be counted, by callers with a token limit or a budget: "deny" rejects them,
    "allow" lets them through."""

    models: dict[Label, ModelSettings] = Field(default_factory=dict)
    """Models by alias, or a list of names. Only these models are served."""

    max_concurrency: Annotated[int, Field(ge=1)] | None = None
    """Maximum calls in flight to this provider; one more goes to the next target, or gets a 503. Default: no limit."""

    headers: HeaderRules = ()
    """Rules for the headers sent to the vendor, applied in order."""

    rate_limits: RateLimits | None = None
    """Limits per caller, over all models of the provider."""

    retries: Retries = Retries.model_construct()
    """Retries before the first content."""

    timeouts: ProviderTimeouts = ProviderTimeouts.model_construct()
    """Timeouts of each phase of a call."""

    proxy: ProxyUrl | None = Field(default=None, repr=False)  # it may hold a password
    """URL of a forward proxy (http, https, socks5 or socks5h), or "none". Default: llm.proxy. Nexus ignores proxy
    variables of the environment."""

    ca_file: FilePath | None = None
    """CA certificates (PEM) to trust instead of the system's, for private servers. Default: llm.ca_file."""

    client_cert: FilePath | None = None
    """Client certificate and its chain (PEM), for servers that require one."""

    client_key: FilePath | None = None
    """Private key of client_cert (PEM, without a passphrase), if client_cert does not contain it."""

    @property
    def trust(self) -> Trust:
        """The CA and client certificates of connections to the vendor."""
        return trust_of(self.ca_file, self.client_cert, self.client_key)

    def problems(self) -> Iterator[Location]:
        if self.passthrough and not self.passes_paths:
            yield ("passthrough",), f"has no effect with type {self.type}"
        elif self.passthrough and not self.passthrough_paths:
            yield ("passthrough",), "has no effect without passthrough_paths"
        for index, path in enumerate(self.passthrough_paths):
            if not is_plain(path) or path == "/":
                yield ("passthrough_paths", index), 'must be a path such as "/v1/fine_tuning"'
        yield from self._certificate_problems()
        if not self.searches:
            text = "has no effect: Nexus supports no web search of this vendor"
            yield from ((("models", alias, "web_search"), text) for alias, one in self.models.items() if one.web_search)
        text = "is the header in which Nexus sends the credential; remove this rule"
        yield from ((path, text) for header in self.signed_headers for path in self.rules_on(header))
        named = [name for name in ("api_key", "api_keys", "api_key_command") if getattr(self, name) is not None]
        yield from (((name,), f"cannot be combined with {named[0]}; set only one of them") for name in named[1:])
        if "api_key_refresh" in self.model_fields_set and self.api_key_command is None:
            yield ("api_key_refresh",), "has no effect without api_key_command"

    def _certificate_problems(self) -> Iterator[Location]:
        if self.client_key is not None and self.client_cert is None:
            yield ("client_key",), "has no effect without client_cert"
            return
        try:
            if self.trust != Trust():
                tls_context(self.trust)
        except (OSError, ValueError):
            at = "client_cert" if self.client_cert is not None else "ca_file"
            yield (at,), "has no readable certificate, or its key does not match or has a passphrase"

    @field_validator("models", mode="before")
    @classmethod
    def _named_only(cls, value: object) -> object:
        """Accepts a list of names as the short form of the table."""
        if isinstance(value, dict):
            return value
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise ValueError('must be a list of names, such as ["NAME"], or a table')
        if len(set(value)) < len(value):
            raise ValueError("names a model twice")
        return {name: {} for name in value}

    @property
    def takes_callers_key(self) -> bool:
        """Whether callers may send their own vendor key."""
        return self.forward_token

    @property
    def files_and_batches(self) -> tuple[str, ...]:
        """Which of "files" and "batches" the provider stores for callers."""
        return ()

    @property
    def forwards_login(self) -> bool:
        """Whether a caller's own vendor login is forwarded."""
        return False

    @property
    def signed_headers(self) -> tuple[str, ...]:
        """Credential headers that Nexus writes when it sends a request, whatever the header rules say."""
        return ()

    @property
    def has_key(self) -> bool:
        """Whether the gateway has a key or can get one."""
        return bool(self.configured_keys) or self.api_key_command is not None

    @property
    def configured_keys(self) -> tuple[SecretStr, ...]:
        """The keys that the settings hold, one per account."""
        return self.api_keys or (() if self.api_key is None else (self.api_key,))

    @property
    def spends(self) -> bool:
        """Whether callers without their own key use a credential of the operator."""
        # A shorter key ("none", "x") is a placeholder for a server that needs no key.
        shown = [len(key.get_secret_value()) >= SHORTEST_KEY for key in self.configured_keys]
        return any(shown) if shown else self.has_key

    def spellings(self, key: SecretStr) -> tuple[str, ...]:
        """Every form in which a key is sent."""
        return (key.get_secret_value(),)

    @property
    def derived_secrets(self) -> tuple[str, ...]:
        """Secrets that are derived from the settings, such as encoded keys; the log redactor must know them."""
        return tuple(spelling for key in self.configured_keys for spelling in self.spellings(key))

    def rules_on(self, header: str) -> Iterator[KeyPath]:
        """Paths of the settings of the provider's and its models' rules that name a header."""
        yield from ((*at, key) for at, key in writers(("headers",), self.headers, header))
        for alias, model in self.models.items():
            yield from ((*at, key) for at, key in writers(("models", alias, "headers"), model.headers, header))

    @field_validator("api_key")
    @classmethod
    def _usable_key(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (key := _readable(value)) is not None:
            return key
        # An invalid alternative is missing in info.data: it reports its own problem, and a key may not be needed.
        if cls.needs_key and all(info.data.get(name, True) in (None, False) for name in cls.key_sources):
            raise ValueError(NO_KEY)
        return None

    @field_validator("api_keys")
    @classmethod
    def _usable_keys(cls, value: tuple[SecretStr, ...] | None) -> tuple[SecretStr, ...] | None:
        if value is None:
            return None
        keys = [_readable(key) for key in value]
        if empty := [((index,), "is empty") for index, key in enumerate(keys) if key is None]:
            fail_at(*empty)
        if not keys:
            raise ValueError(NO_KEYS)
        if len({key.get_secret_value() for key in keys if key is not None}) < len(keys):
            raise ValueError(SAME_KEY)
        return tuple(key for key in keys if key is not None)

    @field_validator("api_key_command")
    @classmethod
    def _some_program(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and not (value and value[0].strip()):
            raise ValueError('is empty; write it like ["/usr/local/bin/get-key", "openai"]')
        if any("\0" in text for text in value or ()):
            raise ValueError("contains a character that is not allowed in an argument")
        return value


def _readable(value: SecretStr | None) -> SecretStr | None:
    """A key without surrounding whitespace; None if it is empty. Raises ValueError."""
    key = value.get_secret_value().strip() if value is not None else ""
    if not (key.isascii() and key.isprintable()):
        raise ValueError("contains characters that are not allowed in an HTTP header")
    return SecretStr(key) if key else None
