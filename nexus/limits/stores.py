"""The store that the settings ask for."""

from __future__ import annotations

from nexus.limits.quota import Store
from nexus.limits.shared_windows import SharedWindows
from nexus.limits.store_memory import MemoryStore
from nexus.limits.store_shared import SharedStore
from nexus.settings.limits import RedisStorage, Storage


def make_store(settings: Storage, windows: SharedWindows | None = None) -> Store:
    """``windows`` are those of several processes. Raises MissingRedis where that is not installed."""
    if isinstance(settings, RedisStorage):
        from nexus.limits.store_redis import RedisStore

        return RedisStore(settings)
    return MemoryStore() if windows is None else SharedStore(windows)
