"""The store that the settings ask for."""

from __future__ import annotations

from nexus.limits.quota import Store
from nexus.limits.store_memory import MemoryStore
from nexus.limits.store_remote import RemoteStore
from nexus.processes.link import Link
from nexus.settings.limits import RedisStorage, Storage


def make_store(settings: Storage, link: Link | None = None) -> Store:
    """``link`` leads a worker process to its supervisor. Raises MissingRedis where that is not installed."""
    if isinstance(settings, RedisStorage):
        from nexus.limits.store_redis import RedisStore

        return RedisStore(settings)
    return MemoryStore() if link is None else RemoteStore(link)
