"""Anthropic's model list, with its cursors.

Source: Anthropic's Models API.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.errors import InvalidRequest
from nexus.protocols.dialect import ModelCard
from nexus.protocols.messages.limits import moment
from nexus.wire import Json, only

DEFAULT_LIMIT, MAX_LIMIT = 20, 1000


def write_model(card: ModelCard) -> dict[str, Json]:
    model = {
        "type": "model",
        "id": card.id,
        "display_name": card.display_name or card.id,
        "created_at": moment(card.created),
        "lifecycle": "active",
        "description": card.description,
    }
    return only(model)


def write_models(cards: list[ModelCard], query: Mapping[str, str]) -> dict[str, Json]:
    """One page: ``limit`` models after ``after_id``, or right before ``before_id``."""
    limit = _limit(query.get("limit"))
    after, before = query.get("after_id"), query.get("before_id")
    if after and before:
        raise InvalidRequest("after_id and before_id exclude each other", param="before_id")
    if before:
        end = _position(cards, before, "before_id")
        page, more = cards[max(0, end - limit) : end], end > limit
    else:
        start = _position(cards, after, "after_id") + 1 if after else 0
        page, more = cards[start : start + limit], start + limit < len(cards)
    return {
        "data": [write_model(card) for card in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def _limit(value: str | None) -> int:
    if value is None:
        return DEFAULT_LIMIT
    if not value.isascii() or not value.isdigit() or len(value) > 4 or not 1 <= int(value) <= MAX_LIMIT:
        raise InvalidRequest.about("limit", f"expected a number from 1 to {MAX_LIMIT}")
    return int(value)


def _position(cards: list[ModelCard], wanted: str, param: str) -> int:
    for position, card in enumerate(cards):
        if card.id == wanted:
            return position
    raise InvalidRequest.about(param, "no such model")
