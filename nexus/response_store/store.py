"""The interface of a response store, and the key of an answer in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from nexus.dataclasses import dataclass
from nexus.settings.server import ResponseStoreSettings
from nexus.wire import digest


def key_of(whose: str, id: str) -> str:
    """A unique key for an id that is unique only within its owner or provider."""
    return digest(f"{whose}\n{id}")


@dataclass(frozen=True, slots=True)
class StoreOwner:
    """``name`` is the only caller who may read, ``payer`` the account that the bytes count against: on an open gateway
    the address."""

    name: str
    payer: str

    def key(self, id: str) -> str:
        """The key of an answer of this owner; no other owner can produce it."""
        return key_of(self.name, id)

    @property
    def account(self) -> str:
        return digest(self.payer, 32)


@dataclass(frozen=True, slots=True)
class Bounds:
    """``most`` and ``most_each`` are bytes, in total and per payer; ``seconds`` count from the last use."""

    most: int
    most_each: int
    seconds: float


ANSWERS, IDS = "answers", "ids"
"""The names of the two stores: of answers, and of the owners of vendors' ids."""


def bounds_of(settings: ResponseStoreSettings, name: str) -> Bounds:
    seconds = settings.time_to_live if name == ANSWERS else settings.ids_time_to_live
    return Bounds(settings.max_size, settings.max_size_per_caller, seconds)


class ResponseStore(Protocol):
    """Stores bytes within its bounds, which may change. Worker threads only: calls may wait for a network."""

    bounds: Bounds

    def keep(self, key: str, payer: str, data: bytes) -> None:
        """Stores data; evicts the least recently used, the payer's own first. Never raises."""
        ...

    def find(self, keys: Collection[str]) -> Mapping[str, bytes]:
        """The entries that exist; finding one counts as a use. Raises Overloaded if the store is unavailable."""
        ...

    def forget(self, key: str) -> bool:
        """Deletes an entry; returns whether it existed. Raises Overloaded if the store is unavailable."""
        ...

    def close(self) -> None: ...
