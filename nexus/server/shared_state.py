"""State that the worker processes of one server share: what the supervisor serves of it.

Only what is kept in memory; what is in Redis is shared there.
"""

from __future__ import annotations

from nexus.accounting import recorder
from nexus.accounting.activity import Activity
from nexus.processes.hub import Function
from nexus.response_store import remote
from nexus.response_store.local import LocalStore
from nexus.response_store.store import ANSWERS, IDS, bounds_of
from nexus.settings import ServerSettings
from nexus.settings.limits import RedisStorage


class SharedState:
    """Made once, before the first worker is."""

    def __init__(self, settings: ServerSettings) -> None:
        self._kept = {name: LocalStore(bounds_of(settings.response_store, name)) for name in (ANSWERS, IDS)}
        self.functions: dict[str, Function] = {**recorder.services(Activity())}
        if not isinstance(settings.rate_limits.storage, RedisStorage):
            for name, store in self._kept.items():
                self.functions |= remote.services(store, name)

    def adopt(self, settings: ServerSettings) -> None:
        """What was stored stays; its bounds are those of the settings from now on."""
        for name, store in self._kept.items():
            store.bounds = bounds_of(settings.response_store, name)
