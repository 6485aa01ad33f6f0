"""The interface of a provider: a configured place to send calls.

Law: a provider says where, with which key and in which dialect to call, and what the model accepts; it knows no client,
thread or other provider. ``prepare`` is pure, so that preparing twice gives the same request; ``send`` blocks, on a
worker thread.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cached_property
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from nexus.cancel import Cancel
from nexus.dataclasses import replace
from nexus.errors import AuthenticationFailed
from nexus.errors.failure import VendorFailure
from nexus.headers import forwarding
from nexus.headers.own import UPSTREAM_KEY
from nexus.headers.rules import rewrite
from nexus.protocols.codec import Target
from nexus.protocols.embeddings import Format
from nexus.provider.accounts import Account as Account
from nexus.provider.accounts import accounts_of, renewed_key
from nexus.provider.bound_thinking import without_bound
from nexus.provider.catalogue import Catalogue
from nexus.provider.catalogue import Listing as Listing
from nexus.provider.large_grammar import without_strict
from nexus.provider.quirks import LearnedQuirks
from nexus.provider.request import USER_AGENT as USER_AGENT
from nexus.provider.request import Labels as Labels
from nexus.provider.request import ProviderRequest as ProviderRequest
from nexus.provider.request import Without as Without
from nexus.settings.auth_scheme import AuthSchemeSettings
from nexus.settings.files import stamp
from nexus.settings.header_rules import Insert
from nexus.settings.leaves import named_files
from nexus.settings.model import ModelSettings
from nexus.settings.provider import ProviderSettings
from nexus.shared import Holder, Make, Shared, Thing
from nexus.upstream.request import Timeouts, UpstreamReply, UpstreamRequest
from nexus.upstream.tls import tls_context
from nexus.upstream.transport import Transport
from nexus.wire import Json


class Provider(ABC):
    """``name`` is the table's name in the configuration; ``dialects`` are those the vendor speaks, best first."""

    settings_type: ClassVar[type[ProviderSettings]] = ProviderSettings
    dialects: ClassVar[tuple[str, ...]]
    also_counts_in: ClassVar[tuple[str, ...]] = ()
    """Additional dialects in which it counts tokens, for models that it serves in another dialect."""

    default_base_url: ClassVar[str] = ""
    is_free: ClassVar[bool] = False
    """Whether its answers are free of charge."""

    vendor: str = ""
    """The vendor's name in OpenTelemetry's conventions; if empty, the type in the configuration."""

    def __init__(self, name: str, settings: ProviderSettings, shared: Shared | None = None) -> None:
        self.name = name
        self.settings = settings
        self.base_url = (settings.base_url or self.default_base_url).rstrip("/")
        self.vendor = self.vendor or settings.type
        self._holder = Holder(shared)
        timeouts = settings.timeouts
        clocks = Timeouts(timeouts.connect, timeouts.first_byte, timeouts.idle, timeouts.keep_alive)
        proxy, trust = settings.proxy, settings.trust
        self._transport = self._holder.hold(
            f"transport of {name}",
            (clocks, proxy, trust),
            lambda stack: stack.enter_context(closing(Transport(name, clocks, proxy=proxy, trust=trust))),
        )

        self.accounts = accounts_of(name, settings)
        """The gateway's accounts, at least one; a caller's own key belongs to none of them."""
        # Until logging is set up, there is no log to keep secrets out of.
        self._learn: Callable[[str], None] = lambda secret: None
        self.renewed_key = renewed_key(name, settings, lambda secret: self._learn(secret), self.credential)
        """Fetches the gateway's key if the settings do not contain it."""

    def credential(self, make: Make[Thing]) -> Thing:
        """Makes or shares what fetches and renews a credential; shared with a provider whose settings differ only in
        models.
        """
        table = self.settings.model_copy(update={"models": {}})
        stamps = tuple(stamp(file) for _, file in named_files(table))
        return self._holder.hold(f"credential of {self.name}", (table, stamps), make)

    def learned_quirks(self, *identity: object) -> LearnedQuirks:
        """What the server turned out to need; kept over reloads that change neither its address and keys nor
        ``identity``."""
        identity = (self.base_url, self.settings.configured_keys, *identity)
        log = logging.getLogger(f"nexus.providers.{self.settings.type}")
        return self._holder.hold(f"what was learned of {self.name}", identity, lambda _: LearnedQuirks(self.name, log))

    def start(self, learn: Callable[[str], None]) -> None:
        """Starts slow work in the background; ``learn`` is called with every secret that is not in the settings."""
        self._learn = learn
        if self.renewed_key is not None:
            self.renewed_key.start()

    def warm(self) -> None:
        """Prepares what the first call would have to wait for. Any thread."""
        if self.base_url.startswith("https:"):
            tls_context(self.settings.trust)

    @cached_property
    def server(self) -> str:
        """Host and port of ``base_url``; "" if it has none."""
        parts = urlsplit(self.base_url)
        standard = {"http": 80, "https": 443}.get(parts.scheme)
        return f"{parts.hostname}:{parts.port or standard}" if parts.hostname and standard is not None else ""

    def key(self, client: Mapping[str, str], dialect: str, account: Account | None = None) -> SecretStr | None:
        """The caller's own key if the provider forwards it, else the account's. Raises AuthenticationFailed.

        None if the gateway has no other key, or has to fetch it (``renewed_key``). ``client`` are the caller's headers,
        without those that carried its credential for the gateway; ``dialect`` is the caller's.
        """
        own = self.own_key(client, dialect)
        if own is not None:
            return own
        if self.settings.needs_key and not self.settings.has_key:
            login, key = "the caller's own login or key", f"the caller's own key in {UPSTREAM_KEY}"
            raise AuthenticationFailed(f"provider {self.name!r} needs {login if self.settings.forwards_login else key}")
        return (account or self.accounts[0]).key

    def own_key(self, client: Mapping[str, str], dialect: str) -> SecretStr | None:
        """The caller's own key for this vendor, if forwarded; arguments as for ``key``."""
        own = client.get(UPSTREAM_KEY, "").strip() if self.settings.forward_token else ""
        return SecretStr(own) if own else None

    def dialects_of(self, model: str, settings: ModelSettings) -> tuple[str, ...]:
        """The dialects that the vendor speaks for this model, best first."""
        return self.dialects

    def counts_in(self, dialect: str) -> bool:
        """Whether ``prepare`` supports the action ``count_tokens`` in this dialect."""
        return False

    def has(self, endpoint: str, model: str, settings: ModelSettings) -> bool:
        """Whether the model is available at one of OpenAI's other endpoints."""
        return endpoint == "embeddings" and self.embeddings(model, settings) is not None

    def embeddings(self, model: str, settings: ModelSettings) -> Format | None:
        """The vendor's own format for the model's embeddings; None if it has none, or uses OpenAI's."""
        return None

    def stores_kind(self, kind: str, dialect: str) -> bool:
        """Whether it stores files or batches (``kind``) for callers who speak a dialect."""
        return kind in self.settings.files_and_batches and dialect in self.dialects

    def stores(self, dialect: str) -> bool:
        """Whether ``prepare`` supports the actions ``stored`` and ``compact`` in a dialect that it speaks."""
        return False

    def listing(self, model: str, settings: ModelSettings) -> Listing | None:
        """Where price lists have the model; None if it is billed by the hour, or at a rate that no list has."""
        return Listing(self.base_url, model)

    def catalogue(self, key: SecretStr | None) -> Catalogue | None:
        """Reads the vendor's list of models; None if it has none."""
        return None

    def target(self, dialect: str, model: str, settings: ModelSettings) -> Target:
        """What a writer of ``dialect`` needs to know about the server and the model."""
        return configured(Target(model), settings)

    def refuses(self, dialect: str, document: Mapping[str, Json], model: str) -> bool:
        """Whether the vendor speaks the client's dialect, but rejects this request in it and accepts a translation."""
        return False

    def do_without(self, refused: VendorFailure, request: ProviderRequest) -> Without | None:
        """How to retry without the rejected part, if a translation added it; else None."""
        return without_bound(refused, request) or without_strict(refused, request)

    def prepare_raw(self, request: ProviderRequest) -> UpstreamRequest:
        """A request for any other path of the vendor, at its own host and with its own key; pure, as ``prepare`` is."""
        parts = urlsplit(self.base_url)
        headers = {name: request.headers[name] for name in forwarding.RAW_NAMES if name in request.headers}
        headers |= USER_AGENT | self.credentials(request)
        url = f"{parts.scheme}://{parts.netloc}{request.path}"
        query = f"?{request.query}" if request.query else ""
        return request.sent_to(url + query, headers)

    def credentials(self, request: ProviderRequest) -> dict[str, str]:
        """The headers that carry the request's key, except those that ``send`` adds."""
        settings = self.settings
        if request.key is None or not isinstance(settings, AuthSchemeSettings):
            return {}
        return settings.credential(request.key)

    @abstractmethod
    def prepare(self, request: ProviderRequest) -> UpstreamRequest:
        """The vendor's request; equal requests give equal ones. Raises ClientError if the vendor cannot serve it."""

    def reserved(self) -> frozenset[str]:
        """The headers in which ``send`` puts the vendor's credential."""
        return frozenset(self.settings.signed_headers)

    def upstream_request(self, request: ProviderRequest) -> UpstreamRequest:
        """The prepared request with the header rules applied. Raises ClientError."""
        prepared = self.prepare_raw(request) if request.action == "raw" else self.prepare(request)
        rules = (*self.settings.headers, *request.settings.headers)
        headers = rewrite(
            rules,
            request.client,
            prepared.headers,
            reserved=self.reserved(),
            credential_headers=request.credential_headers,
            correlation=request.correlation,
        )
        return prepared.sent_with(headers, self._timeouts_of(request.settings))

    def _timeouts_of(self, model: ModelSettings) -> Timeouts | None:
        """The model's own timeouts, completed with the provider's; None if it has none."""
        own, shared = model.timeouts, self.settings.timeouts
        if not own.model_fields_set:
            return None
        return Timeouts(
            own.connect or shared.connect,
            own.first_byte or shared.first_byte,
            own.idle or shared.idle,
            shared.keep_alive,
        )

    def sent_secrets(self, request: ProviderRequest) -> tuple[str, ...]:
        """Our and the caller's secrets in ``request``, which a reply must not repeat."""
        rules = (*self.settings.headers, *request.settings.headers)
        inserted = [rule.value for rule in rules if isinstance(rule, Insert) and rule.allow_secret]
        keys = self.settings.spellings(request.key) if request.key is not None else ()
        query = self.settings.query_secrets if isinstance(self.settings, AuthSchemeSettings) else ()
        return (*keys, *query, *(secret.get_secret_value() for secret in inserted))

    def read_error(self, dialect: str, status: int, headers: Mapping[str, str], body: bytes) -> VendorFailure | None:
        """Reads an error that is not in the dialect's format; None to have the dialect's codec read it."""
        return None

    def send(self, request: UpstreamRequest, cancel: Cancel) -> UpstreamReply:
        """Blocks until the head of an answer has arrived. Raises UpstreamError, or the reason of the cancelled call."""
        return self._transport.send(request, cancel)

    def reap(self) -> int:
        """Closes pooled connections that expired or that the vendor closed; returns how many."""
        return self._transport.reap()

    def close(self) -> None:
        """Releases what no other provider shares."""
        self._holder.close()


def configured(target: Target, settings: ModelSettings) -> Target:
    """The target with the model's settings applied: a configured limit replaces the model's own."""
    if settings.max_tokens is not None:
        return replace(target, searches=settings.web_search, max_tokens=settings.max_tokens)
    if not settings.web_search and target.claude.max_output is None:
        return target
    return replace(target, searches=settings.web_search, max_output=target.claude.max_output)
