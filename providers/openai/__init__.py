"""OpenAI, and every server compatible with it (vLLM, llama.cpp, Ollama, Azure's v1 endpoint, ...).

Facts about OpenAI's models apply at api.openai.com, and at any server with ``responses`` set, such as Azure's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Annotated, ClassVar, Literal
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from nexus.cancel import Cancel
from nexus.dataclasses import replace
from nexus.errors import UpstreamError
from nexus.errors.failure import VendorFailure
from nexus.headers import forwarding
from nexus.late import pattern
from nexus.models import claude, gpt
from nexus.models.chat_server import FACTS, ChatServer
from nexus.protocols.codec import Target
from nexus.protocols.operation import ENDPOINTS, FILES_AND_BATCHES, Action
from nexus.provider import USER_AGENT, Listing, Provider, ProviderRequest, Without, configured
from nexus.provider.catalogue import Catalogue
from nexus.provider.request import nothing
from nexus.providers.openai import catalogue as models
from nexus.providers.openai.endpoints import endpoints_of
from nexus.providers.openai.login import FORWARDED, LOGIN_URL, ChatGptLogin, login_in
from nexus.providers.openai.refused import (
    ONLY,
    SUMMARY,
    adapts_passthrough,
    holds_always,
    only_dialect,
    other_dialect,
    quirk_of,
    refuses_summary,
    takes_functions_only,
    with_quirks,
    without_summary,
)
from nexus.settings.auth_scheme import VendorLoginSettings
from nexus.settings.model import ModelSettings
from nexus.settings.provider import ProviderSettings
from nexus.settings.types import one_of
from nexus.shared import Shared
from nexus.upstream.request import UpstreamReply, UpstreamRequest
from nexus.wire import Json, mapping, sequence

log = logging.getLogger("nexus.providers.openai")

_PATHS: dict[tuple[str, Action], str] = {
    ("chat", "generate"): "/chat/completions",
    ("responses", "generate"): "/responses",
    ("responses", "count_tokens"): "/responses/input_tokens",
    ("responses", "compact"): "/responses/compact",
}
_OPENAI = "https://api.openai.com/"
_DEPLOYMENT = pattern(r"/deployments(?:/([^/]+))?$")
VERSION = "/v1"


class OpenAISettings(VendorLoginSettings):
    """``type = "openai"``."""

    request_paths: ClassVar[tuple[str, ...]] = tuple(_PATHS.values())
    login_url: ClassVar[str] = LOGIN_URL
    login_dialect: ClassVar[str] = "responses"

    stream_usage: bool = True
    """Request token usage on streams. Set to false for servers that reject ``stream_options``. Default: true."""

    responses: bool | None = None
    """Whether the server has a Responses API. true: prefer it for every model. false: translate to chat completions.
    Default: true for api.openai.com, but preferred for reasoning models only; for other servers chat completions. A
    model that rejects one of the two APIs gets the other, unless this is false.
    """

    reasoning_summary: Literal["auto", "concise", "detailed", "off"] = "auto"
    """Reasoning summary to request from the Responses API if the client may see the model's thinking. OpenAI gives
    summaries to verified organizations only; after a rejection Nexus stops requesting them. Default: "auto".
    """

    endpoints: tuple[Annotated[str, one_of((*ENDPOINTS, *FILES_AND_BATCHES))], ...] | None = None
    """Endpoints of the server in addition to generation and token counting, as paths below /v1/, such as "embeddings"
    or "audio/transcriptions". Default: those of a known host; "embeddings" and "completions" for other servers.
    """

    quirks: tuple[Annotated[str, one_of(FACTS)], ...] = ()
    """Facts about a compatible server that translations need, such as "cache_control" or "system_first"."""

    @property
    def files_and_batches(self) -> tuple[str, ...]:
        return tuple(name for name in self.endpoints or () if name in FILES_AND_BATCHES)

    @property
    def passthrough_endpoints(self) -> tuple[str, ...] | None:
        """The other endpoints; None if the settings say nothing about these, as a list of only files and batches."""
        others = tuple(name for name in self.endpoints or () if name not in FILES_AND_BATCHES)
        return others if others or self.endpoints == () else None


class OpenAIProvider(Provider):
    settings_type: ClassVar[type[ProviderSettings]] = OpenAISettings
    dialects: ClassVar[tuple[str, ...]] = ("chat",)
    vendor = "openai"
    also_counts_in: ClassVar[tuple[str, ...]] = ("responses",)
    default_base_url: ClassVar[str] = "https://api.openai.com/v1"
    settings: OpenAISettings

    def __init__(self, name: str, settings: ProviderSettings, shared: Shared | None = None) -> None:
        super().__init__(name, settings, shared)
        switches = dict.fromkeys(self.settings.quirks, True)
        self._server = ChatServer(**switches | ({} if self.settings.stream_usage else {"no_stream_usage": True}))
        self._takes_logins = self.settings.forwards_login
        if self._takes_logins and settings.base_url is None:
            self.base_url = LOGIN_URL
        if f"{self.base_url}/" == _OPENAI:
            self.base_url += VERSION
        self._root = self.base_url
        self._learned = self.learned_quirks(settings.api_key_command, self.settings.reasoning_summary)
        self._is_openai = self.base_url.startswith(_OPENAI)
        self._has_responses = self._is_openai if self.settings.responses is None else self.settings.responses
        self._lacks_version = not urlsplit(self.base_url).path
        if self._learned.below_version:
            self.base_url, self._lacks_version = self._root + VERSION, False
        named = self.settings.passthrough_endpoints
        self._endpoints = endpoints_of(self.base_url) if named is None else named

    def dialects_of(self, model: str, settings: ModelSettings) -> tuple[str, ...]:
        if self._takes_logins:
            return ("responses",)
        if only := only_dialect(self._learned.quirks(model)):
            return (only,)
        if not self._has_responses:
            return ("chat",)
        facts = self._facts(model)
        first = self.settings.responses or (facts is not None and facts.reasons)
        return ("responses", "chat") if first else ("chat", "responses")

    def refuses(self, dialect: str, document: Mapping[str, Json], model: str) -> bool:
        facts = self._facts(model)
        if dialect == "responses":
            # Only OpenAI's own models answer it with a summary; others take it for nothing (cc-switch #4725).
            last = mapping((sequence(document.get("input")) or (None,))[-1])
            return facts is None and last.get("type") == "compaction_trigger"
        if facts is None:
            return False
        if not facts.stop and document.get("stop"):
            # Nexus cuts the answer at a stop sequence, which takes a translation, even from chat to chat.
            return True
        if not self._has_responses:
            return False
        effort = document.get("reasoning_effort")
        tools = bool(sequence(document.get("tools")))
        return gpt.refused_on_chat(facts, tools=tools, effort=effort if isinstance(effort, str) else None)

    def do_without(self, refused: VendorFailure, request: ProviderRequest) -> Without | None:
        if request.dialect == "responses" and refuses_summary(refused):
            # A caller's own key belongs to another organization: a rejection there says nothing about the provider's
            # key.
            words = "reasoning summaries are refused, so they are omitted"
            keep = partial(self._learned.record, "", SUMMARY, words)
            return Without(SUMMARY, without_summary, nothing if request.key_is_callers else keep)
        if request.action == "compact" and refused.status in (404, 405) and self._facts(request.model) is None:
            return Without("compaction", passed=True, dialect="responses")
        if self.settings.responses is not False:
            if (other := other_dialect(refused, request.dialect)) is not None:
                record = partial(self._learned.record, request.model, ONLY + other)
                return Without(ONLY + other, learn=record, passed=True, dialect=other)
            if takes_functions_only(refused, request.dialect):
                return Without("tools other than functions", passed=True, dialect="chat")
        quirk = quirk_of(refused, request.dialect, request.body, is_openai=self._is_openai)
        if quirk is None:
            return super().do_without(refused, request)
        keep = partial(self._learned.record, request.model, quirk)
        learn = keep if holds_always(quirk, refused) else nothing
        return Without(quirk, partial(with_quirks, quirks=frozenset({quirk})), learn, passed=adapts_passthrough(quirk))

    def _facts(self, model: str) -> gpt.GPT | None:
        """What is known about a model; None if it is not known to be OpenAI's."""
        if self._is_openai or self._takes_logins:
            return gpt.known(model) or gpt.UNKNOWN
        known = self.settings.responses is not None or only_dialect(self._learned.quirks(model)) == "responses"
        return gpt.known(model) if known else None

    def own_key(self, client: Mapping[str, str], dialect: str) -> SecretStr | None:
        """A key sent for this vendor, or else the ChatGPT login of Codex if logins are forwarded."""
        own = super().own_key(client, dialect)
        return login_in(client) if own is None and self._takes_logins and dialect == "responses" else own

    def counts_in(self, dialect: str) -> bool:
        return dialect == "responses"

    def has(self, endpoint: str, model: str, settings: ModelSettings) -> bool:
        return endpoint in self._endpoints

    def stores(self, dialect: str) -> bool:
        return dialect == "responses"

    def listing(self, model: str, settings: ModelSettings) -> Listing | None:
        found = _DEPLOYMENT.search(self.base_url)
        return Listing(self.base_url, (found and found[1]) or model)

    def catalogue(self, key: SecretStr | None) -> Catalogue:
        found = _DEPLOYMENT.search(self.base_url)
        base = self.base_url if found is None else self.base_url[: found.start()]
        headers = USER_AGENT | ({} if key is None else self.settings.credential(key))
        return models.catalogue(UpstreamRequest(self.settings.with_query(f"{base}/models", ""), headers, b"", "GET"))

    def target(self, dialect: str, model: str, settings: ModelSettings) -> Target:
        facts = self._facts(model)
        server = self._server if facts is None else gpt.on_chat(facts, self._server)
        summary = "off" if SUMMARY in self._learned.quirks() else self.settings.reasoning_summary
        target = Target(model, chat=server, claude=claude.profile(model), gpt=facts, summary=summary)
        return configured(with_quirks(target, self._learned.quirks(model)), settings)

    def prepare(self, request: ProviderRequest) -> UpstreamRequest:
        headers = forwarding.forwarded(request.headers, (), ("openai-beta", "x-client-request-id"))
        headers |= request.content_type | USER_AGENT
        if isinstance(request.key, ChatGptLogin):
            headers |= forwarding.forwarded(request.headers, ("x-codex-",), FORWARDED)
        headers |= self.credentials(request)
        path = _PATHS.get((request.dialect, request.action), request.path)
        return request.sent_to(self.settings.with_query(self._base(request) + path, request.query), headers)

    def _base(self, request: ProviderRequest) -> str:
        """On Azure's classic API the URL contains the deployment, which only serves chat completions."""
        found = _DEPLOYMENT.search(self.base_url)
        if found is None:
            return self.base_url
        if request.dialect != "chat":
            return self.base_url[: found.start()]
        return self.base_url if found[1] else f"{self.base_url}/{quote(request.model, safe='')}"

    def send(self, request: UpstreamRequest, cancel: Cancel) -> UpstreamReply:
        reply = super().send(request, cancel)
        if reply.status != 404 or not self._lacks_version:
            return reply
        return self._below_version(request, reply, cancel)

    def _below_version(self, request: UpstreamRequest, refused: UpstreamReply, cancel: Cancel) -> UpstreamReply:
        """Servers such as Ollama's have the API below /v1, which a base_url of only host and port lacks."""
        url = self._root + VERSION + request.url.removeprefix(self._root)
        try:
            reply = super().send(replace(request, url=url), cancel)
        except UpstreamError:
            refused.close()
            raise
        if reply.status in (404, 405):
            reply.close()
            return refused
        refused.close()
        if self._lacks_version:
            self.base_url, self._lacks_version = self._root + VERSION, False
            self._learned.below_version = True
            log.warning("base_url lacks /v1, where the API was found", extra={"fields": {"provider": self.name}})
        return reply


PROVIDER = OpenAIProvider
