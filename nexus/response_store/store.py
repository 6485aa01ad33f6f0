"""The interface of a response store, and the key of an answer in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from nexus.dataclasses import dataclass
from nexus.settings.server import ResponseStoreSettings
from nexus.wire import digest


def key_of(whose: str, id: str) -> str:
    """One name for an id that means something to its owner, or at its provider, alone."""
    return digest(f"{whose}\n{id}")


@dataclass(frozen=True, slots=True)
class Owner:
    """``name`` is who alone may read, ``payer`` on whose account the bytes are: on an open gateway the address."""

    name: str
    payer: str

    def key(self, id: str) -> str:
        """The name of an answer of this owner; nobody can make that of another one."""
        return key_of(self.name, id)

    @property
    def account(self) -> str:
        return digest(self.payer, 32)


@dataclass(frozen=True, slots=True)
class Bounds:
    """``most`` and ``most_each`` are bytes, in all and for each payer; ``seconds`` count from the last use."""

    most: int
    most_each: int
    seconds: float


ANSWERS, IDS = "answers", "ids"
"""The names of the two stores: of answers, and of whose the ids are that vendors give out."""


def bounds_of(settings: ResponseStoreSettings, name: str) -> Bounds:
    """Of the store of that name."""
    seconds = settings.time_to_live if name == ANSWERS else settings.ids_time_to_live
    return Bounds(settings.max_size, settings.max_size_per_caller, seconds)


class Store(Protocol):
    """Keeps bytes within its bounds, which may change. Worker threads: calls may wait for a network."""

    bounds: Bounds

    def keep(self, key: str, payer: str, data: bytes) -> None:
        """Makes room by forgetting what was not used for longest, the payer's own first. Never raises."""
        ...

    def find(self, keys: Collection[str]) -> Mapping[str, bytes]:
        """Those that are there, which counts as a use. Raises Overloaded when it cannot look."""
        ...

    def forget(self, key: str) -> bool:
        """Whether it was there. Raises Overloaded when it cannot look."""
        ...

    def close(self) -> None: ...
