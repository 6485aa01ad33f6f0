"""One blocking HTTP exchange with a vendor, over ``requests``: timeouts, error mapping, cancellation.

Law: called on worker threads only. Takes nothing from the environment (no proxy, no netrc; for authorities see
``tls``), never follows redirects, and raises every network failure as one of our errors, or as the reason of a
cancelled call.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from http.client import HTTPException, IncompleteRead
from typing import Any

from urllib3.exceptions import HTTPError
from urllib3.poolmanager import PoolManager

from nexus.cancel import Cancel
from nexus.errors import NexusError, ProtocolError
from nexus.upstream.address import Address, address_of, head_of, socks_of
from nexus.upstream.binding import Binding, BoundResponse, current
from nexus.upstream.http_adapter import HTTPAdapter
from nexus.upstream.inflate import READABLE, inflated
from nexus.upstream.network_errors import authority_of, failure_of, is_closed
from nexus.upstream.request import UNIX, Timeouts, UpstreamReply, UpstreamRequest
from nexus.upstream.resolver import Resolver
from nexus.upstream.sockets import POOLS, BoundConnection, BoundPool
from nexus.upstream.tls import Trust, tls_context

log = logging.getLogger("nexus.transport")

# urllib3 logs whole URLs, whose query may hold a key; the relay logs each request without values.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

_READ_SIZE = 64 * 1024

_POOL_SIZE = 512

JOINED = 64 * 1024
"""Up to this many bytes, a body is sent together with its head."""


@lru_cache(16)
def _pools_of(keep_alive: float) -> dict[str, type[BoundPool]]:
    """A class per scheme, because urllib3 creates the pools. Cached, because creating classes is slow."""
    return {scheme: type(pool.__name__, (pool,), {"keep_alive": keep_alive}) for scheme, pool in POOLS.items()}


class _Adapter(HTTPAdapter):
    """Pools of bound connections, reused and never waited for."""

    def __init__(self, trust: Trust, keep_alive: float, proxy: str | None) -> None:
        """``proxy`` is the URL of an HTTP proxy."""
        self._trust = trust
        self._proxy = proxy
        self._pools = _pools_of(keep_alive)
        self._found: dict[tuple[str, str, int | None], BoundPool] = {}
        super().__init__(pool_maxsize=_POOL_SIZE)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._use_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        self._use_pools(manager)
        return manager

    def _use_pools(self, manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = self._pools
        keys = manager.key_fn_by_scheme
        manager.key_fn_by_scheme = {**keys, UNIX: keys["http"]}

    def exchange(self, request: UpstreamRequest, address: Address) -> tuple[BoundResponse, BoundPool, BoundConnection]:
        """Sends a request; returns the answer with its head read, its pool, and its connection to give back."""
        pool = self._pool(address)
        headers = {
            "host": address.host,
            **request.headers,
            "content-length": str(request.size),
            "accept-encoding": "identity",
        }
        target, tunnels = address.target, address.is_secure
        if pool.proxy is not None and not tunnels:
            target, headers = address.proxied, {**headers, **pool.proxy_headers}
        head = head_of(request.method, target, headers)
        once = headers.get("connection") == "close"
        response, connection = pool.exchange(request.method, _pieces(head, request), tunnels=tunnels, once=once)
        return response, pool, connection

    def _pool(self, address: Address) -> BoundPool:
        found = self._found.get(address.origin)
        # The manager closes the least recently used pools.
        if found is None or found.pool is None:
            scheme, host, port = address.origin
            proxied = self._proxy is not None and scheme != UNIX
            manager = self.proxy_manager_for(self._proxy) if proxied else self.poolmanager
            encrypts = scheme == "https" or (proxied and str(self._proxy).startswith("https:"))
            tls = {"cert_reqs": "CERT_REQUIRED", "ssl_context": tls_context(self._trust)} if encrypts else {}
            found = manager.connection_from_host(host, port, scheme, tls)
            self._found[address.origin] = found
        return found

    def pools(self) -> Iterator[Any]:
        for manager in (self.poolmanager, *list(self.proxy_manager.values())):
            for key in manager.pools.keys():  # noqa: SIM118 - urllib3's container is not iterable
                if (pool := manager.pools.get(key)) is not None:
                    yield pool

    def close(self) -> None:
        """Closes the pools now rather than when they are garbage-collected."""
        for pool in self.pools():
            pool.close()
        super().close()


class Transport:
    """The connections to one provider. Thread-safe. ``proxy`` is a URL: http, https, socks5 or socks5h."""

    def __init__(
        self, provider: str, timeouts: Timeouts, *, proxy: str | None = None, trust: Trust | None = None
    ) -> None:
        self._provider = provider
        self._timeouts = timeouts
        self._resolver = Resolver()
        self._socks = socks_of(proxy)
        self._by_proxy = f" by {authority_of(proxy)}" if proxy else ""
        self._is_proxied = bool(proxy)
        http_proxy = proxy if self._socks is None else None
        self._adapter = _Adapter(trust or Trust(), timeouts.keep_alive, http_proxy or None)

    def send(self, request: UpstreamRequest, cancel: Cancel) -> HttpReply:
        """Blocks until the head of the answer has arrived; any status is an answer.

        If the vendor closed the pooled connection in the meantime, the request is sent once more on a new connection.
        One that is not repeatable gets a new connection at once: its vendor may have read it before it closed.
        Raises Unreachable, UpstreamTimeout, ProtocolError, Overloaded, or the reason of the cancelled call.
        """
        try:
            return self._exchange(request, cancel, fresh=not request.repeatable)
        except _Stale:
            log.debug("a pooled connection was closed", extra={"fields": {"provider": self._provider}})
        return self._exchange(request, cancel, fresh=True)

    def reap(self) -> int:
        """Closes pooled connections that expired or that the vendor closed; returns how many."""
        return sum(pool.reap() for pool in self._adapter.pools())

    def close(self) -> None:
        self._adapter.close()

    def _exchange(self, request: UpstreamRequest, cancel: Cancel, *, fresh: bool = False) -> HttpReply:
        cancel.check()
        timeouts, address = request.timeouts or self._timeouts, address_of(request.url)
        host = address.shown + self._by_proxy
        binding = Binding(cancel, timeouts.connect, timeouts.first_byte, self._resolver, self._socks)
        current.binding, current.fresh = binding, fresh
        try:
            response, pool, connection = self._adapter.exchange(request, address)
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            binding.release()
            cancel.check()
            if binding.is_stale and is_closed(error):
                raise _Stale from error
            raise self._failure(error, binding, host, timeouts) from error
        except BaseException:
            binding.release()
            raise
        finally:
            current.binding, current.fresh = None, False
        binding.clock.run_freely(timeouts.idle)
        reply = HttpReply(response, connection, pool, cancel, self._provider, host)
        if reply.encodings and not READABLE.issuperset(reply.encodings):
            reply.close()
            named = ", ".join(reply.encodings)
            text = f"{self._provider} answered with content-encoding {named}, which was not requested"
            raise ProtocolError(text, provider=self._provider)
        return reply

    def _failure(self, error: Exception, binding: Binding, host: str, timeouts: Timeouts) -> NexusError:
        sent = binding.phase in ("send", "first byte")
        seconds = timeouts.first_byte if sent else timeouts.connect
        proxied = self._is_proxied and binding.phase in ("dns", "connect")
        phase = "proxy" if proxied else binding.phase
        return failure_of(error, provider=self._provider, host=host, phase=phase, seconds=seconds)


class _Stale(Exception):
    """The vendor had closed a pooled connection before the request reached it."""


class HttpReply(UpstreamReply):
    """The answer to one exchange, read as it arrives."""

    def __init__(
        self,
        response: BoundResponse,
        connection: BoundConnection,
        pool: BoundPool,
        cancel: Cancel,
        provider: str,
        host: str,
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.fields
        self._response = response
        self.encodings = _encodings(self.headers) if "content-encoding" in self.headers else ()
        self._decoded: Callable[[], bytes] | None = None
        for _ in self.encodings:
            self._decoded = partial(next, inflated(self._decoded or partial(response.read1, _READ_SIZE)), b"")
        self._clock = response.binding.clock
        self._connection: BoundConnection | None = connection
        self._pool = pool
        self._cancel = cancel
        self._provider = provider
        self._host = host

    def _next(self) -> bytes:
        if self._connection is None:
            return b""
        try:
            piece = self._response.read1(_READ_SIZE) if self._decoded is None else self._decoded()
            left = self._response.length
            if not piece and left:
                raise IncompleteRead(b"", left)
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            self._cancel.check()
            raise self._failure(error) from error
        if not piece:
            self._cancel.check()
        if not piece or (left == 0 and self._decoded is None):
            self._give_back(self._connection)
        return piece

    def begin_piece(self, within: float) -> None:
        self._clock.begin_piece(within)

    def end_within(self, seconds: float) -> None:
        self._clock.end_within(seconds)

    def close(self) -> None:
        """Returns the connection to the pool, closed unless the answer was read to its end."""
        if (connection := self._connection) is not None:
            connection.release()
            connection.close()
            self._give_back(connection)

    def _give_back(self, connection: BoundConnection) -> None:
        self._connection = None
        self._response.close()
        self._pool.take_back(connection)

    def _failure(self, error: Exception) -> NexusError:
        clock = self._clock
        seconds = clock.idle if time.monotonic() < clock.piece_by else clock.silence
        return failure_of(error, provider=self._provider, host=self._host, phase="body", seconds=seconds)


def _pieces(head: bytes, request: UpstreamRequest) -> Iterator[bytes]:
    if request.upload is not None:
        yield head
        yield from request.upload
    elif len(request.body) <= JOINED:
        yield head + request.body
    else:
        yield head
        yield request.body


def _encodings(headers: Mapping[str, str]) -> tuple[str, ...]:
    named = (part.strip().lower() for part in headers["content-encoding"].split(","))
    return tuple(encoding for encoding in named if encoding not in ("", "identity"))
