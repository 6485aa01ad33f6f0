"""Runs scripts where their keys are: on a single Redis, or on a node of a cluster.

Worker threads only. A node that no longer has the keys names the node that does, without executing anything: only then
is a script sent again. If a node fails, the known slot owners are dropped and another known node is tried first. While
Redis is unavailable, one call per second probes it; all others proceed without it.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from nexus.limits.breaker import Breaker, Pass
from nexus.limits.redis_client import Connections, errors, explain, redis_address, slot_of
from nexus.settings.limits import RedisStorage

MOST_MOVES = 3
PAUSE = 1.0
"""Seconds between two probes of an unavailable Redis."""


@functools.cache
def _sha(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


class Nodes:
    """The configured node, and those that it redirected to."""

    def __init__(self, settings: RedisStorage) -> None:
        """Raises CannotServe."""
        self._settings = settings
        self._first = redis_address(settings)
        self._nodes = {self._first: Connections(settings)}
        self._errors = errors()
        self._owners: dict[int, str] = {}
        self._lock = threading.Lock()

    def run(self, script: str, keys: Sequence[str], arguments: Sequence[object]) -> Any:
        """The script's reply; all its keys are in one slot. Raises redis-py's exceptions."""
        slot = slot_of(keys[0]) if keys else None
        node = self._owners.get(slot, self._first) if slot is not None else self._first
        for _ in range(MOST_MOVES):
            try:
                return self._evaluate(node, script, keys, arguments)
            except self._errors.moved as moved:
                node = self._node_at(str(moved), node)
                if slot is not None:
                    self._owners[slot] = node
            except self._errors.ask as ask:
                # The slot is migrating to another node: ask that one this once, and keep the owner.
                return self._evaluate_there(self._node_at(str(ask), node), script, keys, arguments)
            except self._errors.failure:
                self._forget(node)
                raise
        return self._evaluate(node, script, keys, arguments)

    def close(self) -> None:
        for connections in self._nodes.values():
            connections.close()

    def _evaluate(self, node: str, script: str, keys: Sequence[str], arguments: Sequence[object]) -> Any:
        connections = self._nodes[node]
        try:
            return connections.run(("EVALSHA", _sha(script), len(keys), *keys, *arguments))
        except self._errors.unknown_script:
            return connections.run(("EVAL", script, len(keys), *keys, *arguments))

    def _evaluate_there(self, node: str, script: str, keys: Sequence[str], arguments: Sequence[object]) -> Any:
        """Evaluates at a node that does not own the slot yet: ASKING applies to the next command of its connection."""
        return self._nodes[node].run(("ASKING",), ("EVAL", script, len(keys), *keys, *arguments))

    def _node_at(self, moved: str, sender: str) -> str:
        """The node named in a redirect "SLOT HOST:PORT"; without a host it is the host of ``sender``."""
        host, _, port = moved.rpartition(" ")[2].rpartition(":")
        bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
        node = f"{bracketed or sender.rpartition(':')[0]}:{port}"
        with self._lock:
            if node not in self._nodes:
                self._nodes[node] = Connections(self._settings, node)
        return node

    def _forget(self, failed: str) -> None:
        with self._lock:
            self._owners.clear()
            if self._first == failed:
                self._first = next((node for node in self._nodes if node != failed), failed)


class Redis(Nodes):
    """Redis behind a circuit breaker, for one user of it.

    ``instead`` says in the user's log what happens while Redis is unavailable; ``back`` is called when it is available
    again; ``failures`` counts the scripts that Redis did not execute.
    """

    def __init__(
        self,
        settings: RedisStorage,
        log: logging.Logger,
        *,
        instead: str,
        back: Callable[[], None],
        breaker: Breaker | None = None,
    ) -> None:
        """Raises CannotServe."""
        super().__init__(settings)
        self._log = log
        self._instead = instead
        self._back = back
        self._breaker = breaker or Breaker(PAUSE)
        self.cross_slot = self._errors.cross_slot
        self.failures = 0

    @property
    def address(self) -> str:
        """Host and port, for logs."""
        return redis_address(self._settings)

    @property
    def is_down(self) -> bool:
        return self._breaker.is_open

    def run(self, script: str, keys: Sequence[str], arguments: Sequence[object]) -> Any:
        """The script's reply, or None if Redis does not execute it. Raises ``cross_slot`` if the keys are on several
        nodes of a cluster."""
        entered = self._breaker.enter()
        if entered is None:
            return None
        try:
            reply = super().run(script, keys, arguments)
        except self.cross_slot:
            self._answered(entered)
            raise
        except self._errors.migrating:
            # Other keys are served as before.
            self._answered(entered)
            self.failures += 1
            return None
        except self._errors.failure as error:
            self._failed(error)
            return None
        self._answered(entered)
        return reply

    def _answered(self, entered: Pass) -> None:
        if self._breaker.succeeded(entered):
            self._back()

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        # One failure among successes opens the breaker too; the next probe closes it.
        if self._breaker.failed():
            reason = explain(error, self._settings)
            fields = {"redis": self.address, "error": type(error).__name__, "reason": reason}
            self._log.error(f"Redis is down: {self._instead}", extra={"fields": fields})
