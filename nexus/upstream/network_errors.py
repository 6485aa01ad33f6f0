"""Maps network failures to Nexus errors.

The message that clients read names the class of the cause, and no host, address or file of the operator's; ``host`` and
``cause`` hold these for the log.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from urllib.parse import unquote, urlsplit

from urllib3.exceptions import NameResolutionError

from nexus.errors import NexusError, ProtocolError, Unreachable, UpstreamTimeout
from nexus.errors.unforeseen import lacks_descriptors, no_descriptors
from nexus.late import pattern
from nexus.upstream.resolver import NameLookupFailed

_PROXY_STATUS = pattern(r"Tunnel connection failed: (\d{3})")
_CLOSED = (RemoteDisconnected, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


def authority_of(url: str) -> str:
    """Host and port, for the log."""
    return unquote(urlsplit(url).netloc.rpartition("@")[2])


def failure_of(error: Exception, *, provider: str, host: str, phase: str, seconds: float) -> NexusError:
    """The error for an exchange that failed in ``phase``; ``seconds`` is that phase's timeout."""
    causes = list(causes_of(error))
    what = _description(causes)
    if any(map(lacks_descriptors, causes)):
        return no_descriptors()
    if _timed_out(causes):
        failure: UpstreamTimeout | Unreachable | ProtocolError = _timeout(provider, phase, seconds)
    elif any(map(_not_http, causes)):
        failure = ProtocolError(f"{provider}: the answer is not valid HTTP", provider=provider)
    else:
        text = f"{provider}: {_FAILED.get(phase, _NO_ANSWER)} ({_class(causes, what)})"
        again = not any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes)
        failure = Unreachable(text, provider=provider, retryable=again)
    return failure.at(phase, what, host)


def cause_of(error: Exception) -> str:
    """The underlying error's own description of a failed exchange, for the log."""
    return _description(list(causes_of(error)))


def is_closed(error: Exception) -> bool:
    """Whether the other side closed or reset the connection (as opposed to a timeout)."""
    return any(isinstance(cause, _CLOSED) for cause in causes_of(error))


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """The error and every error that it wraps, each once: urllib3 often passes one in the arguments of another."""
    seen: list[BaseException] = [error]
    for cause in seen:
        yield cause
        inner = [*cause.args, cause.__cause__, cause.__context__, getattr(cause, "reason", None)]
        seen += [one for one in inner if isinstance(one, BaseException) and all(one is not other for other in seen)]


def _timeout(provider: str, phase: str, seconds: float) -> UpstreamTimeout:
    if phase in ("send", "first byte"):
        return UpstreamTimeout(f"{provider}: no answer within {seconds:g} s", provider=provider)
    if phase == "body":
        return UpstreamTimeout(f"{provider}: no data for {seconds:g} s", provider=provider)
    text = f"{provider}: no connection within {seconds:g} s ({_NAMES[phase]})"
    return UpstreamTimeout(text, provider=provider, retryable=True)


_NAMES = {"dns": "name lookup", "connect": "TCP", "proxy": "proxy", "tls": "TLS handshake"}


_FAILED = {
    "body": "the connection was lost",
    "tls": "the TLS handshake failed",
    "proxy": "the proxy refused the connection",
}
_NO_ANSWER = "the connection failed before the answer started"


def _timed_out(causes: list[BaseException]) -> bool:
    """Whether one of our own timeouts expired. The kernel's ETIMEDOUT is not one: it means a dead connection."""
    return any(isinstance(cause, TimeoutError) and cause.errno is None for cause in causes)


def _not_http(cause: BaseException) -> bool:
    """Whether the upstream sent something other than HTTP (as opposed to closing the connection)."""
    return isinstance(cause, HTTPException) and not isinstance(cause, RemoteDisconnected | IncompleteRead)


def _class(causes: list[BaseException], what: str) -> str:
    """The class of a cause in standard terms, without text that could contain an address."""
    if any(isinstance(cause, NameLookupFailed | NameResolutionError) for cause in causes):
        return "name not found"
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _CERTIFICATES.get(cause.verify_code, "certificate not trusted")
        if isinstance(cause, ssl.SSLError) and cause.reason:
            return f"TLS: {_words(cause.reason)}"
    return what.partition(":")[0]


# OpenSSL's X509_V_ERR_*; OpenSSL's own messages can contain the host name.
_CERTIFICATES = {
    2: "certificate of an unknown authority",
    9: "certificate not yet valid",
    10: "certificate expired",
    18: "certificate self-signed",
    19: "certificate of an unknown authority (self-signed)",
    20: "certificate of an unknown authority",
    21: "certificate of an unknown authority",
    23: "certificate revoked",
    26: "certificate not valid for servers",
    62: "certificate for another host name",
    64: "certificate for another address",
    66: "certificate with a key that is too small",
    67: "certificate of an authority with a key that is too small",
    68: "certificate with a signature that is too weak",
}


def _words(constant: str) -> str:
    return constant.lower().replace("_", " ")


def _description(causes: list[BaseException]) -> str:
    """The most specific description of the cause that the underlying errors give."""
    found = [described for cause in causes if (described := _described(cause)) is not None]
    return min(found, key=lambda one: one[0])[1] if found else "closed"


def _described(cause: BaseException) -> tuple[int, str] | None:
    """Rank and words of what an error says by itself; the lowest rank is the most specific."""
    match cause:
        case ssl.SSLCertVerificationError():
            return 0, f"certificate: {cause.verify_message}"
        case OSError() if status := _PROXY_STATUS.search(str(cause)):
            return 1, f"the proxy answered {status[1]}"
        case socket.gaierror():
            return 2, f"name not found: {cause.strerror or cause}"
        case ssl.SSLError():
            return 3, f"TLS: {_words(cause.reason or str(cause))}"
        case TimeoutError(errno=None):
            return 4, "timeout"
        case OSError(errno=int(number)) if number in errno.errorcode:
            return 5, f"{errno.errorcode[number]}: {os.strerror(number)}"
        case _:
            return (6, type(cause).__name__) if _not_http(cause) else None
