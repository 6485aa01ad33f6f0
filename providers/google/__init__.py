"""Google: the Gemini API with a key, and Vertex AI in a project, which also serves Claude.

Gemini is called in its own dialect; Claude on Vertex AI in the Messages dialect, as a passthrough. Models of other
partners on Vertex AI (Mistral, Llama, ...) have a separate endpoint with OpenAI's protocol and are not supported.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping
from contextlib import ExitStack, closing
from typing import ClassVar

from pydantic import SecretStr

from nexus.cancel import Cancel
from nexus.dataclasses import replace
from nexus.errors import AuthenticationFailed
from nexus.errors.failure import VendorFailure
from nexus.headers.own import UPSTREAM_KEY
from nexus.models import gemini
from nexus.protocols import embeddings
from nexus.protocols.codec import Target
from nexus.protocols.edit import merge_members
from nexus.protocols.embeddings import Format
from nexus.protocols.error_words import decode_error
from nexus.protocols.gemini import read_error
from nexus.protocols.messages.hosted import Extra
from nexus.provider import USER_AGENT, Account, Labels, Listing, Provider, ProviderRequest, Without, configured
from nexus.provider.catalogue import Catalogue
from nexus.provider.claude_members import with_accepted_betas, without_rejected
from nexus.provider.rejected import with_rejected
from nexus.providers.google import catalogue as models
from nexus.providers.google import claude, endpoints
from nexus.providers.google.settings import GoogleSettings
from nexus.renewal import Renewed
from nexus.settings.model import ModelSettings
from nexus.settings.provider import ProviderSettings
from nexus.shared import Shared
from nexus.upstream.request import UpstreamReply, UpstreamRequest
from nexus.wire import encode, mapping

LABELS = "x-vertex-ai-labels"
_VERBS = {"generate": "generateContent", "count_tokens": "countTokens"}


class GoogleProvider(Provider):
    settings_type: ClassVar[type[ProviderSettings]] = GoogleSettings
    dialects: ClassVar[tuple[str, ...]] = ("gemini",)
    default_base_url: ClassVar[str] = endpoints.GEMINI_API
    settings: GoogleSettings

    def __init__(self, name: str, settings: GoogleSettings, shared: Shared | None = None) -> None:
        super().__init__(name, settings, shared)
        self._learned = self.learned_quirks(settings.project, settings.location)
        self._tokens: Renewed[Mapping[str, str]] | None = None
        self._parent = ""
        self.vendor = "gcp.gemini" if settings.project is None else "gcp.vertex_ai"
        if settings.project is None:
            self.base_url = endpoints.gemini_base(self.base_url)
            return
        from nexus.providers.google.credentials import TokenSource

        self.base_url = endpoints.vertex_base(settings.base_url or "", settings.location)
        self._parent = endpoints.vertex_parent(settings.project, settings.location)

        def tokens(stack: ExitStack) -> Renewed[Mapping[str, str]]:
            source = TokenSource(name, settings.credentials, proxy=settings.proxy, ca_file=settings.trust.ca_file)
            return Renewed(name, stack.enter_context(closing(source)).fetch)

        self._tokens = self.credential(tokens)

    @property
    def _on_vertex(self) -> bool:
        return self._tokens is not None

    def key(self, client: Mapping[str, str], dialect: str, account: Account | None = None) -> SecretStr | None:
        key = super().key(client, dialect, account)
        if key is None and not self._on_vertex and self.renewed_key is None:
            raise AuthenticationFailed(f"provider {self.name!r} needs the caller's own key in {UPSTREAM_KEY}")
        return key

    def dialects_of(self, model: str, settings: ModelSettings) -> tuple[str, ...]:
        return ("messages",) if self._on_vertex and model.startswith("claude-") else self.dialects

    def counts_in(self, dialect: str) -> bool:
        return dialect == "gemini" or (dialect == "messages" and self._on_vertex)

    def listing(self, model: str, settings: ModelSettings) -> Listing | None:
        if model.startswith(endpoints.TUNED):
            return None
        regional = self._on_vertex and self.settings.location != "global" and claude.costs_more_in_regions(model)
        return Listing(self.base_url, model.rpartition("/")[2], 110 if regional else 100)

    def embeddings(self, model: str, settings: ModelSettings) -> Format | None:
        return endpoints.embedding_format(model, vertex=self._on_vertex)

    def catalogue(self, key: SecretStr | None) -> Catalogue:
        headers = _own_headers() | ({} if key is None else {"x-goog-api-key": key.get_secret_value()})
        if not self._on_vertex:
            return models.gemini_catalogue(UpstreamRequest(f"{self.base_url}/models", headers, b"", "GET"))
        base = endpoints.beta_of(self.base_url)
        urls = {publisher: f"{base}/publishers/{publisher}/models" for publisher in models.PUBLISHERS}
        return models.vertex_catalogue({who: UpstreamRequest(url, headers, b"", "GET") for who, url in urls.items()})

    def target(self, dialect: str, model: str, settings: ModelSettings) -> Target:
        host = "Vertex AI" if self._on_vertex else "the Gemini API"
        if dialect == "messages":
            target = Target(model, host=host, claude=claude.profile(model))
            return configured(with_rejected(target, self._learned.quirks(model)), settings)
        facts = _gemini_on_vertex(model) if self._on_vertex else gemini.profile(model)
        return configured(Target(model, host=host, gemini=facts), settings)

    def do_without(self, refused: VendorFailure, request: ProviderRequest) -> Without | None:
        return without_rejected(refused, request, self._learned) or super().do_without(refused, request)

    def reserved(self) -> frozenset[str]:
        return super().reserved() | {LABELS}

    def prepare(self, request: ProviderRequest) -> UpstreamRequest:
        return self._prepare_claude(request) if request.dialect == "messages" else self._prepare_gemini(request)

    def _prepare_gemini(self, request: ProviderRequest) -> UpstreamRequest:
        streams = request.stream and request.action == "generate"
        verb = "streamGenerateContent?alt=sse" if streams else self._verb(request)
        model = endpoints.model_path(request.model, vertex=self._on_vertex)
        headers = _own_headers() | self.credentials(request)
        labelled = bool(request.labels) and request.action != "embeddings"
        body = merge_members(request.body, "labels", dict(request.labels)) if labelled else request.body
        return UpstreamRequest(url=f"{self.base_url}{self._parent}{model}:{verb}", headers=headers, body=body)

    def credentials(self, request: ProviderRequest) -> dict[str, str]:
        return {} if request.key is None else {"x-goog-api-key": request.key.get_secret_value()}

    def _verb(self, request: ProviderRequest) -> str:
        if request.action != "embeddings":
            return _VERBS[request.action]
        format = endpoints.embedding_format(request.model, vertex=self._on_vertex)
        if format is embeddings.GEMINI:
            # A client of the same dialect used one of two methods; keep it.
            return request.path.rpartition(":")[2] or "batchEmbedContents"
        return "embedContent" if format is embeddings.EMBED_CONTENT else "predict"

    def _prepare_claude(self, request: ProviderRequest) -> UpstreamRequest:
        request = with_accepted_betas(request, self._learned)
        fitted = claude.fit(request, Extra(frozenset(self.settings.betas), frozenset(self.settings.fields)))
        counts = request.action == "count_tokens"
        model = endpoints.claude_model("count-tokens" if counts else request.model)
        verb = "streamRawPredict" if request.stream and not counts else "rawPredict"
        return UpstreamRequest(
            url=f"{self.base_url}{self._parent}{model}:{verb}",
            headers=fitted.headers | _own_headers() | _labelled(request.labels),
            body=fitted.body,
            dropped=fitted.dropped,
        )

    def read_error(self, dialect: str, status: int, headers: Mapping[str, str], body: bytes) -> VendorFailure | None:
        if dialect != "messages" or not _is_googles(body):
            return None
        return read_error.read_error(status, headers, body)

    def send(self, request: UpstreamRequest, cancel: Cancel) -> UpstreamReply:
        if self._tokens is None:
            return super().send(request, cancel)
        grant = self._tokens.get(cancel)
        reply = super().send(replace(request, headers={**request.headers, **grant.value}), cancel)
        if reply.status == 401:
            self._tokens.reject(grant.value)
        reply.secrets = (grant.value["authorization"].removeprefix("Bearer "),)
        return reply


@functools.lru_cache(maxsize=1024)
def _gemini_on_vertex(model: str) -> gemini.Gemini:
    return replace(gemini.profile(model), vertex=True)


def _labelled(labels: Labels) -> dict[str, str]:
    """Labels for partner models, which take them as a header (JSON in base64) instead of in the body."""
    return {LABELS: base64.b64encode(encode(dict(labels))).decode()} if labels else {}


def _own_headers() -> dict[str, str]:
    return {"content-type": "application/json", **USER_AGENT}


def _is_googles(body: bytes) -> bool:
    """Whether an error is a ``google.rpc.Status``, rather than one of Anthropic's, which has a top-level ``type``."""
    wire = decode_error(body)
    error = read_error.find_error(wire)
    return error is not None and "type" not in mapping(wire) and ("code" in error or "status" in error)


PROVIDER = GoogleProvider
