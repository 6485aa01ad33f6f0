"""One blocking HTTP exchange with a vendor, over ``requests``: timeouts, error mapping, cancellation.

Law: called on worker threads only. Nothing of the environment leaks in (no proxy, netrc or CA variable), redirects
are never followed, and every failure of the network leaves as one of our errors, or as the reason of a cancelled call.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, ProxyError, ReadTimeout, RequestException, SSLError
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util.retry import Retry

from nexus.cancel import Cancel
from nexus.errors import NexusError, ProtocolError, Unreachable, UpstreamTimeout
from nexus.sockets import POOLS, Binding, current, tls_context
from nexus.upstream import UpstreamReply, UpstreamRequest

# It tells whole URLs, and a query can hold a key; what is sent is told in relay.py, by names.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

_READ_SIZE = 64 * 1024
_POOL_SIZE = 512


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds without progress after which an exchange is given up."""

    connect: float
    first_byte: float
    idle: float


class _Adapter(HTTPAdapter):
    """Pools of bound connections, kept open for reuse and never waited for."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__(pool_maxsize=_POOL_SIZE, max_retries=Retry(0, read=False))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._tls)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs, ssl_context=self._tls)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def cert_verify(self, *args: Any) -> None:
        """The context verifies; requests would have every connection read the authorities again."""

    def close(self) -> None:
        """Now, and not when the collector finds the pools."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - urllib3's container is not iterable
                if (pool := manager.pools.get(key)) is not None:
                    pool.close()
        super().close()


class Transport:
    """The connections to one provider. Thread-safe."""

    def __init__(
        self, provider: str, patience: Patience, *, proxy: str | None = None, ca_file: str | None = None
    ) -> None:
        self._provider = provider
        self._patience = patience
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._adapter = _Adapter(tls_context(ca_file))

    def send(self, request: UpstreamRequest, cancel: Cancel) -> HttpReply:
        """Blocks until the head of the answer is there; any status is an answer.

        Raises Unreachable, UpstreamTimeout, ProtocolError, or the reason of the cancelled call.
        """
        cancel.check()
        binding = Binding(cancel)
        current.binding, current.patience = binding, self._patience.first_byte
        try:
            response = self._adapter.send(
                _prepared(request),
                stream=True,
                timeout=(self._patience.connect, self._patience.first_byte),
                proxies=self._proxies,
            )
        except (RequestException, HTTPError, OSError, ValueError) as error:
            binding.release()
            cancel.check()
            raise self._failure(error, binding) from error
        except BaseException:
            binding.release()
            raise
        finally:
            current.binding = None
        return HttpReply(response, binding, cancel, self._provider, self._patience.idle)

    def close(self) -> None:
        self._adapter.close()

    def _failure(self, error: Exception, binding: Binding) -> NexusError:
        name, patience = self._provider, self._patience
        causes = _causes(error)
        timed_out = any(isinstance(cause, ConnectTimeout | ReadTimeout | TimeoutError) for cause in causes)
        match error:
            case _ if timed_out and not binding.connected:
                return _retryable(
                    UpstreamTimeout(f"{name}: no connection within {patience.connect:g} s", provider=name)
                )
            case _ if timed_out:
                return UpstreamTimeout(f"{name}: no answer within {patience.first_byte:g} s", provider=name)
            case SSLError():
                return Unreachable(f"{name}: the TLS handshake failed", provider=name)
            case ProxyError():
                return Unreachable(f"{name}: the proxy refused the connection", provider=name)
            case RequestsConnectionError() if any(map(_not_http, causes)):
                return ProtocolError(f"{name}: the answer is not valid HTTP", provider=name)
            case RequestsConnectionError() | OSError():
                return Unreachable(f"{name}: the connection failed before an answer began", provider=name)
            case _:
                return ProtocolError(f"{name}: the exchange is not valid HTTP", provider=name)


class HttpReply(UpstreamReply):
    """The answer to one exchange, read as it comes."""

    def __init__(
        self, response: requests.Response, binding: Binding, cancel: Cancel, provider: str, idle: float
    ) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.raw.headers.items()}
        self._raw = response.raw
        self._binding = binding
        self._cancel = cancel
        self._provider = provider
        self._idle = idle
        self._ended = False
        self._binding.set_timeout(idle)

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
        self._idle = min(self._idle, seconds)
        self._binding.set_timeout(self._idle)

    def close(self) -> None:
        """Only a connection whose answer was read to the end can serve again."""
        self._binding.release()
        if not self._ended:
            self._raw.close()
        self._raw.release_conn()

    def _failure(self, error: Exception) -> NexusError:
        if isinstance(error, ReadTimeoutError | TimeoutError):
            return UpstreamTimeout(f"{self._provider}: silent for {self._idle:g} s", provider=self._provider)
        return Unreachable(f"{self._provider}: the connection broke off", provider=self._provider)


def _prepared(request: UpstreamRequest) -> requests.PreparedRequest:
    """Skips the Session's machinery: cookies, netrc, environment and redirects have no place here."""
    prepared = requests.PreparedRequest()
    prepared.method = request.method
    prepared.url = request.url
    prepared.body = request.body
    prepared.headers = CaseInsensitiveDict(request.headers)
    prepared.headers["Content-Length"] = str(len(request.body))
    prepared.headers["Accept-Encoding"] = "identity"
    return prepared


def _not_http(cause: BaseException) -> bool:
    """Whether the upstream said something that is not HTTP, rather than went away."""
    return isinstance(cause, HTTPException) and not isinstance(cause, RemoteDisconnected | IncompleteRead)


def _causes(error: BaseException) -> list[BaseException]:
    """The error and all that it carries as arguments: requests and urllib3 wrap one into the other."""
    causes = [error]
    for cause in causes:
        causes += [argument for argument in cause.args if isinstance(argument, BaseException)]
    return causes


def _retryable(error: UpstreamTimeout) -> UpstreamTimeout:
    error.retryable = True
    return error
