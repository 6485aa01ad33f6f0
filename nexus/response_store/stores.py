"""Where answers, and the owners of what vendors keep, are stored: where limits are counted."""

from __future__ import annotations

from nexus.processes.link import Link
from nexus.response_store.local import LocalStore
from nexus.response_store.remote import RemoteStore
from nexus.response_store.store import Store, bounds_of
from nexus.settings.limits import RedisStorage, Storage
from nexus.settings.server import ResponseStoreSettings


def make_store(name: str, settings: ResponseStoreSettings, storage: Storage, link: Link | None = None) -> Store:
    """The store of that name; ``link`` leads a worker process there. Raises MissingRedis."""
    bounds = bounds_of(settings, name)
    if isinstance(storage, RedisStorage):
        from nexus.response_store.shared import SharedStore

        return SharedStore(storage, bounds, name=name)
    return LocalStore(bounds) if link is None else RemoteStore(link, bounds, name)
