"""Answers kept in Redis, for every process and machine that counts its limits there.

Worker threads only, for every call may wait for the network. While Redis is lost nothing is kept, and who refers
to an earlier answer gets a 503, which is true and worth another try; one call a second looks whether Redis is back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from nexus.errors import Overloaded
from nexus.limits.breaker import Breaker
from nexus.limits.redis_client import address_of, errors, explain
from nexus.limits.redis_nodes import Nodes
from nexus.response_store.script import FIND, FORGET, KEEP, OVERHEAD
from nexus.response_store.store import Bounds
from nexus.settings.limits import RedisStorage

log = logging.getLogger("nexus.response_store")

REST = 1.0
"""Seconds between two looks at a Redis that is lost."""


class SharedStore:
    def __init__(
        self,
        settings: RedisStorage,
        bounds: Bounds,
        *,
        name: str = "answers",
        clock: Callable[[], int] | None = None,
    ) -> None:
        """``name`` tells one store from another; ``clock`` gives milliseconds in place of the server's time, for tests.

        Raises MissingRedis.
        """
        self._settings = settings
        self.bounds = bounds
        self._clock = clock
        self._nodes = Nodes(settings)
        self._lost = errors().lost
        self._base = f"{settings.key_prefix}{{{name}}}"
        self._breaker = Breaker(REST)

    def keep(self, key: str, payer: str, data: bytes) -> None:
        self._run(KEEP, [self.bounds.most, self.bounds.most_each, key, payer, data, OVERHEAD])

    def find(self, keys: Collection[str]) -> Mapping[str, bytes]:
        wanted = list(keys)
        reply = self._asked(FIND, wanted)
        return {key: data for key, data in zip(wanted, reply, strict=True) if data is not None}

    def forget(self, key: str) -> bool:
        return bool(self._asked(FORGET, [key]))

    def close(self) -> None:
        self._nodes.close()

    def _asked(self, script: str, arguments: Sequence[object]) -> Any:
        reply = self._run(script, arguments)
        if reply is None:
            raise Overloaded("earlier answers cannot be looked up at the moment", retry_after=REST)
        return reply

    def _run(self, script: str, arguments: Sequence[object]) -> Any:
        """The script's reply, or None where Redis does not answer."""
        entered = self._breaker.enter()
        if entered is None:
            return None
        now = "" if self._clock is None else self._clock()
        try:
            reply = self._nodes.run(script, [self._base], [now, int(self.bounds.seconds * 1000), *arguments])
        except self._lost as error:
            self._failed(error)
            return None
        if self._breaker.succeeded(entered):
            log.warning("Redis is back: answers are kept again")
        return reply

    def _failed(self, error: Exception) -> None:
        if self._breaker.failed():
            fields = {
                "redis": address_of(self._settings),
                "error": type(error).__name__,
                "reason": explain(error, self._settings),
            }
            log.error("Redis is lost: no answers are kept", extra={"fields": fields})
