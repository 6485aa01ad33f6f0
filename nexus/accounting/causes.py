"""Why an attempt failed, in words for the log, and whose failure it was.

What a vendor said is repeated from its error only, shortened, and without the keys that we sent it.
"""

from __future__ import annotations

import logging

from nexus.errors import Cancelled, ClientError, NexusError, UpstreamError, UpstreamStatus, VendorError
from nexus.protocols.error_words import decode_error, error_words

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
            vendor_words = error_words(decode_error(error.body), error.body)
            words = f"{error.message}: {vendor_words}" if vendor_words else error.message
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
