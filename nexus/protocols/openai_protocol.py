"""What OpenAI's dialects share: the protocol, its model list, its errors and limits. Source: OpenAI's API reference;
openai.types.Model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from nexus.errors import NexusError
from nexus.protocols import openai_errors, openai_limits
from nexus.protocols.dialect import Dialect, ModelCard, RateLimit
from nexus.protocols.protocol import Protocol
from nexus.wire import Json


class OpenAIDialect(Dialect):
    protocol: ClassVar[Protocol] = Protocol("openai", "OpenAI SDKs and Codex", base="/v1")
    ping: ClassVar[bytes] = b": nexus ping\n"
    id_header: ClassVar[str] = "x-request-id"

    def write_error(self, error: NexusError, request_id: str) -> bytes:
        return openai_errors.write_error(error)

    def rate_limit_headers(self, limits: Sequence[RateLimit], now: float) -> dict[str, str]:
        return openai_limits.write_limits(limits)

    def write_model(self, card: ModelCard) -> dict[str, Json]:
        return {"id": card.id, "object": "model", "created": card.created, "owned_by": card.owner}

    def write_models(self, cards: list[ModelCard], query: Mapping[str, str]) -> dict[str, Json]:
        """With the catalog that Codex reads, where it asks as Codex does."""
        from nexus.protocols.codex_catalog import codex_catalog

        catalog: dict[str, Json] = {"models": codex_catalog(cards)} if "client_version" in query else {}
        return {"object": "list", "data": [self.write_model(card) for card in cards], **catalog}
