"""A call's access to stored answers: it reads earlier ones and stores its own.

Never raises because an answer could not be stored. What one call reads is bounded like a request body, because stored
answers are compressed: few bytes may expand to many.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping

from nexus.call import Call
from nexus.dataclasses import dataclass
from nexus.errors import RequestTooLarge
from nexus.limits.call_limits import network_of
from nexus.response_store.store import ResponseStore, StoreOwner
from nexus.wire import Json, decode, encode, mapping

_QUICK = 1
"""zlib level: a fifth of the size at 100 MB/s."""


@dataclass(slots=True)
class Answers:
    """The earlier answers of one call's owner, by id; the dialect defines what a record holds. ``left`` is how many
    bytes the call may still read."""

    store: ResponseStore
    owner: StoreOwner
    left: int

    def find(self, ids: Collection[str]) -> dict[str, Mapping[str, Json]]:
        """The stored answers by id. Raises RequestTooLarge, and Overloaded if the store is unavailable."""
        keys = {self.owner.key(id): id for id in ids}
        found = self.store.find(keys) if keys else {}
        return {keys[key]: mapping(decode(self._unpack(data))) for key, data in found.items()}

    def keep(self, id: str, record: Mapping[str, Json]) -> None:
        self.store.keep(self.owner.key(id), self.owner.account, zlib.compress(encode(record), _QUICK))

    def forget(self, id: str) -> bool:
        return self.store.forget(self.owner.key(id))

    def _unpack(self, data: bytes) -> bytes:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(data, self.left + 1)
        self.left -= len(raw)
        if self.left < 0:
            raise RequestTooLarge("the stored answers that this request refers to are too large together")
        return raw


def answers_of(call: Call, store: ResponseStore | None, most: int) -> Answers | None:
    """The access of a call to stored answers; None if none are stored, or the owner is unknown."""
    name = call.identity.owner
    if store is None or name is None:
        return None
    payer = name or f"address {network_of(call.caller)}"
    return Answers(store, StoreOwner(name, payer), most)
