"""What a failed attempt leaves behind: a rest of the place that is at fault, and how soon it may be asked once more.

Nothing here waits or chooses; the verdicts are those of ``semantics``.
"""

from __future__ import annotations

import logging
import time

from nexus.errors import NexusError, UpstreamError
from nexus.gateway.rests import Rests
from nexus.gateway.semantics import VERDICTS, Failure, Verdict
from nexus.relay.candidate import Candidate, Plan
from nexus.relay.exchange import CallState
from nexus.settings.attempts import Retries

log = logging.getLogger("nexus.gateway")

PAUSE_UNSAID = 10.0
"""Seconds that a key rests for a model where the vendor limits it and does not say for how long."""

KEY_REST = 300.0
"""Seconds that a key rests which the vendor refuses."""

_RETRY_COUNT = "x-stainless-retry-count"
"""In which OpenAI's and Anthropic's SDKs say how often they have tried already."""


def count_failure(rests: Rests, candidate: Candidate, failure: Failure, error: NexusError, entered: float) -> None:
    """Counts a failure against what is at fault, or puts it to rest. ``entered`` is when the attempt began."""
    verdict = VERDICTS[failure]
    if not verdict.rest:
        rests.leave(candidate.scopes)
        return
    scope, why = getattr(candidate, verdict.rest), f"{failure.replace('_', ' ')} ({error.status})"
    if verdict.count:
        seconds = rests.failed(scope, entered, why)
    elif failure == "rate_limited":
        seconds = rests.rest(scope, error.retry_after if error.retry_after is not None else PAUSE_UNSAID, why)
    else:
        seconds = rests.rest(scope, KEY_REST, why)
    if seconds is not None:
        _log(candidate, failure, verdict, seconds, why)


def _log(candidate: Candidate, failure: Failure, verdict: Verdict, seconds: float, why: str) -> None:
    """At level error where a configured key is refused: somebody has to pay, or to renew it."""
    loud = failure in ("key_refused", "key_forbidden", "missing") and not candidate.own
    fields = {
        "route": str(candidate.route),
        "rests": verdict.rest,
        "key": candidate.account.name or ("caller" if candidate.own else "configured"),
        "seconds": round(seconds, 1),
        "why": why,
    }
    log.log(logging.ERROR if loud else logging.WARNING, "a target rests", extra={"fields": fields})


def back_off(policy: Retries, tries: int) -> float:
    """Seconds before the next try behind so many: exponential, with full jitter."""
    # Most processes never need it: it is imported with the first failure.
    from tenacity import RetryCallState, Retrying
    from tenacity.wait import wait_random_exponential

    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = tries
    return wait_random_exponential(multiplier=policy.base_delay, max=policy.max_delay)(state)


def pause_before(
    state: CallState, plan: Plan, candidate: Candidate, error: NexusError, verdict: Verdict
) -> float | None:
    """Seconds until the same place may be asked once more; None where it may not."""
    policy, tries = candidate.route.provider.settings.retries, plan.tries[candidate.name]
    if not isinstance(error, UpstreamError) or not error.retryable or tries >= policy.attempts:
        return None
    if verdict.again == "no" and verdict.next != "no":
        return None
    if state.call.headers.get(_RETRY_COUNT, "0") != "0":
        # A client that tries again by itself: its tries and ours would multiply.
        return None
    asked = error.retry_after
    if asked is None:
        asked = 0.0 if verdict.again == "at once" and tries == 1 else back_off(policy, tries)
    elif asked > policy.max_delay:
        # Coming back earlier than the vendor asked would be refused again.
        return None
    return None if plan.deadline is not None and time.monotonic() + asked >= plan.deadline else asked
