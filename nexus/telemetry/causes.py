"""Why an attempt failed, in words for the log, and whose failure it was.

Law: what a vendor said is repeated from its error only, shortened, and without the keys that we sent it.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from nexus.call import Call
from nexus.errors import Cancelled, ClientError, NexusError, Overloaded, UpstreamError, UpstreamStatus, VendorError
from nexus.protocols.error_words import decode_error, error_words

log = logging.getLogger("nexus.gateway")

ATTEMPT_FAILED = "attempt failed"
ATTEMPT_FIELDS = ("id", "route", "host", "phase", "error", "status", "why", "attempt", "of", "next")
"""What the line about a failed attempt says, in order."""

LONGEST = 300
"""Characters of somebody else's words."""

_CLIENTS_FAULT = frozenset({400, 413, 415, 422})
"""Statuses by which a vendor says that the request is wrong, not that it could not serve it."""


def reason(error: NexusError) -> str:
    """One line: a network's cause, a vendor's status and words, or our own message."""
    match error:
        case UpstreamError(why=str(why)) if why:
            words = why
        case UpstreamStatus():
            said = error_words(decode_error(error.body), error.body)
            words = f"{error.message}: {said}" if said else error.message
        case VendorError():
            words = f"{error.provider} answered {error.status}: {error.message}"
        case _:
            words = error.message
    return words[:LONGEST]


def level_of(error: NexusError | None) -> int:
    """Of the line about a call: nobody's failure or the client's, the vendor's, ours."""
    match error:
        case None | Cancelled():
            return logging.INFO
        case UpstreamStatus() | VendorError() if error.status in _CLIENTS_FAULT:
            return logging.INFO
        case UpstreamError():
            return logging.WARNING
        case ClientError() if error.status < 500:
            return logging.INFO
        case _:
            return logging.ERROR


def log_attempt(call: Call, error: BaseException | None, then: str) -> None:
    """The line about a failed attempt; ``then`` is what happens next. Nothing for what no attempt is guilty of."""
    if not isinstance(error, UpstreamError | Overloaded) or not call.attempts or call.cancel.reason is not None:
        return
    provider = call.route.provider if call.route is not None else None
    host, phase, cause = (error.host, error.phase, error.cause) if isinstance(error, UpstreamError) else ("", "", "")
    if not phase:
        host, phase = _host(provider.base_url) if provider is not None else "", "answer"
    fields = {
        "id": call.id,
        "route": str(call.route) if call.route else None,
        "host": host or None,
        "phase": phase,
        "error": error.kind,
        "status": error.status if isinstance(error, UpstreamStatus | VendorError) else None,
        "why": cause or reason(error),
        "attempt": call.attempts,
        "of": max(call.attempts, provider.settings.retries.attempts if provider is not None else 1),
        "next": then,
    }
    log.warning(ATTEMPT_FAILED, extra={"fields": fields})


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
