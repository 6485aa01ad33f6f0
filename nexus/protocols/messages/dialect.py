"""The messages dialect: Anthropic's ``/v1/messages``.

Everything a client of this dialect sees is written in this folder. Source: Anthropic's API reference (with its
models API and the headers of rate limits) and the types of its Python SDK.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from nexus.errors import NexusError
from nexus.models import claude
from nexus.protocols.checks import require, wrong
from nexus.protocols.codec import Target
from nexus.protocols.dialect import Dialect, ModelCard, RateLimit, tightest
from nexus.protocols.files import FilesCodec, page_size
from nexus.protocols.messages.files import FILES_CODEC
from nexus.protocols.operation import COUNT_TOKENS, FILES, GENERATE, MESSAGE_BATCHES, Operation
from nexus.protocols.protocol import Protocol
from nexus.wire import Json, only

ANTHROPIC = Protocol("anthropic", "Anthropic SDKs and Claude Code (ANTHROPIC_BASE_URL)", header="anthropic-version")
DEFAULT_LIMIT, MAX_LIMIT = 20, 1000
"""Models per page of the list."""


class Messages(Dialect):
    name: ClassVar[str] = "messages"
    protocol: ClassVar[Protocol] = ANTHROPIC
    operations: ClassVar[tuple[Operation, ...]] = (
        GENERATE.at("/messages"),
        COUNT_TOKENS.at("/messages/count_tokens"),
        MESSAGE_BATCHES,
        FILES,
    )
    files: ClassVar[FilesCodec | None] = FILES_CODEC
    ping: ClassVar[bytes] = b': nexus\nevent: ping\ndata: {"type":"ping"}\n\n'
    id_prefix: ClassVar[str] = "msg_"
    id_header: ClassVar[str] = "request-id"

    def check(self, document: Mapping[str, Json], operation: Operation) -> None:
        require(document, "messages", list, "an array of messages")
        if operation.relay == "answer":
            require(document, "max_tokens", int, "an integer")

    def uses_rejected_options(self, document: Mapping[str, Json], target: Target) -> bool:
        return target.claude.known and claude.uses_rejected_options(target.claude, document)

    has_vendor_ids: ClassVar[bool] = True

    def vendor_ids(self, path: str, document: Mapping[str, Json]) -> list[tuple[str, str]]:
        from nexus.protocols.messages.turns import container_id

        container = container_id(document)
        return [("container", container)] if container else []

    def write_error(self, error: NexusError, request_id: str) -> bytes:
        from nexus.protocols.messages.write_error import write_error

        return write_error(error, request_id)

    error_event: ClassVar[str | None] = "error"

    def rate_limit_headers(self, limits: Sequence[RateLimit], now: float) -> dict[str, str]:
        headers: dict[str, str] = {}
        tokens = [limit for limit in limits if limit.dimension != "requests"]
        named = [(limit.dimension.replace("_", "-"), limit) for limit in limits]
        # Anthropic's meaning of "tokens": the currently most restrictive limit.
        named += [("tokens", tightest(tokens))] if tokens else []
        for name, limit in named:
            start = f"anthropic-ratelimit-{name}-"
            headers[f"{start}limit"] = str(limit.limit)
            headers[f"{start}remaining"] = str(limit.remaining)
            headers[f"{start}reset"] = moment(now + limit.reset)
        return headers

    def write_model(self, card: ModelCard) -> dict[str, Json]:
        model = {
            "type": "model",
            "id": card.id,
            "display_name": card.display_name or card.id,
            "created_at": moment(card.created),
            "lifecycle": "active",
            "description": card.description,
        }
        return only(model)

    def write_models(self, cards: list[ModelCard], query: Mapping[str, str]) -> dict[str, Json]:
        """One page: ``limit`` models after ``after_id``, or right before ``before_id``."""
        limit = page_size(query.get("limit", ""), DEFAULT_LIMIT, MAX_LIMIT)
        after, before = query.get("after_id"), query.get("before_id")
        if after and before:
            raise wrong("before_id", "after_id or before_id, not both")
        if before:
            end = _position(cards, before, "before_id")
            page, more = cards[max(0, end - limit) : end], end > limit
        else:
            start = _position(cards, after, "after_id") + 1 if after else 0
            page, more = cards[start : start + limit], start + limit < len(cards)
        return {
            "data": [self.write_model(card) for card in page],
            "has_more": more,
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
        }


def moment(seconds: float) -> str:
    """RFC 3339 in UTC, whole seconds, rounded up."""
    return _formatted(math.ceil(seconds))


@functools.lru_cache(64)
def _formatted(second: int) -> str:
    # Calls within a second share a few resets; formatting one takes as long as parsing a small request.
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _position(cards: list[ModelCard], wanted: str, param: str) -> int:
    for position, card in enumerate(cards):
        if card.id == wanted:
            return position
    raise wrong(param, "the id of a model")


DIALECT = Messages()
