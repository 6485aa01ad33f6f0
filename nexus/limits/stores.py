"""The store that the settings ask for.

Law: the only file that knows all stores; the Redis one is imported where it is wanted.
"""

from __future__ import annotations

from nexus.limits.quota import Store
from nexus.limits.store_memory import MemoryStore
from nexus.settings.limits import RedisStorage, Storage


def make_store(settings: Storage) -> Store:
    """Raises MissingRedis where the store needs what is not installed."""
    if isinstance(settings, RedisStorage):
        from nexus.limits.store_redis import RedisStore

        return RedisStore(settings)
    return MemoryStore()
