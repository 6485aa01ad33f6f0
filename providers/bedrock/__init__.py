"""AWS Bedrock: Claude as a passthrough of its own dialect, every other family through Converse.

Addresses, credentials and model facts; pure up to ``send``, which gets keys and signs. A model id is one
percent-encoded path segment, encoded as botocore does, and nothing in a request selects the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from pydantic import SecretStr

from nexus.cancel import Cancel
from nexus.dataclasses import replace
from nexus.errors.failure import VendorFailure
from nexus.late import pattern
from nexus.models import bedrock as models
from nexus.protocols import embeddings
from nexus.protocols.codec import DEFAULT_MAX_TOKENS, Target
from nexus.protocols.converse import read_error
from nexus.protocols.edit import merge_members
from nexus.protocols.embeddings import Format
from nexus.protocols.messages.hosted import Extra
from nexus.protocols.rewrite import Edited
from nexus.provider import USER_AGENT, Listing, Provider, ProviderRequest, configured
from nexus.provider.catalogue import Catalogue
from nexus.provider.claude_members import with_accepted_betas, without_rejected
from nexus.provider.request import Without
from nexus.providers.bedrock.bodies import count_invoke_body, invoke_body
from nexus.providers.bedrock.catalogue import LISTS, catalogue, control_url
from nexus.providers.bedrock.claude import counting_id, is_claude, profile
from nexus.providers.bedrock.refused import quirk_of, with_quirks
from nexus.providers.bedrock.regions import base_url_of, is_commercial, region_of
from nexus.providers.bedrock.replies import (
    EVENT_STREAM,
    FIRST_BYTE,
    REQUEST_ID,
    StreamReply,
    answered_in_dialect,
    write_converse_event,
    write_invoke_event,
)
from nexus.providers.bedrock.settings import BedrockModel, BedrockSettings
from nexus.settings.model import ModelSettings
from nexus.settings.provider import ProviderSettings
from nexus.settings.urls import host_of
from nexus.shared import Shared
from nexus.upstream.request import UpstreamReply, UpstreamRequest, media_type
from nexus.wire import encode

if TYPE_CHECKING:
    from nexus.providers.bedrock.credentials import Keys

HOST = "Amazon Bedrock"
METADATA = "x-amzn-bedrock-request-metadata"
"""The header in which InvokeModel takes what Converse has in its body."""
_CONVERSE_STREAM = "converse-stream"
_PATHS: Mapping[tuple[str, bool], str] = {
    ("messages", False): "invoke",
    ("messages", True): "invoke-with-response-stream",
    ("converse", False): "converse",
    ("converse", True): _CONVERSE_STREAM,
}
_ACTIONS: Mapping[str, str] = {"count_tokens": "count-tokens", "embeddings": "invoke"}
_EMBEDDINGS: Mapping[str, Format] = {
    "amazon.titan-embed-text-v1": embeddings.TITAN_1,
    "amazon.titan-embed-g1": embeddings.TITAN_1,
    "amazon.titan-embed-image": embeddings.TITAN_IMAGE,
    "amazon.titan-embed-text": embeddings.TITAN,
    "cohere.embed": embeddings.COHERE,
}
"""By a part of the model's id. Source: Amazon's inference parameters of Titan and Cohere embedding models."""

_STALE = ("ExpiredToken", "InvalidClientTokenId", "UnrecognizedClient")
"""AWS's errors for keys that are no longer valid."""

_BY_THE_HOUR = pattern(r":(?:provisioned-model|imported-model|custom-model|custom-model-deployment)/")
"""ARNs that are not billed by token, or not at the price of the base model."""

_CANNOT_COUNT = "support counting tokens"
"""How CountTokens rejects a model that it does not support: a ValidationException that only this text distinguishes."""


class BedrockProvider(Provider):
    settings_type: ClassVar[type[ProviderSettings]] = BedrockSettings
    dialects: ClassVar[tuple[str, ...]] = ("messages", "converse")
    vendor = "aws.bedrock"
    settings: BedrockSettings

    def __init__(self, name: str, settings: ProviderSettings, shared: Shared | None = None) -> None:
        super().__init__(name, settings, shared)
        self._region = self.settings.signing_region or ""
        self.base_url = self.base_url or base_url_of(self._region)
        # These import botocore, whose presence is checked with the settings, so do not import them earlier.
        from nexus.providers.bedrock.credentials import Chain, environment_token, static_keys
        from nexus.providers.bedrock.signing import sign

        self._static = static_keys(self.settings)
        profile, region, proxy, ca_file = self.settings.profile, self._region, settings.proxy, settings.trust.ca_file
        self._chain = self.credential(lambda _: Chain(name, profile, region, proxy=proxy, ca_file=ca_file))
        self._environment_token = environment_token
        self._sign = sign
        self._learned = self.learned_quirks(profile)

    def dialects_of(self, model: str, settings: ModelSettings) -> tuple[str, ...]:
        is_named = isinstance(settings, BedrockModel) and settings.family == "anthropic"
        claude = is_named or is_claude(_known_as(model, settings))
        # A Converse client is answered by Converse; clients that need a translation reach Claude in its own dialect.
        return ("messages", "converse") if claude else ("converse",)

    def embeddings(self, model: str, settings: ModelSettings) -> Format | None:
        known = _known_as(model, settings)
        return next((found for name, found in _EMBEDDINGS.items() if name in known), None)

    def counts_in(self, dialect: str) -> bool:
        # CountTokens supports Claude only, and answers 400 for other families: an estimate serves them better.
        return dialect == "messages"

    def listing(self, model: str, settings: ModelSettings) -> Listing | None:
        region = region_of(host_of(self.base_url))
        if region is None or not is_commercial(region) or _BY_THE_HOUR.search(model):
            return None
        return Listing(base_url_of(region), _known_as(model, settings))

    def catalogue(self, key: SecretStr | None) -> Catalogue:
        headers = {"accept": "application/json", **USER_AGENT}
        headers |= {} if key is None else {"authorization": f"Bearer {key.get_secret_value()}"}
        base = control_url(self.base_url)
        listed = (UpstreamRequest(f"{base}/{name}", headers, b"", "GET") for name in LISTS)
        return catalogue(*listed)

    def target(self, dialect: str, model: str, settings: ModelSettings) -> Target:
        known = _known_as(model, settings)
        if dialect == "messages":
            target = Target(model, host=HOST, claude=profile(known))
        else:
            target = Target(model, host=HOST, converse=models.profile(known))
        return configured(with_quirks(target, self._learned.quirks(model)), settings)

    def do_without(self, refused: VendorFailure, request: ProviderRequest) -> Without | None:
        quirk = quirk_of(refused, request.dialect)
        if quirk is None:
            return without_rejected(refused, request, self._learned) or super().do_without(refused, request)
        learn = partial(self._learned.record, request.model, quirk)
        return Without(quirk, partial(with_quirks, quirks=frozenset({quirk})), learn)

    def prepare(self, request: ProviderRequest) -> UpstreamRequest:
        request = with_accepted_betas(request, self._learned)
        action = _ACTIONS.get(request.action) or _PATHS[request.dialect, request.stream]
        body, dropped = _body(request, Extra(frozenset(self.settings.betas), frozenset(self.settings.fields)))
        headers = {
            "content-type": "application/json",
            "accept": EVENT_STREAM if action.endswith("-stream") else "application/json",
            **USER_AGENT,
        }
        if request.key is not None:
            headers["authorization"] = f"Bearer {request.key.get_secret_value()}"
        model = counting_id(request.model) if request.action == "count_tokens" else request.model
        if request.labels and action.startswith("converse"):
            body = merge_members(body, "requestMetadata", dict(request.labels))
        elif request.labels:
            headers[METADATA] = encode(dict(request.labels)).decode()
        url = f"{self.base_url}/model/{quote(model, safe='')}/{action}"
        return UpstreamRequest(url=url, headers=headers, body=body, dropped=dropped)

    def reserved(self) -> frozenset[str]:
        return super().reserved() | {METADATA}

    def send(self, request: UpstreamRequest, cancel: Cancel) -> UpstreamReply:
        keys: Keys | None = None
        token = self._token(request)
        if token is not None:
            secrets: tuple[str, ...] = (token,)
            request = replace(request, headers={**request.headers, "authorization": f"Bearer {token}"})
        else:
            keys = self._static or self._chain.keys(cancel)
            secrets = keys.all
            request = self._sign(request, keys, self._region)
        reply = super().send(request, cancel)
        # AWS's error for a rejected signature quotes what should have been signed.
        reply.secrets = secrets
        if reply.status >= 400 and keys is not None and reply.headers.get("x-amzn-errortype", "").startswith(_STALE):
            self._chain.forget(keys)
        if id := reply.headers.get(REQUEST_ID):
            # Anthropic's SDK looks for it there.
            reply.headers = {**reply.headers, "request-id": reply.headers.get("request-id", id)}
        if not _streams(request, reply):
            return reply
        write = write_converse_event if request.url.endswith(f"/{_CONVERSE_STREAM}") else write_invoke_event
        return StreamReply(reply, self.name, write)

    def read_error(self, dialect: str, status: int, headers: Mapping[str, str], body: bytes) -> VendorFailure | None:
        if dialect == "messages" and answered_in_dialect(body):
            return None
        failure = read_error.read_error(status, headers, body)
        uncountable = failure.kind == "invalid_request" and _CANNOT_COUNT in failure.message
        return replace(failure, uncountable=uncountable)

    def _token(self, request: UpstreamRequest) -> str | None:
        """A Bedrock API key: the configured one, or the one in the environment, as AWS's own tools accept it."""
        scheme, _, configured = request.headers.get("authorization", "").partition(" ")
        if scheme:
            return configured
        if self._static is not None or self.settings.profile is not None:
            return None
        return self._environment_token()


def _streams(request: UpstreamRequest, reply: UpstreamReply) -> bool:
    """Whether the reply is an event stream: by its content type, or else by its first byte."""
    if media_type(reply.headers.get("content-type", "")) == EVENT_STREAM:
        return True
    return reply.status == 200 and request.url.endswith("-stream") and reply.peek().startswith(FIRST_BYTE)


def _known_as(model: str, settings: ModelSettings) -> str:
    return settings.known_as(model) if isinstance(settings, BedrockModel) else model


def _body(request: ProviderRequest, extra: Extra) -> Edited:
    if request.dialect == "converse":
        return Edited(request.body)
    betas, known = request.headers.get("anthropic-beta", ""), _known_as(request.model, request.settings)
    if request.action == "count_tokens":
        return count_invoke_body(request.body, known, betas, request.settings.max_tokens or DEFAULT_MAX_TOKENS, extra)
    return invoke_body(request.body, known, betas, extra=extra)


PROVIDER = BedrockProvider
