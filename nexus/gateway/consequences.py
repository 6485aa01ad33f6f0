"""The consequences of a failed attempt: a cooldown of what is at fault, and when the same candidate may be retried.

Nothing here waits or chooses; the verdicts come from ``verdicts``.
"""

from __future__ import annotations

import logging
import time

from nexus.errors import NexusError, UpstreamError
from nexus.gateway.cooldowns import Cooldowns
from nexus.gateway.verdicts import VERDICTS, Failure, Verdict
from nexus.relay.call_state import CallState
from nexus.relay.candidate import Candidate, Plan
from nexus.settings.attempts import Retries

log = logging.getLogger("nexus.gateway")

DEFAULT_PAUSE = 10.0
"""Cooldown in seconds of a key for a model, when the vendor rate-limits it without a Retry-After."""

KEY_COOLDOWN = 300.0
"""Cooldown in seconds of a key that the vendor rejects."""

_RETRY_COUNT = "x-stainless-retry-count"
"""Header in which OpenAI's and Anthropic's SDKs send how often they have retried already."""


def count_failure(
    cooldowns: Cooldowns, candidate: Candidate, failure: Failure, error: NexusError, entered: float
) -> None:
    """Counts a failure against what is at fault, or starts its cooldown. ``entered`` is when the attempt began."""
    verdict = VERDICTS[failure]
    if not verdict.cooldown:
        cooldowns.leave(candidate.scopes)
        return
    scope, why = getattr(candidate, verdict.cooldown), f"{failure.replace('_', ' ')} ({error.status})"
    if verdict.count:
        seconds = cooldowns.failed(scope, entered, why)
    elif failure == "rate_limited":
        seconds = cooldowns.start(scope, error.retry_after if error.retry_after is not None else DEFAULT_PAUSE, why)
    else:
        seconds = cooldowns.start(scope, KEY_COOLDOWN, why)
    if seconds is not None:
        _log(candidate, failure, verdict, seconds, why)


def _log(candidate: Candidate, failure: Failure, verdict: Verdict, seconds: float, why: str) -> None:
    """Logs at level error if a configured key is rejected or the model is missing: an operator has to act."""
    for_operator = failure in ("key_refused", "key_forbidden", "missing") and not candidate.own
    fields = {
        "route": str(candidate.route),
        "cooldown": verdict.cooldown,
        "key": candidate.account.name or ("caller" if candidate.own else "configured"),
        "seconds": round(seconds, 1),
        "why": why,
    }
    log.log(logging.ERROR if for_operator else logging.WARNING, "a target is in cooldown", extra={"fields": fields})


def back_off(policy: Retries, tries: int) -> float:
    """Seconds to wait after so many tries: exponential backoff with full jitter."""
    # Most processes never need it, so it is imported with the first failure.
    from tenacity import RetryCallState, Retrying
    from tenacity.wait import wait_random_exponential

    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = tries
    return wait_random_exponential(multiplier=policy.base_delay, max=policy.max_delay)(state)


def pause_before(
    state: CallState, plan: Plan, candidate: Candidate, error: NexusError, verdict: Verdict
) -> float | None:
    """Seconds until the same candidate may be retried; None if it may not."""
    policy, tries = candidate.route.provider.settings.retries, plan.tries[candidate.name]
    if not isinstance(error, UpstreamError) or not error.retryable or tries >= policy.attempts:
        return None
    if verdict.again == "no" and verdict.next != "no":
        return None
    if state.call.headers.get(_RETRY_COUNT, "0") != "0":
        # The client retries by itself: its retries and ours would multiply.
        return None
    delay = error.retry_after
    if delay is None:
        delay = 0.0 if verdict.again == "at once" and tries == 1 else back_off(policy, tries)
    elif delay > policy.max_delay:
        # Nexus does not wait that long, and the vendor would reject an earlier retry.
        return None
    return None if plan.deadline is not None and time.monotonic() + delay >= plan.deadline else delay
