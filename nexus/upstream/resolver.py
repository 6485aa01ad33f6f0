"""Resolves host names on separate threads, so that a caller can give up on a resolver that hangs.

Names come only from the configuration, which bounds the cache. Lookups of the same name are shared.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
import threading
import time
from concurrent.futures import Future
from typing import Any

from nexus.cancel import Cancel
from nexus.daemon import start_daemon

Addresses = list[tuple[Any, ...]]
"""As returned by ``socket.getaddrinfo``."""

KEPT = 300.0
"""Seconds for which the last good addresses of a name are used if the resolver fails."""


class NameLookupFailed(OSError):
    """The host name was not found, or not in time."""


class Resolver:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], Future[Addresses]] = {}
        self._resolved: dict[tuple[str, int], tuple[float, Addresses]] = {}

    def addresses(self, host: str, port: int, seconds: float, cancel: Cancel) -> Addresses:
        """The addresses of a host. Waits up to ``seconds``, or half of that if cached addresses can be used instead.

        Raises OSError, TimeoutError, Overloaded, or the reason of the cancelled call.
        """
        if _is_literal(host):
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        key = (host, port)
        cached = self._cached(key)
        future = self._lookup(key)
        if not cancel.wait_for(future, seconds / 2 if cached else seconds):
            if cached:
                return cached
            raise TimeoutError("the name lookup took too long")
        try:
            return future.result()
        except OSError:
            if cached:
                return cached
            raise

    def _cached(self, key: tuple[str, int]) -> Addresses:
        with self._lock:
            since, addresses = self._resolved.get(key, (0.0, []))
        return addresses if time.monotonic() - since < KEPT else []

    def _lookup(self, key: tuple[str, int]) -> Future[Addresses]:
        with self._lock:
            running = self._running.get(key)
            if running is not None:
                return running
            future: Future[Addresses] = Future()
            start_daemon("name-lookup", self._run, key, future)
            self._running[key] = future
        return future

    def _run(self, key: tuple[str, int], future: Future[Addresses]) -> None:
        failure: BaseException | None = None
        addresses: Addresses = []
        try:
            addresses = socket.getaddrinfo(*key, type=socket.SOCK_STREAM)
        except Exception as error:  # noqa: BLE001 - raised in the waiting threads
            failure = error if isinstance(error, OSError) else OSError(str(error))
        with self._lock:
            del self._running[key]
            if addresses:
                self._resolved[key] = time.monotonic(), addresses
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(addresses)


@functools.lru_cache(256)
def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
