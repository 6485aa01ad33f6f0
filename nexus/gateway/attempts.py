"""The attempts at a call: which candidate is tried next, until one begins to answer or none is left.

Law: ``take_early`` is quick and runs on the loop, ``open`` blocks and runs on a worker. What is taken for a candidate
(room, a reservation, the turn of a probe) is given back before the next one is tried. ``verdicts`` decides what a
failure leads to.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from nexus.dataclasses import replace
from nexus.errors import ClientError, ContextTooLong, NexusError, Overloaded, UpstreamError
from nexus.gateway.admission import Admission, check_fit
from nexus.gateway.alarms import Alarm, begin_in_time
from nexus.gateway.candidates import Router
from nexus.gateway.consequences import count_failure, pause_before
from nexus.gateway.verdicts import DOUBTFUL, VERDICTS, Failure, Verdict, failure_of, final_error, is_about_stored
from nexus.relay.answer import OpenedReply
from nexus.relay.call_state import Attempt, CallState
from nexus.relay.candidate import Candidate, Later, Plan, Skip
from nexus.relay.failures import log_attempt
from nexus.relay.open_answer import open_answer

log = logging.getLogger("nexus.gateway")

SKIPPED: dict[Failure, str] = {
    "not_expressible": "not-expressible",
    "too_small": "too-small",
    "over_limit": "limit",
    "no_room": "busy",
}
"""The reasons for skipped targets, as the client sees them."""


class Attempts:
    def __init__(self, router: Router, admission: Admission) -> None:
        self._router = router
        self._admission = admission

    # On the loop.

    def take_early(self, state: CallState, plan: Plan) -> None:
        """Takes room, and a reservation if that is quick, so that a call that gets neither takes no worker. Raises
        ClientError; then nothing is held."""
        state.plan = plan
        plan.taken = self._next(state, plan, self._admission.hold_early)

    # On a worker.

    def refuse(self, state: CallState, plan: Plan, refused: Mapping[str, NexusError]) -> None:
        """Removes candidates from the plan by name. Raises the reason if no other one is left."""
        if not refused:
            return
        left = plan.left
        if all(one.name in refused for one in left):
            raise refused[left[0].name]
        candidates = plan.waiting
        if plan.taken is not None and plan.taken.name in refused:
            self._router.cooldowns.leave(plan.taken.scopes)
            self._give_back(state, plan, refused[plan.taken.name], moves=True)
            candidates, plan.taken = [plan.taken, *candidates], None
        for one in candidates:
            if one.name in refused:
                self._note(state, plan, one, "not_expressible", refused[one.name])
        plan.waiting = [one for one in plan.waiting if one.name not in refused]
        plan.overflow = tuple(one for one in plan.overflow if one.name not in refused)
        plan.budget = tuple(one for one in plan.budget if one.name not in refused)

    def open(self, state: CallState, plan: Plan) -> OpenedReply:
        """Returns an answer that has begun, of which nothing was passed on. Raises the error for the client."""
        while True:
            candidate = self._ready(state, plan)
            attempt, alarms = self._begin(state, plan, candidate)
            try:
                try:
                    opened = open_answer(attempt)
                finally:
                    for alarm in alarms:
                        alarm.cancel()
                if attempt.cancel.reason is not None:
                    # The alarm went off just as the answer began.
                    opened.reply.close()
                    raise attempt.cancel.reason
            except NexusError as error:
                self._failed(state, plan, state.attempts[-1], error)
                continue
            self._succeeded(state, plan, candidate)
            return opened

    def ended(self, state: CallState, error: NexusError | None) -> None:
        """The call is over: gives back what it holds. May be called more than once."""
        plan, last = state.plan, state.last
        if plan is None:
            self._admission.settle(state, error)
            return
        entered = plan.taken or (None if last is None else last.candidate)
        if plan.room and last is not None and last.phase == "content" and isinstance(error, UpstreamError):
            count_failure(self._router.cooldowns, last.candidate, "after_content", error, plan.entered)
        elif plan.room and entered is not None and error is not None:
            self._router.cooldowns.leave(entered.scopes)
        self._give_back(state, plan, error)

    # Before an attempt.

    def _ready(self, state: CallState, plan: Plan) -> Candidate:
        """The next candidate, with room and a reservation taken. Raises the error for the client if none is left."""
        while True:
            candidate = plan.taken = plan.taken or self._next(state, plan, lambda *_: None)
            try:
                if plan.virtual:
                    # A plain model is left to its vendor.
                    check_fit(state, candidate.route)
                self._admission.hold(state, candidate)
            except ContextTooLong as error:
                self._skip(state, plan, candidate, "too_small", error)
            except ClientError as error:
                self._skip(state, plan, candidate, "over_limit", error)
            else:
                state.call.cancel.check()
                return candidate

    def _next(self, state: CallState, plan: Plan, hold: Callable[[CallState, Candidate], None]) -> Candidate:
        while True:
            candidate = plan.waiting.pop(0) if plan.waiting else self._refilled(state, plan)
            if candidate is None or not self._has_turn(plan, candidate):
                continue
            provider = candidate.route.provider
            state.route = candidate.route
            if not self._router.rooms.enter(provider.name, provider.settings.max_concurrency):
                text = f"provider {provider.name!r} is at its limit of concurrent calls (max_concurrency)"
                self._skip(state, plan, candidate, "no_room", Overloaded(text, retry_after=1))
                continue
            plan.room = provider.name
            try:
                hold(state, candidate)
            except ClientError as error:
                self._skip(state, plan, candidate, "over_limit", error)
                continue
            return candidate

    def _has_turn(self, plan: Plan, candidate: Candidate) -> bool:
        """False while another call probes the candidate, which is then moved to the end of the plan."""
        if not plan.affinity or self._router.cooldowns.enter(candidate.scopes, self._router.cooldowns.clock()):
            return True
        if candidate.name in plan.deferred:
            return True
        plan.deferred.add(candidate.name)
        plan.waiting.append(candidate)
        return False

    def _refilled(self, state: CallState, plan: Plan) -> Candidate | None:
        """Called when none is waiting: returns a candidate to retry, or None after refilling ``plan.waiting``. Raises
        the error for the client if nothing is left."""
        kinds = {skip.failure for skip in plan.skips}
        if plan.later:
            again = min(plan.later, key=lambda one: one.due)
            plan.later.remove(again)
            if self._router.retry_budgets.take(again.candidate.route.provider.name):
                self._sleep(state, again.due - time.monotonic())
                return again.candidate
            return None
        if "too_small" in kinds and plan.overflow:
            plan.waiting, plan.overflow = list(plan.overflow), ()
            return None
        if kinds == {"over_limit"} and plan.error is None and plan.budget:
            plan.waiting, plan.budget = list(plan.budget), ()
            return None
        raise final_error(plan)

    def _skip(self, state: CallState, plan: Plan, candidate: Candidate, failure: Failure, error: NexusError) -> None:
        """Skips a target with all its keys."""
        plan.taken = None
        self._router.cooldowns.leave(candidate.scopes)
        self._give_back(state, plan, error, moves=True)
        state.route = state.last.route if state.last is not None else state.route
        plan.waiting = [one for one in plan.waiting if one.route.name != candidate.route.name]
        self._note(state, plan, candidate, failure, error)

    def _note(self, state: CallState, plan: Plan, candidate: Candidate, failure: Failure, error: NexusError) -> None:
        error.with_traceback(None)
        plan.skips.append(Skip(failure, error))
        state.skipped.append((len(state.attempts), f"{candidate.route.name}={SKIPPED[failure]}"))
        fields = {"id": state.call.id, "route": str(candidate.route), "skipped": failure, "why": error.message}
        log.debug("target skipped", extra={"fields": fields})

    def _begin(self, state: CallState, plan: Plan, candidate: Candidate) -> tuple[Attempt, Sequence[Alarm]]:
        if candidate.name not in plan.tries:
            self._router.retry_budgets.pay(candidate.route.provider.name)
        plan.entered = self._router.cooldowns.clock()
        begun = begin_in_time(self._router.alarms, state, plan, candidate)
        plan.taken = None
        return begun

    # After an attempt.

    def _succeeded(self, state: CallState, plan: Plan, candidate: Candidate) -> None:
        cooldowns, call = self._router.cooldowns, state.call
        if cooldowns.succeeded(candidate.scopes, plan.entered):
            log.info("a target has recovered", extra={"fields": {"route": str(candidate.route)}})
        strayed = any(skip.failure in ("not_expressible", "too_small") for skip in plan.skips)
        if plan.affinity and call.operation.spends and candidate.name in plan.own_names and not strayed:
            self._router.moves.answered(plan.affinity, candidate.name, plan.home, cooldowns.clock())

    def _failed(self, state: CallState, plan: Plan, attempt: Attempt, error: NexusError) -> None:
        """Decides what follows a failed attempt. Raises the error if nothing does."""
        candidate = attempt.candidate
        if state.call.cancel.reason is not None:
            self._router.cooldowns.leave(candidate.scopes)
            raise error
        failure = "not_here" if is_about_stored(error, state.call) else failure_of(error, own=bool(candidate.own))
        verdict = VERDICTS[failure]
        if failure == "not_expressible" and attempt.phase == "prepared":
            if not (plan.waiting or plan.skips or plan.error):
                raise error
            # It was not made.
            state.attempts.remove(attempt)
            self._skip(state, plan, candidate, failure, error)
            return
        count_failure(self._router.cooldowns, candidate, failure, error, plan.entered)
        if not state.call.is_repeatable and failure in DOUBTFUL and error.status != 503:
            raise error
        plan.tries[candidate.name] = plan.tries.get(candidate.name, 0) + 1
        pause = pause_before(state, plan, candidate, error, verdict)
        self._narrow(plan, candidate, verdict)
        if pause is not None and plan.waiting and verdict.again != "at once":
            plan.later.append(Later(candidate, time.monotonic() + pause))
        elif pause is not None and self._retry(state, plan, attempt, error, pause):
            return
        self._move_on(state, plan, attempt, error, failure)

    def _retry(self, state: CallState, plan: Plan, attempt: Attempt, error: NexusError, pause: float) -> bool:
        """Waits, and takes the same candidate again if its provider's retry budget allows that."""
        candidate = attempt.candidate
        if not self._router.retry_budgets.take(candidate.route.provider.name):
            return False
        log_attempt(state, error, f"again in {pause:.1f} s")
        attempt.fail(error)
        self._sleep(state, pause)
        plan.taken = candidate
        return True

    def _move_on(self, state: CallState, plan: Plan, attempt: Attempt, error: NexusError, failure: Failure) -> None:
        """Gives back what the call holds, because another candidate is next. Raises the error if there is none."""
        too_small = any(skip.failure == "too_small" for skip in plan.skips)
        if not (plan.waiting or plan.later or (plan.overflow and too_small)):
            raise error
        if failure == "missing":
            fields = {"id": state.call.id, "route": str(attempt.route), "why": error.message}
            log.error(
                "a target is misconfigured: it does not know the model, or no protocol of it is enabled",
                extra={"fields": fields},
            )
        log_attempt(state, error, f"next: {plan.waiting[0].route}" if plan.waiting else "next")
        attempt.fail(error)
        plan.error = error
        self._give_back(state, plan, error, moves=True)

    def _narrow(self, plan: Plan, candidate: Candidate, verdict: Verdict) -> None:
        """Removes the waiting candidates that this failure rules out."""
        if verdict.next != "yes":
            plan.waiting = list(plan.overflow) if verdict.next == "on_overflow" else []
            plan.overflow = ()
            plan.later.clear()
        elif not verdict.other_key:
            plan.waiting = [one for one in plan.waiting if one.route.name != candidate.route.name]
        if len(plan.waiting) > 1:
            known = [replace(one, cooldown_until=None) for one in plan.waiting]
            plan.waiting = self._router.by_cooldown(known, self._router.cooldowns.clock())

    def _sleep(self, state: CallState, seconds: float) -> None:
        with state.waiting():
            state.call.cancel.wait(max(0.0, seconds))

    def _give_back(self, state: CallState, plan: Plan, error: NexusError | None, *, moves: bool = False) -> None:
        """Gives back what the call holds for one candidate. ``moves``: the call goes on to another."""
        if plan.room:
            self._router.rooms.leave(plan.room)
            plan.room = ""
        self._admission.settle(state, error, moves=moves)
        if moves:
            state.reservation, state.held_from = None, len(state.attempts)
