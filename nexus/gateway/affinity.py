"""Session affinity: which of several candidates a session goes to. Every process picks the same one while it is up.

Pure except for ``Moves``, which is thread-safe and bounded. Session ids are not authenticated, so they are hashed
together with the caller and the model name: an id can steer only its own caller's calls to one name.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar

from nexus.auth.identity import joined
from nexus.call import Call
from nexus.processes.board import Board, Publish
from nexus.wire import Json, mapping

IDLE = 300.0
"""Seconds without a call after which a session that had to move returns home: the vendors' short prompt caches have
expired by then."""

MOST = 10_000
"""Maximum number of moved sessions to remember."""

OWN_HEADER = "x-nexus-session"

Item = TypeVar("Item")


def session_of(call: Call) -> str | None:
    """The session that the client names for a call, or None."""
    document = call.document
    texts = (
        call.tags.session,
        document.get("prompt_cache_key"),
        call.headers.get(OWN_HEADER),
        document.get("safety_identifier"),
        document.get("user"),
        mapping(document.get("metadata")).get("user_id"),
    )
    return next((text for text in map(_text, texts) if text is not None), None)


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def affinity_of(call: Call, model: str) -> str:
    """The affinity key, which decides where a call to a model goes; unique for a call without a session."""
    session = session_of(call)
    scope = ("session", session) if session is not None else ("call", call.id)
    return _digest(joined(model, call.identity.account or call.identity.owner or "", *scope)).hex()


def spread(key: str, items: Sequence[Item], name: Callable[[Item], str], weight: Callable[[Item], float]) -> list[Item]:
    """The items in the order that ``key`` prefers: weighted rendezvous hashing, so that adding or removing an item
    moves only the keys that it gains or loses."""
    if len(items) < 2:
        return list(items)

    def cost(item: Item) -> float:
        drawn = (int.from_bytes(_digest(f"{key}\n{name(item)}")) + 0.5) / 2.0**64
        return -math.log(drawn) / weight(item)

    return sorted(items, key=cost)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


REPUBLISH_AFTER = 30.0
"""Seconds after which a moved session that is still in use is published to the other processes again."""


class Moves:
    """The candidates of sessions that had to leave their home. Losing them on a restart does no harm."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._candidates: OrderedDict[str, tuple[str, float, float]] = OrderedDict()
        """By affinity key, oldest use first: the candidate's name, when it was last used, and when it was last
        published."""

        self._publish: Publish | None = None

    def share(self, board: Board) -> None:
        """Shares moves with all processes from now on."""
        self._publish = board.table("moves", self._received)

    def _received(self, key: str, fact: tuple[str, float]) -> None:
        with self._lock:
            candidate, used = fact
            self._keep(key, candidate, used, used)

    def candidate(self, key: str, now: float) -> str | None:
        """The name of the candidate where the session currently stays, or None if it is at home."""
        if not self._candidates:
            return None
        with self._lock:
            name, used, _ = self._candidates.get(key, (None, 0.0, 0.0))
            if name is not None and now - used > IDLE:
                del self._candidates[key]
                name = None
            return name

    def answered(self, key: str, candidate: str, home: str, now: float) -> None:
        """Records which candidate answered a session; ``home`` is the one that it prefers."""
        if candidate == home and not self._candidates:
            return
        with self._lock:
            if candidate == home and key not in self._candidates:
                return
            before, _, shared = self._candidates.get(key, ("", 0.0, 0.0))
            if before != candidate or now - shared > REPUBLISH_AFTER:
                shared = now
                if self._publish is not None:
                    self._publish(key, (candidate, now), IDLE)
            self._keep(key, candidate, now, shared)

    def _keep(self, key: str, candidate: str, used: float, shared: float) -> None:
        self._candidates[key] = (candidate, used, shared)
        self._candidates.move_to_end(key)
        if len(self._candidates) > self._most:
            self._candidates.popitem(last=False)
