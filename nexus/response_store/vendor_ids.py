"""The owners of what a vendor stores: answers, conversations and their items, by the vendor's ids.

Any worker. Many callers share one account at the vendor, which serves an id to anyone who names it. Here an id works
only for the caller who got it; an id without a known owner counts as another caller's, unless ``serves_unknown``. A
caller's ids are stored before it gets them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nexus.call import Call
from nexus.dataclasses import dataclass
from nexus.errors import NotFound
from nexus.response_store.store import ResponseStore, StoreOwner, key_of
from nexus.settings.server import ResponseStoreSettings


@dataclass(slots=True)
class VendorIds:
    """The ids of one call. ``owner`` is None if the caller is unknown.

    ``serves_unknown`` lets ids pass whose owner is unknown. ``learns``: ids in the answer become the caller's.
    ``guards``: only the caller who received an id may use it.
    """

    store: ResponseStore
    owner: StoreOwner | None
    serves_unknown: bool
    learns: bool = True
    guards: bool = True

    def check(self, provider: str, ids: Sequence[tuple[str, str]]) -> None:
        """Checks the ids that a call names, each with its field. Raises NotFound, and Overloaded if the store is
        unavailable."""
        keys = {key_of(provider, id): (field, id) for field, id in ids}
        found = self.store.find(keys) if keys else {}
        for key, (field, id) in keys.items():
            if key not in found and self.serves_unknown:
                self.learns = False
            elif key not in found or found[key] != self._mark:
                what = f"{field}: " if field else ""
                raise NotFound(f"{what}{id[:100]} does not exist or is not yours", param=field or None)

    def makers(self, providers: Sequence[str], ids: Sequence[str]) -> frozenset[str]:
        """The providers that gave this caller all of these ids. Raises Overloaded if the store is unavailable."""
        keys = {provider: [key_of(provider, id) for id in ids] for provider in providers}
        found = self.store.find([key for wanted in keys.values() for key in wanted])
        return frozenset(
            provider for provider, wanted in keys.items() if all(found.get(key) == self._mark for key in wanted)
        )

    def keep(self, provider: str, ids: Iterable[str]) -> None:
        """Stores the ids in the vendor's answer as the caller's. Never raises."""
        if self.owner is not None and self.learns:
            for id in ids:
                self.store.keep(key_of(provider, id), self.owner.account, self._mark)

    def owe(self, provider: str, id: str, counted: bytes) -> None:
        """Stores how an answer was counted whose usage is not known yet. Never raises."""
        if self.owner is not None:
            self.store.keep(_usage_of(provider, id), self.owner.account, counted)

    def owed(self, provider: str, id: str) -> bytes | None:
        """Takes what ``owe`` stored; only one of concurrent readers gets it. Raises Overloaded if the store is
        unavailable."""
        key = _usage_of(provider, id)
        counted = self.store.find([key]).get(key)
        return counted if counted is not None and self.store.forget(key) else None

    @property
    def _mark(self) -> bytes:
        return b"" if self.owner is None else self.owner.key("").encode()


def _usage_of(provider: str, id: str) -> str:
    return key_of(provider, f"usage\n{id}")


def vendor_ids_of(call: Call, store: ResponseStore, settings: ResponseStoreSettings) -> VendorIds:
    """The ids of a call. On an open gateway all callers share one owner; the bytes count against their address."""
    name = call.identity.owner
    if name == "":
        return VendorIds(store, StoreOwner("", call.caller), serves_unknown=True, guards=False)
    is_identified = call.identity.source != "open"
    owner = None if name is None else StoreOwner(name, name)
    return VendorIds(store, owner, serves_unknown=not is_identified or settings.stored_unknown == "serve")
