"""One blocking HTTP exchange with a vendor, over ``requests``: timeouts, error mapping, cancellation.

Law: called on worker threads only. Nothing of the environment leaks in (no proxy and no netrc; of authorities, what
``tls`` says), redirects are never followed, and every failure of the network leaves as one of our errors, or as the
reason of a cancelled call.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError
from urllib3.poolmanager import PoolManager
from urllib3.util.retry import Retry

from nexus.cancel import Cancel
from nexus.errors import NexusError, ProtocolError
from nexus.upstream.dial import Socks
from nexus.upstream.network_errors import failure_of, host_of, is_closed
from nexus.upstream.request import UNIX, Timeouts, UpstreamReply, UpstreamRequest
from nexus.upstream.resolver import Resolver
from nexus.upstream.sockets import POOLS, Binding, current
from nexus.upstream.tls import Trust, tls_context

log = logging.getLogger("nexus.transport")

# It tells whole URLs, and a query can hold a key; what is sent is told in relay.py, by names.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

_READ_SIZE = 64 * 1024
_POOL_SIZE = 512


class _Adapter(HTTPAdapter):
    """Pools of bound connections, kept open for reuse and never waited for."""

    def __init__(self, tls: ssl.SSLContext, keep_alive: float) -> None:
        self._tls = tls
        self._pools = {
            scheme: type(pool.__name__, (pool,), {"keep_alive": keep_alive}) for scheme, pool in POOLS.items()
        }
        super().__init__(pool_maxsize=_POOL_SIZE, max_retries=Retry(0, read=False))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._tls)
        self._use_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs, ssl_context=self._tls)
        self._use_pools(manager)
        return manager

    def _use_pools(self, manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = self._pools
        keys = manager.key_fn_by_scheme
        manager.key_fn_by_scheme = {**keys, UNIX: keys["http"]}

    def cert_verify(self, *args: Any) -> None:
        """The context verifies; requests would have every connection read the authorities again."""

    def pools(self) -> Iterator[Any]:
        """Every pool that there is now."""
        for manager in (self.poolmanager, *list(self.proxy_manager.values())):
            for key in manager.pools.keys():  # noqa: SIM118 - urllib3's container is not iterable
                if (pool := manager.pools.get(key)) is not None:
                    yield pool

    def close(self) -> None:
        """Now, and not when the collector finds the pools."""
        for pool in self.pools():
            pool.close()
        super().close()


class Transport:
    """The connections to one provider. Thread-safe. ``proxy`` is a URL of scheme http, https, socks5 or socks5h."""

    def __init__(
        self, provider: str, timeouts: Timeouts, *, proxy: str | None = None, trust: Trust | None = None
    ) -> None:
        self._provider = provider
        self._timeouts = timeouts
        self._resolver = Resolver()
        self._socks = _socks(proxy)
        self._by_proxy = f" by {host_of(proxy)}" if proxy else ""
        self._proxies = {"http": proxy, "https": proxy} if proxy and self._socks is None else {}
        self._adapter = _Adapter(tls_context(trust or Trust()), timeouts.keep_alive)

    def send(self, request: UpstreamRequest, cancel: Cancel) -> HttpReply:
        """Blocks until the head of the answer is there; any status is an answer.

        A kept connection that the vendor closed meanwhile costs nothing: the request goes out once more on a new one.
        Raises Unreachable, UpstreamTimeout, ProtocolError, Overloaded, or the reason of the cancelled call.
        """
        try:
            return self._exchange(request, cancel)
        except _Stale:
            log.debug("a kept connection was closed", extra={"fields": {"provider": self._provider}})
        return self._exchange(request, cancel, fresh=True)

    def reap(self) -> int:
        """Closes kept connections that are too old or that the vendor closed; how many."""
        return sum(pool.reap() for pool in self._adapter.pools())

    def close(self) -> None:
        self._adapter.close()

    def _exchange(self, request: UpstreamRequest, cancel: Cancel, *, fresh: bool = False) -> HttpReply:
        cancel.check()
        timeouts = request.timeouts or self._timeouts
        binding = Binding(cancel, timeouts.connect, timeouts.first_byte, self._resolver, self._socks)
        current.binding, current.fresh = binding, fresh
        host = host_of(request.url) + self._by_proxy
        try:
            response = self._adapter.send(
                _prepared(request),
                stream=True,
                timeout=(timeouts.connect, timeouts.first_byte),
                proxies=self._proxies,
            )
        except (RequestException, HTTPError, OSError, ValueError) as error:
            binding.release()
            cancel.check()
            if binding.reused and not binding.clock.received and is_closed(error):
                raise _Stale from error
            raise self._failure(error, binding, host, timeouts) from error
        except BaseException:
            binding.release()
            raise
        finally:
            current.binding, current.fresh = None, False
        binding.clock.run_freely(timeouts.idle)
        reply = HttpReply(response, binding, cancel, self._provider, host)
        if (encoding := _unreadable(reply.headers)) is not None:
            reply.close()
            text = f"{self._provider} answered in the encoding {encoding}, which nobody asked for"
            raise ProtocolError(text, provider=self._provider)
        return reply

    def _failure(self, error: Exception, binding: Binding, host: str, timeouts: Timeouts) -> NexusError:
        sent = binding.phase in ("send", "first byte")
        seconds = timeouts.first_byte if sent else timeouts.connect
        proxied = (self._proxies or self._socks) and binding.phase in ("dns", "connect")
        phase = "proxy" if proxied else binding.phase
        return failure_of(error, provider=self._provider, host=host, phase=phase, seconds=seconds)


class _Stale(Exception):
    """A kept connection had been closed by the vendor before the request reached it."""


class HttpReply(UpstreamReply):
    """The answer to one exchange, read as it comes."""

    def __init__(self, response: requests.Response, binding: Binding, cancel: Cancel, provider: str, host: str) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.raw.headers.items()}
        self._raw = response.raw
        self._binding = binding
        self._cancel = cancel
        self._provider = provider
        self._host = host
        self._ended = False

    def read(self) -> bytes:
        if self._ended:
            return b""
        try:
            piece: bytes = self._raw.read1(_READ_SIZE, decode_content=True)
        except (HTTPError, OSError, ValueError) as error:
            self._cancel.check()
            raise self._failure(error) from error
        if not piece:
            self._cancel.check()
            self._ended = True
        return piece

    def end_within(self, seconds: float) -> None:
        self._binding.clock.end_within(seconds)

    def close(self) -> None:
        """Only a connection whose answer was read to the end can serve again."""
        self._binding.release()
        if not self._ended:
            self._raw.close()
            self._ended = True
        self._raw.release_conn()

    def _failure(self, error: Exception) -> NexusError:
        idle = self._binding.clock.idle
        return failure_of(error, provider=self._provider, host=self._host, phase="body", seconds=idle)


def _prepared(request: UpstreamRequest) -> requests.PreparedRequest:
    """Skips the Session's machinery: cookies, netrc, environment and redirects have no place here."""
    prepared = requests.PreparedRequest()
    prepared.method = request.method
    prepared.url = request.url
    # An upload gives its pieces anew whenever it is asked for them, which urllib3 does once.
    prepared.body = request.body if request.upload is None else cast(bytes, request.upload)
    prepared.headers = CaseInsensitiveDict(request.headers)
    prepared.headers["Content-Length"] = str(request.size)
    prepared.headers["Accept-Encoding"] = "identity"
    return prepared


def _unreadable(headers: Mapping[str, str]) -> str | None:
    """An encoding of the body that is not read, whatever decoders are installed."""
    encodings = (part.strip().lower() for part in headers.get("content-encoding", "").split(","))
    known = ("", "identity", "gzip", "x-gzip", "deflate")
    return next((encoding for encoding in encodings if encoding not in known), None)


def _socks(proxy: str | None) -> Socks | None:
    parts = urlsplit(proxy or "")
    if not parts.scheme.startswith("socks5") or parts.hostname is None:
        return None
    name = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return Socks(parts.hostname, parts.port or 1080, name, password, remote_names=parts.scheme == "socks5h")
