"""The Gemini API's model list, with its pages. Source: ai.google.dev/api/models."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.errors import InvalidRequest
from nexus.protocols.dialect import ModelCard
from nexus.wire import Json, only

DEFAULT_PAGE, MAX_PAGE = 50, 1000
_METHODS = ("generateContent", "countTokens")


def write_model(card: ModelCard) -> dict[str, Json]:
    model = {
        "name": f"models/{card.id}",
        "version": "001",
        "displayName": card.display_name or card.id,
        "description": card.description,
        "inputTokenLimit": card.context,
        "supportedGenerationMethods": list(_METHODS),
        "thinking": True if card.efforts else None,
    }
    return only(model)


def write_models(cards: list[ModelCard], query: Mapping[str, str]) -> dict[str, Json]:
    """One page: ``pageSize`` models after those of the previous pages. Raises InvalidRequest."""
    size = min(_number(query, "pageSize", "page_size") or DEFAULT_PAGE, MAX_PAGE)
    start = _number(query, "pageToken", "page_token") or 0
    more: dict[str, Json] = {"nextPageToken": str(start + size)} if start + size < len(cards) else {}
    return {"models": [write_model(card) for card in cards[start : start + size]], **more}


def _number(query: Mapping[str, str], *names: str) -> int | None:
    value = next((query[name] for name in names if query.get(name)), None)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise InvalidRequest.about(names[0], "expected a number")
    return int(value)
