"""Explains what would happen to a call: each target with its reason, dialect, headers, limits, and what it would drop
or reject.

Sends nothing, so cooldowns, usage and fetched keys are not known. Shows names of headers, never values.
"""

from __future__ import annotations

from collections.abc import Iterator

from nexus.call import Call
from nexus.dataclasses import dataclass, replace
from nexus.errors import ClientError
from nexus.gateway.admission import check_fit, estimated
from nexus.gateway.affinity import session_of
from nexus.gateway.candidates import Router
from nexus.gateway.routing import Model
from nexus.limits.demands import output_asked
from nexus.limits.refusal import WORDS, interval_words
from nexus.limits.rules import LimitKey, plan_of
from nexus.provider.route import Route
from nexus.relay.call_state import CallState
from nexus.relay.candidate import Candidate, Plan
from nexus.relay.lanes import choose


@dataclass(frozen=True, slots=True)
class Step:
    """One candidate in the order of attempts. ``refused`` says why it would be skipped; the fields about the request
    are then empty. ``headers`` are names, ``signing`` those of the credential, of which ``send`` adds what it needs.
    ``limits`` are in words, ``dropped`` are fields by their names in the client's dialect.
    """

    candidate: str
    why: str
    limits: tuple[str, ...]
    lane: str = ""
    url: str = ""
    headers: tuple[str, ...] = ()
    signing: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Explained:
    """``tokens`` is the estimated input, ``output`` the client's maximum or None. ``session`` is the session that the
    call names or None; ``left_out`` are targets for which the call has no key.
    """

    session: str | None
    tokens: int
    output: int | None
    steps: tuple[Step, ...]
    left_out: tuple[str, ...]

    @property
    def serves(self) -> bool:
        """Whether at least one candidate would be tried."""
        return any(not step.refused for step in self.steps)


def explain(call: Call, model: Model) -> Explained:
    """Explains a call to a model. Raises ClientError if no candidate can be tried at all."""
    plan, tokens = Router().plan(call, model), estimated(CallState(call)).total
    reasons = [(one, _why(model, one, first=index == 0)) for index, one in enumerate(plan.waiting)]
    reasons += [(one, "when the conversation is too long for the others") for one in plan.overflow]
    reasons += [(one, "when all others were skipped because of limits") for one in plan.budget]
    steps = tuple(_step(call, plan, candidate, why) for candidate, why in reasons)
    reached = {candidate.route.name for candidate, _ in reasons}
    left_out = tuple(route.name for route in model.routes if route.name not in reached)
    return Explained(session_of(call), tokens, output_asked(call.document), steps, left_out)


def _why(model: Model, candidate: Candidate, *, first: bool) -> str:
    if model.virtual is None:
        reason = "the requested model"
    elif any(route is candidate.route for route, _ in model.spread):
        reason = "by weight, for this session" if first else "by weight, next for this session"
    else:
        reason = f"target {1 + model.targets.index(candidate.route)}"
    accounts = len(candidate.route.provider.accounts)
    if candidate.own:
        return f"{reason}; with the caller's own key"
    return f"{reason}; account {candidate.account.name}, one of {accounts}" if candidate.account.name else reason


def _step(call: Call, plan: Plan, candidate: Candidate, why: str) -> Step:
    route = candidate.route
    step = Step(candidate.name, why, tuple(_limits(call, route)))
    state = CallState(call, plan=plan)
    try:
        if plan.virtual:
            check_fit(state, route)
        lane = choose(state.begin(candidate))
        request = route.provider.upstream_request(lane.request)
    except ClientError as error:
        return replace(step, refused=error.message)
    return replace(
        step,
        lane=f"{call.dialect} to {lane.request.dialect}" if lane.translates else "passthrough",
        url=request.url.partition("?")[0],
        headers=tuple(sorted(request.headers)),
        signing=route.provider.settings.signed_headers,
        dropped=tuple(dict.fromkeys((*lane.dropped, *request.dropped))),
    )


def _limits(call: Call, route: Route) -> Iterator[str]:
    provider = route.provider
    own, shared = route.settings.rate_limits, provider.settings.rate_limits
    for planned in plan_of(LimitKey("", call.identity.group, provider.name, route.alias, shared, own)):
        yield f"{planned.limit} {WORDS[planned.dimension]} per {interval_words(planned.interval)} ({planned.rule})"
    if provider.settings.max_concurrency is not None:
        yield f"{provider.settings.max_concurrency} calls at the same time (provider {provider.name})"
