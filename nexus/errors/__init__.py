"""Every way a call can fail.

Law: status and ``kind`` classify a failure, never its text (but see ``protocols/context_length``). ``message`` is safe
to show to a client. Only dialects render these.

    NexusError                 status, kind, message, param, retry_after
      ClientError              rejected before any upstream was called
        InvalidRequest 400       UnsupportedFeature 400   AuthenticationFailed 401   PermissionDenied 403
        NotFound 404             ModelNotFound 404        MethodNotAllowed 405       RequestTooLarge 413
        RequestTimeout 408       UnsupportedMediaType 415 NoWebSocket 426          HeadTooLarge 431
        RateLimited 429 (ours)   Overloaded 503 (ours)     Draining 503 (ours)    ContextTooLong 400 (ours)
      UpstreamError            the vendor's side: provider, headers and body if there are any
        Unreachable 502          UpstreamTimeout 504      ProtocolError 502
        UpstreamStatus (as the vendor)   VendorError (the same, read for another dialect)
        StreamInterrupted        (after the head: in-band only)
      Cancelled 499            the client disconnected; not a failure
      InternalError 500        a bug of ours: constant message, traceback in the log only
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Self

from nexus.errors.failure import VendorFailure
from nexus.headers import own


class NexusError(Exception):
    """Base of the tree. ``retry_after`` is in seconds."""

    status: int = 500
    kind: str = "internal"
    in_band: bool = False
    """Whether it arrived in-band, after a success status."""

    is_final: bool = False  # whether the reply says not to retry, as Claude Code would for minutes

    def __init__(self, message: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after

    def name_field(self, param: str) -> None:
        """Names the client's own field instead of ``param``, in the message too."""
        words = self.message.removeprefix(f"{self.param}: ")
        self.message, self.param = f"{param}: {words}", param

    def reply_headers(self, dialect: str) -> dict[str, str]:
        """The reply's headers for a client's dialect; lower-case names."""
        final = {"x-should-retry": "false"} if self.is_final else {}
        return {own.ERROR: self.kind, **final, **_wait(self.retry_after)}


def _wait(seconds: float | None) -> dict[str, str]:
    """Whole seconds, so that clients need not parse a vendor's fraction or date."""
    return {} if seconds is None else {"retry-after": str(max(1, math.ceil(seconds)))}


class ClientError(NexusError):
    """Rejected by the gateway itself."""

    status = 400
    kind = "invalid_request"

    @classmethod
    def about(cls, param: str, words: str) -> Self:
        """An error about a field; the message begins with its name."""
        return cls(f"{param}: {words}", param=param)


class InvalidRequest(ClientError):
    """The body, a header or a parameter is invalid; ``param`` names it."""


class UnsupportedFeature(ClientError):
    """The request has content that the chosen model's dialect cannot express."""

    kind = "unsupported_feature"


class AuthenticationFailed(ClientError):
    status = 401
    kind = "authentication"
    # Claude Code renews a key of its apiKeyHelper and retries all the same.
    is_final = True


class PermissionDenied(ClientError):
    status = 403
    kind = "permission"


class NotFound(ClientError):
    status = 404
    kind = "not_found"


class ModelNotFound(ClientError):
    status = 404
    kind = "model_not_found"


class MethodNotAllowed(ClientError):
    """``allow`` lists the methods that the path supports."""

    status = 405
    kind = "method_not_allowed"

    def __init__(self, message: str, *, allow: tuple[str, ...]) -> None:
        super().__init__(f"{message}; use {' or '.join(allow)}" if allow else message)
        self.allow = allow

    def reply_headers(self, dialect: str) -> dict[str, str]:
        return {**super().reply_headers(dialect), "allow": ", ".join(self.allow)}


class NoWebSocket(ClientError):
    """The request asks to upgrade to an unsupported protocol; clients that can do without it fall back at once."""

    status = 426
    kind = "no_websocket"

    def reply_headers(self, dialect: str) -> dict[str, str]:
        return {**super().reply_headers(dialect), "upgrade": "HTTP/1.1"}


class RequestTooLarge(ClientError):
    status = 413
    kind = "request_too_large"


class RequestTimeout(ClientError):
    """The client took too long to send its request."""

    status = 408
    kind = "request_timeout"


class HeadTooLarge(ClientError):
    status = 431
    kind = "head_too_large"


class UnsupportedMediaType(ClientError):
    status = 415
    kind = "unsupported_media_type"


class RateLimited(ClientError):
    """Our own limit, never the vendor's."""

    status = 429
    kind = "rate_limit"


class Overloaded(ClientError):
    """Our own capacity is used up, or the gateway is stopping."""

    status = 503
    kind = "overloaded"


class ContextTooLong(ClientError):
    """The conversation exceeds the model's configured limit; both in tokens, ``needed`` is an estimate."""

    kind = "context_length"

    def __init__(self, needed: int, limit: int) -> None:
        super().__init__(f"prompt is too long: {needed} tokens > {limit} maximum")


class Draining(Overloaded):
    """The gateway is stopping."""


UNSENT = frozenset({"dns", "connect", "tls", "proxy"})
"""Phases of an exchange before any of the request was sent."""


class UpstreamError(NexusError):
    """A failure of the provider named ``provider``."""

    status = 502
    kind = "upstream"
    retryable: bool = False
    host: str = ""
    phase: str = ""
    cause: str = ""
    """For the log: where, when and why the exchange failed. Never shown to a client."""

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        retry_after: float | None = None,
        retryable: bool | None = None,
        in_band: bool = False,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.provider = provider
        self.in_band = in_band
        if retryable is not None:
            self.retryable = retryable

    def at(self, phase: str, cause: str, host: str = "") -> Self:
        """The same error with details for the log."""
        self.phase, self.cause, self.host = phase, cause, host
        self.is_final = phase == "credentials" and not self.retryable and self.kind != "timeout"
        return self

    @property
    def why(self) -> str:
        """For the log: all that is known about a failed exchange in one line."""
        known = ", ".join(filter(None, (self.host, self.phase)))
        return ": ".join(filter(None, (known, self.cause))) if self.cause else ""


class Unreachable(UpstreamError):
    """No connection, or it ended before an answer began."""

    kind = "unreachable"
    retryable = True


class UpstreamTimeout(UpstreamError):
    status = 504
    kind = "timeout"


class ProtocolError(UpstreamError):
    """The upstream's bytes violate its dialect."""

    kind = "protocol"


class ErrorAnswer(UpstreamError):
    """The vendor answered with an error; ``failure`` is what it says."""

    def __init__(self, message: str, failure: VendorFailure) -> None:
        super().__init__(
            message,
            provider=failure.provider,
            retry_after=failure.retry_after,
            retryable=failure.retryable,
            in_band=failure.in_band,
        )
        self.failure = failure


class UpstreamStatus(ErrorAnswer):
    """An error status in the client's dialect; status, headers and body are the vendor's own."""

    kind = "answered"

    def __init__(self, failure: VendorFailure, *, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"{failure.provider} answered {status}", failure)
        self.status = status
        self.headers = headers
        self.body = body

    def reply_headers(self, dialect: str) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name != "retry-after"} | _wait(self.retry_after)


class VendorError(ErrorAnswer):
    """The error in neutral terms: for a client of another dialect, or in place of an answer."""

    def __init__(self, failure: VendorFailure) -> None:
        super().__init__(failure.message, failure)
        self.param, self.kind, self.status = failure.param, failure.kind, failure.told

    def reply_headers(self, dialect: str) -> dict[str, str]:
        # The vendor chose the id: remove what a header cannot hold.
        given = (self.failure.request_id or "")[:200]
        id = "".join(letter for letter in given if letter.isascii() and letter.isprintable())
        return {**({own.UPSTREAM_REQUEST_ID: id} if id else {}), **self.failure.wish, **_wait(self.retry_after)}


class StreamInterrupted(UpstreamError):
    """The stream broke off after the head had been sent."""

    kind = "stream_interrupted"


class Cancelled(NexusError):
    """The client disconnected before the end."""

    status = 499
    kind = "cancelled"


class InternalError(NexusError):
    """Stands in for an unexpected exception, whose text stays in the log."""

    def __init__(self) -> None:
        super().__init__("internal error in the gateway; the log has the details under this request id")
