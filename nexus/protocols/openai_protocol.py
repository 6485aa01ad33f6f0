"""What OpenAI's dialects share: the protocol, its model list, limits and errors
(``{"error": {message, type, param, code}}``). Source: OpenAI's API reference, its guides to rate limits and error
codes; openai.types.Model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from nexus.errors import NexusError
from nexus.protocols.dialect import Dialect, ModelCard, RateLimit, tightest
from nexus.protocols.protocol import Protocol
from nexus.wire import Json, decode_object, encode, mapping

_INVALID = "invalid_request_error"
_SERVER = "server_error"

TYPES: dict[str, tuple[str, str | None]] = {
    "invalid_request": (_INVALID, None),
    **{
        kind: (_INVALID, kind)
        for kind in (
            *("unsupported_feature", "not_found", "model_not_found", "method_not_allowed", "no_websocket"),
            *("request_too_large", "request_timeout", "head_too_large", "unsupported_media_type"),
        )
    },
    "authentication": (_INVALID, "invalid_api_key"),
    "permission": ("permission_error", None),
    "context_length": (_INVALID, "context_length_exceeded"),
    "content_policy": (_INVALID, "content_policy_violation"),
    "rate_limit": ("rate_limit_error", "rate_limit_exceeded"),
    "quota": ("insufficient_quota", "insufficient_quota"),
    "overloaded": (_SERVER, "overloaded"),
    "timeout": (_SERVER, "upstream_timeout"),
    "unreachable": (_SERVER, "upstream_unreachable"),
    "protocol": (_SERVER, "upstream_protocol"),
    "stream_interrupted": (_SERVER, "stream_interrupted"),
    "upstream": (_SERVER, None),
    "answered": (_SERVER, None),
    "cancelled": (_SERVER, "cancelled"),
    "internal": (_SERVER, "internal_error"),
}


def write_error(error: NexusError) -> bytes:
    """The complete body; the request id is in a header in these dialects."""
    kind, code = TYPES.get(error.kind, TYPES["internal"])
    return encode({"error": {"message": error.message, "type": kind, "param": error.param, "code": code}})


def read_body(body: bytes) -> Mapping[str, Json]:
    """The ``error`` object of a body in this form, {} for anything else."""
    return mapping(decode_object(body).get("error"))


class OpenAIDialect(Dialect):
    protocol: ClassVar[Protocol] = Protocol("openai", "OpenAI SDKs and Codex", base="/v1")
    ping: ClassVar[bytes] = b": nexus ping\n"
    id_header: ClassVar[str] = "x-request-id"

    def write_error(self, error: NexusError, request_id: str) -> bytes:
        return write_error(error)

    def rate_limit_headers(self, limits: Sequence[RateLimit], now: float) -> dict[str, str]:
        headers: dict[str, str] = {}
        requests = [limit for limit in limits if limit.dimension == "requests"]
        tokens = [limit for limit in limits if limit.dimension != "requests"]
        for name, found in (("requests", requests), ("tokens", tokens)):
            if found:
                limit = tightest(found)
                headers[f"x-ratelimit-limit-{name}"] = str(limit.limit)
                headers[f"x-ratelimit-remaining-{name}"] = str(limit.remaining)
                headers[f"x-ratelimit-reset-{name}"] = duration(math.ceil(limit.reset))
        return headers

    def write_model(self, card: ModelCard) -> dict[str, Json]:
        return {"id": card.id, "object": "model", "created": card.created, "owned_by": card.owner}

    def write_models(self, cards: list[ModelCard], query: Mapping[str, str]) -> dict[str, Json]:
        """All models; for Codex, which sends its version, also the catalog that it reads."""
        from nexus.protocols.codex_catalog import codex_catalog

        catalog: dict[str, Json] = {"models": codex_catalog(cards)} if "client_version" in query else {}
        return {"object": "list", "data": [self.write_model(card) for card in cards], **catalog}


def duration(seconds: int) -> str:
    """A duration as OpenAI writes it: "1s", "6m0s", "1h0m0s"."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
