"""``[llm.providers.NAME]``: the settings that providers of every type share.

A provider type adds its own keys in a subclass beside its code, never here; nothing is read from the
environment unless a template in the file says so.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, FilePath, SecretStr, ValidationInfo, field_validator

from nexus.settings import registry
from nexus.settings.attempts import Retries, Timeouts
from nexus.settings.attribution import LabelRules
from nexus.settings.files import trust_of
from nexus.settings.header_rules import HeaderRules, writers
from nexus.settings.limits import RateLimits
from nexus.settings.model import ModelSettings
from nexus.settings.tagged import Tagged
from nexus.settings.types import KeyPath, Label, Location, PositiveDuration, Table, did_you_mean, fail_at
from nexus.settings.urls import BaseUrl, ProxyUrl, is_plain
from nexus.upstream.tls import Trust, tls_context

NO_KEYS = "is empty; list one key for each account, or set api_key"
SAME_KEY = "has a key twice; each key must be a separate account"

NO_KEY = (
    "is missing or empty: set api_key, or forward_token = true to use the callers' own keys; "
    'for a server that needs no key use any text, such as api_key = "none"'
)

SHORTEST_KEY = 6
"""Characters of a key that can be a secret."""


class ProviderSettings(Tagged):
    """One configured place to send calls."""

    needs_key: ClassVar[bool] = True
    key_sources: ClassVar[tuple[str, ...]] = ("forward_token", "api_key_command", "api_keys")
    """What can stand in for api_key."""

    login_dialect: ClassVar[str] = ""
    """What clients speak whose own login the vendor takes; "" where it has none."""

    passes_paths: ClassVar[bool] = True
    """Whether other paths of the vendor can be asked with the key as it is."""

    searches: ClassVar[bool] = False
    """Whether the vendor has a search of its own that translation can ask for."""

    @classmethod
    def kinds(cls) -> Collection[str]:
        return registry.kinds()

    is_kind = staticmethod(registry.is_kind)

    @classmethod
    def of_kind(cls, kind: str) -> type[Table]:
        return registry.load(kind).settings_type  # type: ignore[no-any-return]

    @classmethod
    def wrong_kind(cls, table: Mapping[str, Any]) -> str:
        kind, known = table.get("type"), f"known types: {', '.join(cls.kinds())}"
        if kind is None:
            split = any(isinstance(item, dict) and "type" in item for item in table.values())
            hint = '; a name with a dot needs quotes: [llm.providers."NAME"]' if split else ""
            return f"is missing; it must be a provider type ({known}){hint}"
        hint = did_you_mean(kind, sorted(cls.kinds())) if isinstance(kind, str) else ""
        return f"unknown provider type{hint} ({known})"

    attribution_rules: ClassVar[LabelRules | None] = None
    """What the cloud takes of ``attribution``; None where it has none."""

    type: str
    """Which kind of provider this is."""

    forward_token: bool = False
    """Take the vendor's key from the caller's X-Provider-API-Key header, falling back to api_key."""

    # What it is given may hold a secret, hence not in any repr.
    api_key_command: tuple[str, ...] | None = Field(default=None, repr=False)
    """A program and its arguments that print the key, in place of api_key; run without a shell, at start and when the
    vendor refuses the key, at most once in 30 seconds."""

    api_keys: tuple[SecretStr, ...] | None = None
    """Several keys in place of api_key, each an account of its own; sessions are spread over them."""

    # Stands after its alternatives because its check reads them: fields are validated in this order.
    api_key: SecretStr | None = Field(default=None, validate_default=True)
    """The vendor's key; best as a template such as "{{ env.OPENAI_API_KEY }}"."""

    api_key_refresh: PositiveDuration = 3600.0
    """How long Nexus uses a key that the program printed before it asks for the next one."""

    base_url: BaseUrl | None = None
    """Where the API is; by default the vendor's public address."""

    passthrough: bool = False
    """Whether callers reach other paths of the vendor below /llm/raw/NAME: those that passthrough_paths begin."""

    passthrough_paths: tuple[str, ...] = ()
    """What such paths begin with, each as the vendor has it after its host, such as "/v1/fine_tuning"."""

    unknown: Literal["deny", "allow"] = "deny"
    """Whether a caller under a limit in tokens or a budget may ask for what nobody can count."""

    models: dict[Label, ModelSettings] = Field(default_factory=dict)
    """Alias to model, or a list of names; other models do not exist."""

    max_concurrency: Annotated[int, Field(ge=1)] | None = None
    """Calls that may run here at the same time; one more goes to the next target, or gets a 503."""

    headers: HeaderRules = ()
    """What happens to headers on the way to the vendor; in order."""

    rate_limits: RateLimits | None = None
    """What each caller may spend, over all models together."""

    retries: Retries = Retries.model_construct()
    """Tries before the first content."""

    timeouts: Timeouts = Timeouts.model_construct()
    """How long silence may last."""

    proxy: ProxyUrl | None = Field(default=None, repr=False)  # it may hold a password
    """URL of a forward proxy (http, https, socks5 or socks5h), or "none"; llm.proxy when left out. None is ever taken
    from the environment."""

    ca_file: FilePath | None = None
    """CA certificates (PEM) to trust instead of the system's, for servers of one's own; llm.ca_file when left out."""

    client_cert: FilePath | None = None
    """Certificate (PEM) to show to a server that asks for one, and those that vouch for it."""

    client_key: FilePath | None = None
    """The certificate's private key (PEM, without a passphrase); where client_cert does not hold it."""

    @property
    def trust(self) -> Trust:
        """The certificates on both sides of a connection."""
        return trust_of(self.ca_file, self.client_cert, self.client_key)

    def problems(self) -> Iterator[Location]:
        if self.passthrough and not self.passes_paths:
            yield ("passthrough",), f"has no effect with type {self.type}"
        elif self.passthrough and not self.passthrough_paths:
            yield ("passthrough",), "has no effect without passthrough_paths"
        for place, path in enumerate(self.passthrough_paths):
            if not is_plain(path) or path == "/":
                yield ("passthrough_paths", place), 'must be a path such as "/v1/fine_tuning"'
        yield from self._certificate_problems()
        if not self.searches:
            text = "has no effect: this vendor has no web search that translation supports"
            yield from ((("models", alias, "web_search"), text) for alias, one in self.models.items() if one.web_search)
        text = "is the header in which Nexus sends the credential; rules cannot change it"
        yield from ((place, text) for header in self.signed_headers for place in self.rules_on(header))
        named = [name for name in ("api_key", "api_keys", "api_key_command") if getattr(self, name) is not None]
        yield from (((name,), f"stands beside {named[0]}; set only one of them") for name in named[1:])
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
            yield (at,), "has no readable certificate, or the key does not match or has a passphrase"

    @field_validator("models", mode="before")
    @classmethod
    def _named_only(cls, value: object) -> object:
        """The short form: names alone."""
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            return value
        if len(set(value)) < len(value):
            raise ValueError("names a model twice")
        return {name: {} for name in value}

    @property
    def takes_callers_key(self) -> bool:
        """Whether a caller may bring the vendor's key."""
        return self.forward_token

    @property
    def held(self) -> tuple[str, ...]:
        """Of "files" and "batches" what the provider holds for callers."""
        return ()

    @property
    def forwards_login(self) -> bool:
        """Whether a caller's own login at the vendor goes on to it."""
        return False

    @property
    def attributed(self) -> Mapping[str, str]:
        """``attribution``, where the provider's type has it."""
        return {}

    @property
    def signed_headers(self) -> tuple[str, ...]:
        """Headers that are written when a request is sent, whatever rules say."""
        return ()

    @property
    def has_key(self) -> bool:
        """Whether the gateway has a key, or a way to get one."""
        return bool(self.configured_keys) or self.api_key_command is not None

    @property
    def configured_keys(self) -> tuple[SecretStr, ...]:
        """The configured keys as far as they are written in the settings, one for each account."""
        return self.api_keys or (() if self.api_key is None else (self.api_key,))

    @property
    def spends(self) -> bool:
        """Whether a caller without a key of its own spends what the operator pays for."""
        # A shorter one ("none", "x") is a word for a server that asks for no key.
        shown = [len(key.get_secret_value()) >= SHORTEST_KEY for key in self.configured_keys]
        return any(shown) if shown else self.has_key

    def spellings(self, key: SecretStr) -> tuple[str, ...]:
        """Every form in which a key is sent."""
        return (key.get_secret_value(),)

    @property
    def derived_secrets(self) -> tuple[str, ...]:
        """What is as good as a secret of the settings and stands in none of them."""
        return tuple(spelling for key in self.configured_keys for spelling in self.spellings(key))

    def rules_on(self, header: str) -> Iterator[KeyPath]:
        """Where rules name a header, of the provider and of its models."""
        yield from ((*place, key) for place, key in writers(("headers",), self.headers, header))
        for alias, model in self.models.items():
            yield from ((*at, key) for at, key in writers(("models", alias, "headers"), model.headers, header))

    @field_validator("api_key")
    @classmethod
    def _usable_key(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (key := _readable(value)) is not None:
            return key
        # Where an alternative cannot be read nobody can say whether a key is needed; that field reports itself.
        if cls.needs_key and all(info.data.get(name, True) in (None, False) for name in cls.key_sources):
            raise ValueError(NO_KEY)
        return None

    @field_validator("api_keys")
    @classmethod
    def _usable_keys(cls, value: tuple[SecretStr, ...] | None) -> tuple[SecretStr, ...] | None:
        if value is None:
            return None
        keys = [_readable(key) for key in value]
        if empty := [((place,), "is empty") for place, key in enumerate(keys) if key is None]:
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
    """A key without the blanks around it; None where nothing is left."""
    key = value.get_secret_value().strip() if value is not None else ""
    if not (key.isascii() and key.isprintable()):
        raise ValueError("contains characters that are not allowed in an HTTP header")
    return SecretStr(key) if key else None
