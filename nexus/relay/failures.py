"""The log line for each failed attempt: where, in which phase, why, and what happens next."""

from __future__ import annotations

import logging

from nexus.accounting.record import ATTEMPT_FAILED, reason
from nexus.errors import Overloaded, UpstreamError, UpstreamStatus, VendorError
from nexus.relay.exchange import CallState
from nexus.upstream.network_errors import host_of

log = logging.getLogger("nexus.gateway")

GIVEN_UP = "given up"
"""The ``next`` of a failure after which nothing is tried."""


def log_attempt(state: CallState, error: BaseException | None, then: str) -> None:
    """Logs a failed attempt; ``then`` is what happens next. Logs nothing for errors that no attempt caused."""
    if not isinstance(error, UpstreamError | Overloaded) or not state.attempts or state.call.cancel.reason is not None:
        return
    provider = state.route.provider if state.route is not None else None
    host, phase, cause = (error.host, error.phase, error.cause) if isinstance(error, UpstreamError) else ("", "", "")
    if not phase:
        host, phase = host_of(provider.base_url) if provider is not None else "", "answer"
    tries = provider.settings.retries.attempts if provider is not None else 1
    fields = {
        "id": state.call.id,
        "route": str(state.route) if state.route else None,
        "host": host or None,
        "phase": phase,
        "error": error.kind,
        "status": error.status if isinstance(error, UpstreamStatus | VendorError) else None,
        "why": cause or reason(error),
        "attempt": state.attempts,
        "of": max(state.attempts + (then != GIVEN_UP), tries),
        "next": then,
    }
    log.warning(ATTEMPT_FAILED, extra={"fields": fields})
