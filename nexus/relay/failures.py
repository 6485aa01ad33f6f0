"""Failed attempts: vendors' errors as ours (error statuses, and errors inside responses with a success status), and the
log line of each failure.

Our keys are redacted if the vendor repeats them. A client of the vendor's dialect gets the vendor's own bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from nexus.accounting.record import ATTEMPT_FAILED, reason
from nexus.dataclasses import replace
from nexus.errors import ErrorAnswer, Overloaded, UpstreamError, UpstreamStatus, VendorError
from nexus.errors.failure import VendorFailure, has_failed
from nexus.headers.forwarding import returned
from nexus.headers.redaction import Redactor
from nexus.protocols import loader
from nexus.relay.call_state import Attempt, CallState
from nexus.relay.lanes import Lane
from nexus.relay.translation import Translation
from nexus.upstream.network_errors import authority_of
from nexus.upstream.request import UpstreamReply
from nexus.wire import only

log = logging.getLogger("nexus.gateway")

_RETRYABLE = frozenset({408, 429, 529})
_SHOULD_RETRY = "x-should-retry"
"""OpenAI's and Anthropic's SDKs obey this header, whichever of the two vendors sent it."""

_RETRYABLE_KINDS = frozenset({"overloaded", "rate_limit", "timeout", "upstream"})

GIVEN_UP = "given up"
"""The ``next`` of a failure after which nothing is tried."""


def log_attempt(state: CallState, error: BaseException | None, then: str) -> None:
    """Logs a failed attempt; ``then`` is what happens next. Errors that no attempt caused are not logged."""
    route = state.route if state.attempts and state.call.cancel.reason is None else None
    if route is None or not isinstance(error, UpstreamError | Overloaded):
        return
    host, phase, cause = (error.host, error.phase, error.cause) if isinstance(error, UpstreamError) else ("", "", "")
    if not phase:
        host, phase = authority_of(route.provider.base_url), "answer"
    tries = route.provider.settings.retries.attempts
    fields = {
        "id": state.call.id,
        "route": str(route),
        "host": host or None,
        "phase": phase,
        "error": error.kind,
        "status": error.status if isinstance(error, ErrorAnswer) else None,
        "why": cause or reason(error),
        "attempt": len(state.attempts),
        "of": max(len(state.attempts) + (then != GIVEN_UP), tries),
        "next": then,
    }
    log.warning(ATTEMPT_FAILED, extra={"fields": fields})


def status_failure(
    attempt: Attempt, lane: Lane, reply: UpstreamReply, body: bytes, redactor: Redactor
) -> UpstreamError:
    """The error for an error status: as it is, or read for another dialect."""
    provider, dialect = attempt.route.provider, lane.request.dialect
    status, body, headers = reply.status, redactor.cut(body), redactor.cut_headers(reply.headers)
    foreign = provider.read_error(dialect, status, headers, body)
    failure = foreign or loader.vendor(dialect).read_error(status, headers, body)
    should_retry = headers.get(_SHOULD_RETRY)
    # Google refuses a wrong key with a 400.
    if (status == 401 or failure.kind == "authentication") and should_retry is None and not attempt.candidate.own:
        # Claude Code would otherwise retry for minutes.
        headers = {**headers, _SHOULD_RETRY: (should_retry := "false")}
    usual = status in _RETRYABLE or has_failed(failure.kind, status)
    retryable = usual if should_retry is None else should_retry == "true"
    failure = replace(failure, provider=provider.name, retryable=retryable)
    if foreign is None and not lane.translates:
        return passed(failure, status, headers, body)
    if isinstance(lane.relay, Translation):
        failure = lane.relay.with_clients_param(failure)
    # SDKs treat every 429 as temporary; Claude Code retries ten times.
    should_retry = should_retry or ("false" if failure.kind == "quota" else None)
    return VendorError(replace(failure, wish=only({_SHOULD_RETRY: should_retry})))


def in_band(failure: VendorFailure, name: str) -> VendorFailure:
    """Completes an error found inside an answer with the provider's name and whether it can be retried."""
    retryable = failure.kind in _RETRYABLE_KINDS
    return replace(failure, provider=failure.provider or name, retryable=retryable, in_band=True)


def passed(failure: VendorFailure, status: int, vendor: Mapping[str, str], body: bytes) -> UpstreamStatus:
    """The vendor's error as it came; ``vendor`` are its headers."""
    headers = {"content-type": vendor.get("content-type", "application/json"), **returned(vendor)}
    return UpstreamStatus(failure, status=status, headers=headers, body=body)
