"""What OpenAI's dialects share: the protocol, its model list, its errors and limits. Source: OpenAI's API reference and
guide to rate limits; openai.types.Model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from nexus.errors import NexusError
from nexus.protocols import openai_errors
from nexus.protocols.dialect import Dialect, ModelCard, RateLimit, tightest
from nexus.protocols.protocol import Protocol
from nexus.wire import Json


class OpenAIDialect(Dialect):
    protocol: ClassVar[Protocol] = Protocol("openai", "OpenAI SDKs and Codex", base="/v1")
    ping: ClassVar[bytes] = b": nexus ping\n"
    id_header: ClassVar[str] = "x-request-id"

    def write_error(self, error: NexusError, request_id: str) -> bytes:
        return openai_errors.write_error(error)

    def rate_limit_headers(self, limits: Sequence[RateLimit], now: float) -> dict[str, str]:
        return write_limits(limits)

    def write_model(self, card: ModelCard) -> dict[str, Json]:
        return {"id": card.id, "object": "model", "created": card.created, "owned_by": card.owner}

    def write_models(self, cards: list[ModelCard], query: Mapping[str, str]) -> dict[str, Json]:
        """With the catalog that Codex reads, if it is requested as Codex does."""
        from nexus.protocols.codex_catalog import codex_catalog

        catalog: dict[str, Json] = {"models": codex_catalog(cards)} if "client_version" in query else {}
        return {"object": "list", "data": [self.write_model(card) for card in cards], **catalog}


def write_limits(limits: Sequence[RateLimit]) -> dict[str, str]:
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


def duration(seconds: int) -> str:
    """As OpenAI writes it: "1s", "6m0s", "1h0m0s"."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
