"""Answers stored in Redis, shared by every process and machine that counts its limits there.

Worker threads only, because every call may wait for the network. While Redis is down nothing is stored, and a client
that refers to an earlier answer gets a 503, which it may retry; one call per second checks whether Redis is back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from nexus.errors import Overloaded
from nexus.limits.redis_nodes import PAUSE, Redis
from nexus.response_store.script import FIND, FORGET, KEEP, OVERHEAD
from nexus.response_store.store import Bounds
from nexus.settings.limits import RedisStorage

log = logging.getLogger("nexus.response_store")


class RedisResponseStore:
    def __init__(
        self, settings: RedisStorage, bounds: Bounds, *, name: str = "answers", clock: Callable[[], int] | None = None
    ) -> None:
        """``name`` distinguishes the stores; ``clock`` returns milliseconds in place of the server's time, for tests.

        Raises CannotServe.
        """
        self.bounds = bounds
        self._clock = clock
        self._base = f"{settings.key_prefix}{{{name}}}"
        back = partial(log.warning, "Redis is back: answers are stored again")
        self._redis = Redis(settings, log, instead="answers are not stored", back=back)

    def keep(self, key: str, payer: str, data: bytes) -> None:
        self._run(KEEP, [self.bounds.most, self.bounds.most_each, key, payer, data, OVERHEAD])

    def find(self, keys: Collection[str]) -> Mapping[str, bytes]:
        wanted = list(keys)
        reply = self._answer_of(FIND, wanted)
        return {key: data for key, data in zip(wanted, reply, strict=True) if data is not None}

    def forget(self, key: str) -> bool:
        return bool(self._answer_of(FORGET, [key]))

    def close(self) -> None:
        self._redis.close()

    def _answer_of(self, script: str, arguments: Sequence[object]) -> Any:
        reply = self._run(script, arguments)
        if reply is None:
            raise Overloaded("stored answers are temporarily unavailable; retry in a moment", retry_after=PAUSE)
        return reply

    def _run(self, script: str, arguments: Sequence[object]) -> Any:
        """The script's reply; None if Redis is down."""
        now = "" if self._clock is None else self._clock()
        return self._redis.run(script, [self._base], [now, int(self.bounds.seconds * 1000), *arguments])
