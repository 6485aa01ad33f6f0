"""Which of several places a session goes to: the same one in every process, as long as it is up.

Pure but for ``Moves``, which is thread-safe and bounded. A session's key is never proved, so that it steers
nothing but its own caller's calls to one name: both are part of what is hashed.
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
"""Seconds without a call after which a session that had to move goes home: the vendors' short prompt caches are cold by
then."""

MOST = 10_000
"""Sessions that had to move, of which it is known where they went."""

OWN_HEADER = "x-nexus-session"

Item = TypeVar("Item")


def session_of(call: Call) -> str | None:
    """What a client says that a call belongs to; None where it says nothing."""
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
    """What decides where a call to a name goes; a call of no session is one by itself."""
    session = session_of(call)
    scope = ("session", session) if session is not None else ("call", call.id)
    return _digest(joined(model, call.identity.account or call.identity.owner or "", *scope)).hex()


def spread(key: str, items: Sequence[Item], name: Callable[[Item], str], weight: Callable[[Item], float]) -> list[Item]:
    """The items in the order in which ``key`` prefers them: weighted rendezvous hashing, by which an item that comes or
    goes moves only the keys that are or were its own."""
    if len(items) < 2:
        return list(items)

    def cost(item: Item) -> float:
        drawn = (int.from_bytes(_digest(f"{key}\n{name(item)}")) + 0.5) / 2.0**64
        return -math.log(drawn) / weight(item)

    return sorted(items, key=cost)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


TOLD = 30.0
"""Seconds after which other processes are told again that a session which moved is still there."""


class Moves:
    """Where sessions went that could not stay; lost on a restart without harm."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._places: OrderedDict[str, tuple[str, float, float]] = OrderedDict()
        """By what decides where a session goes, oldest use first: the name of a place, when it was last used, and when
        others were last told."""

        self._publish: Publish | None = None

    def share(self, board: Board) -> None:
        """They are those of all processes from now on."""
        self._publish = board.table("moves", self._received)

    def _received(self, key: str, fact: tuple[str, float]) -> None:
        with self._lock:
            place, used = fact
            self._keep(key, place, used, used)

    def __len__(self) -> int:
        return len(self._places)

    def place(self, key: str, now: float) -> str | None:
        """Where the session stays for the time being."""
        if not self._places:
            return None
        with self._lock:
            name, used, _ = self._places.get(key, (None, 0.0, 0.0))
            if name is not None and now - used > IDLE:
                del self._places[key]
                name = None
            return name

    def answered(self, key: str, place: str, home: str, now: float) -> None:
        """A session was answered at ``place``; where it would go of itself is ``home``."""
        if place == home and not self._places:
            return
        with self._lock:
            if place == home and key not in self._places:
                return
            before, _, shared = self._places.get(key, ("", 0.0, 0.0))
            if before != place or now - shared > TOLD:
                shared = now
                if self._publish is not None:
                    self._publish(key, (place, now), IDLE)
            self._keep(key, place, now, shared)

    def _keep(self, key: str, place: str, used: float, shared: float) -> None:
        self._places[key] = (place, used, shared)
        self._places.move_to_end(key)
        if len(self._places) > self._most:
            self._places.popitem(last=False)
