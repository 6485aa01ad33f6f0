"""What OpenAI's dialects share: the protocol and its model list. Source: OpenAI's API reference; openai.types.Model."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols.codex_catalog import codex_catalog
from nexus.protocols.dialect import ModelCard
from nexus.protocols.protocol import Protocol
from nexus.wire import Json

OPENAI = Protocol("openai", "OpenAI SDKs and Codex", base="/v1")


def write_model(card: ModelCard) -> dict[str, Json]:
    return {"id": card.id, "object": "model", "created": card.created, "owned_by": card.owner}


def write_models(cards: list[ModelCard], query: Mapping[str, str]) -> dict[str, Json]:
    """With the catalog that Codex reads, where it asks as Codex does."""
    catalog: dict[str, Json] = {"models": codex_catalog(cards)} if "client_version" in query else {}
    return {"object": "list", "data": [write_model(card) for card in cards], **catalog}
