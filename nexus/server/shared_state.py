"""State that the worker processes of one server share: what the supervisor serves of it.

Only what is kept in memory; what is in Redis is shared there.
"""

from __future__ import annotations

from nexus.accounting import recorder
from nexus.accounting.activity import Activity
from nexus.processes.hub import Function
from nexus.response_store import remote, responses, vendor_ids
from nexus.response_store.local import LocalStore
from nexus.settings import ServerSettings
from nexus.settings.limits import RedisStorage


class SharedState:
    """Made once, before the first worker is."""

    def __init__(self, settings: ServerSettings) -> None:
        self._answers = LocalStore(responses.bounds_of(settings.response_store))
        self._ids = LocalStore(vendor_ids.id_bounds_of(settings.response_store))
        self.functions: dict[str, Function] = {**recorder.services(Activity())}
        if not isinstance(settings.rate_limits.storage, RedisStorage):
            self.functions |= remote.services(self._answers, responses.NAME)
            self.functions |= remote.services(self._ids, vendor_ids.NAME)

    def adopt(self, settings: ServerSettings) -> None:
        """What was stored stays; its bounds are those of the settings from now on."""
        self._answers.bounds = responses.bounds_of(settings.response_store)
        self._ids.bounds = vendor_ids.id_bounds_of(settings.response_store)
