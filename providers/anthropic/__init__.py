"""Anthropic, and every server compatible with it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, Literal

from pydantic import SecretStr

from nexus.errors.failure import VendorFailure
from nexus.headers import forwarding
from nexus.models.claude import profile
from nexus.protocols.codec import Target
from nexus.protocols.operation import Action
from nexus.provider import USER_AGENT, Provider, ProviderRequest, Without, configured
from nexus.provider.catalogue import Catalogue, Offered, entries, pages, parameter
from nexus.provider.claude_members import with_accepted_betas, without_rejected
from nexus.providers.anthropic.login import LOGIN_HOST, login_in
from nexus.providers.anthropic.refused import LEARNED, quirk_of, with_quirks
from nexus.settings.auth_scheme import VendorLoginSettings
from nexus.settings.model import ModelSettings
from nexus.settings.provider import ProviderSettings
from nexus.settings.urls import host_of
from nexus.shared import Shared
from nexus.upstream.request import UpstreamRequest
from nexus.wire import Json, text

VERSION = "2023-06-01"
"""The newest version that accepts temperature, top_p and top_k, which clients of other protocols send; a Messages
client's own version passes. Source: platform.claude.com, "Migrating to API version 2026-10-21".
"""
BASE_URL = "https://api.anthropic.com/v1"
_PATHS: Mapping[Action, str] = {"generate": "/messages", "count_tokens": "/messages/count_tokens"}
# Prefixes rather than a list, so that new betas of the vendor or of Claude Code work on the day they appear.
_FORWARDED = ("anthropic-", "x-claude-code-")


class AnthropicSettings(VendorLoginSettings):
    """``type = "anthropic"``."""

    key_header: ClassVar[str] = "x-api-key"
    request_paths: ClassVar[tuple[str, ...]] = ("/messages",)
    searches: ClassVar[bool] = True
    login_url: ClassVar[str] = BASE_URL
    login_dialect: ClassVar[str] = "messages"

    endpoints: tuple[Literal["files", "batches"], ...] = ()
    """Endpoints that store objects at the vendor: "files" and "batches" (of messages). The usage store records which
    caller owns which object.
    """

    @property
    def files_and_batches(self) -> tuple[str, ...]:
        return self.endpoints


class AnthropicProvider(Provider):
    settings_type: ClassVar[type[ProviderSettings]] = AnthropicSettings
    dialects: ClassVar[tuple[str, ...]] = ("messages",)
    vendor = "anthropic"
    default_base_url: ClassVar[str] = BASE_URL
    settings: AnthropicSettings

    def __init__(self, name: str, settings: ProviderSettings, shared: Shared | None = None) -> None:
        super().__init__(name, settings, shared)
        if not self.base_url.endswith("/v1"):
            self.base_url += "/v1"
        self._is_anthropic = host_of(self.base_url) == LOGIN_HOST
        self._learned = self.learned_quirks(settings.api_key_command)

    def own_key(self, client: Mapping[str, str], dialect: str) -> SecretStr | None:
        """A key sent for this vendor, or else the login of a Messages client if logins are forwarded."""
        own = super().own_key(client, dialect)
        if own is None and self.settings.forward_login and dialect == "messages":
            return login_in(client)
        return own

    def counts_in(self, dialect: str) -> bool:
        return dialect == "messages"

    def catalogue(self, key: SecretStr | None) -> Catalogue:
        headers = {"anthropic-version": VERSION, **USER_AGENT}
        headers |= {} if key is None else self.settings.credential(key)
        url = self.settings.with_query(f"{self.base_url}/models", "")
        return _pages(UpstreamRequest(url, headers, b"", "GET"))

    def target(self, dialect: str, model: str, settings: ModelSettings) -> Target:
        host = "Anthropic's API" if self._is_anthropic else f"the server of provider {self.name}"
        target = Target(model, host=host, claude=profile(model))
        return configured(with_quirks(target, self._learned.quirks(model)), settings)

    def do_without(self, refused: VendorFailure, request: ProviderRequest) -> Without | None:
        if (quirk := quirk_of(refused, request.body)) is not None:
            learn = partial(self._learned.record, request.model, quirk, LEARNED[quirk])
            return Without(quirk, partial(with_quirks, quirks=frozenset({quirk})), learn, passed=True)
        # Anthropic's own words to its clients are the same, for requests that lack a beta.
        without = None if self._is_anthropic else without_rejected(refused, request, self._learned)
        return without or super().do_without(refused, request)

    def prepare(self, request: ProviderRequest) -> UpstreamRequest:
        request = with_accepted_betas(request, self._learned)
        headers = {"anthropic-version": VERSION} | forwarding.forwarded(request.headers, _FORWARDED)
        headers |= request.content_type | USER_AGENT
        headers |= self.credentials(request)
        path = _PATHS.get(request.action, request.path)
        return request.sent_to(self.settings.with_query(self.base_url + path, request.query), headers)


_PAGE = 1000


def _pages(first: UpstreamRequest) -> Catalogue:
    """``first`` requests the first page, without paging parameters. Source: Anthropic's API reference."""

    def following(document: Mapping[str, Json]) -> str:
        return parameter("after_id", document.get("last_id")) if document.get("has_more") is True else ""

    documents = yield from pages(first, f"limit={_PAGE}", following)
    return [Offered(text(entry.get("id"))) for document in documents for entry in entries(document, "data")]


PROVIDER = AnthropicProvider
