"""Admission of calls: counts them, reserves what each may spend before it starts, and settles that after it ends.

Law: every reservation is concluded exactly once, before the client can see the end of its answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from nexus.accounting.price_book import PriceBook
from nexus.accounting.prices import Price
from nexus.accounting.record import Charge
from nexus.auth.identity import joined
from nexus.call import Call
from nexus.conversation.estimate import Estimate, estimate, tokens_of
from nexus.conversation.usage import Usage
from nexus.errors import ClientError, ContextTooLong, NexusError, Overloaded, PermissionDenied
from nexus.gateway.budgets import Budgets
from nexus.late import pattern
from nexus.limits.accounts import BudgetAccount
from nexus.limits.call_limits import CallLimits, caller_account
from nexus.limits.demands import LimitedCall, Spending, output_asked
from nexus.limits.limiter import Limits
from nexus.limits.quota import Demand
from nexus.limits.rules import LimitKey
from nexus.protocols.loader import client
from nexus.protocols.piecewise import LARGE
from nexus.provider import Provider
from nexus.provider.route import Route
from nexus.relay.call_state import CallState
from nexus.relay.candidate import Candidate
from nexus.relay.lanes import passes
from nexus.relay.reading import reading, refers
from nexus.settings.limits import RequestLimits
from nexus.settings.model import ModelSettings
from nexus.wire import Json, count, digest, mapping, sequence, text

LONGEST_WAIT = 30.0
"""Seconds to wait for the price list to be read."""

BYTES_PER_TOKEN = 3
"""Used to estimate bodies that no codec can read but that pass through."""

SHORT = 1024
"""Body size in bytes below which the JSON around the text is significant."""

ESCAPED = 4
"""Approximate number of extra bytes that a character escaped in JSON takes."""

_ESCAPE = pattern(rb"\\u")


class Admission:
    """Holds and settles what calls spend. The only place that knows whether the store blocks: quick decisions are made
    on the loop, the others on a worker."""

    def __init__(
        self, settings: RequestLimits, limits: Limits, budgets: Budgets | None = None, prices: PriceBook | None = None
    ) -> None:
        self.limits = limits
        self.budgets = budgets
        self.prices = prices or PriceBook((), None)
        self.calls = CallLimits(settings, limits)
        self._waits = limits.store.blocks

    def hold_early(self, state: CallState, candidate: Candidate) -> None:
        """Runs on the loop, so that a call over a limit takes no worker. Leaves what may take long to ``hold``."""
        if not (self._waits or len(state.call.body) > LARGE or refers(state) or self._awaits_price(candidate)):
            self.hold(state, candidate)

    def hold(self, state: CallState, candidate: Candidate) -> None:
        """Reserves what a call may spend at a candidate, unless that is done already. Raises LimitExceeded,
        PermissionDenied if a budget applies and the price is unknown, or Overloaded if the store cannot decide."""
        call = state.call
        if state.reservation is not None or not call.operation.spends:
            return
        most = output_asked(call.document) if call.operation.writes else 0
        limited = LimitedCall(
            _limit_key(call, candidate.route), lambda: expected(state), most, self._spending(call, candidate)
        )
        state.reservation = self.limits.reserve(limited)

    def check_uncounted(self, call: Call, provider: Provider) -> None:
        """Raises PermissionDenied for a call whose usage cannot be counted, if the caller's tokens or money are
        limited."""
        settings = provider.settings
        if call.operation.counted or settings.unknown == "allow":
            return
        limited = any(
            self.limits.quotas(_limit_key(call, Route(provider, alias, model)))
            for alias, model in (*settings.models.items(), ("*", ModelSettings()))
        )
        own = provider.own_key(call.own_headers, call.dialect) is not None
        paid = (
            not own
            and self.budgets is not None
            and any(self.budgets.cover(f"{provider.name}/{alias}") for alias in settings.models)
        )
        if limited or paid:
            raise PermissionDenied(
                "the cost of this call cannot be counted, and a token limit or a budget applies to you "
                f'(unknown = "allow" of provider {provider.name} lets it pass)'
            )

    def check_tags(self, call: Call, routes: Iterable[str]) -> None:
        """Raises InvalidRequest if the call lacks a tag that a budget of one of these models is keyed by."""
        if (budgets := self.budgets) is None:
            return
        for route in routes:
            with suppress(PermissionDenied):
                budgets.spending(call, route, self.prices.price(route))

    def cost(self, route: str, usage: Usage) -> tuple[int | None, str]:
        """As ``PriceBook.cost``, waiting for the price list if necessary."""
        self._await_price(route)
        return self.prices.cost(route, usage, "yes")

    def in_batch(self, route: str) -> Price | None:
        """The batch price of a model, waiting for the price list if necessary; None if unknown."""
        self._await_price(route)
        price = self.prices.price(route)
        return None if price is None else price.in_batch

    def _await_price(self, route: str) -> None:
        if not self.prices.is_known(route):
            self.prices.wait(LONGEST_WAIT)

    def charge(self, state: CallState, candidate: Candidate, usage: Usage, cost: int | None) -> list[Demand]:
        """Charges the usage of batch requests, for which nothing was reserved; returns it for ``limits.book``, to be
        counted once the charges are recorded. Raises as ``hold``."""
        spending = self._spending(state.call, candidate) if cost else None
        accounts = () if spending is None else spending.accounts
        return self._charge(state, candidate, usage, {}, [(account, cost or 0) for account in accounts])

    def book_rest(
        self, state: CallState, candidate: Candidate, usage: Usage, cost: int | None, before: Mapping[str, Json]
    ) -> None:
        """Counts what an answer used beyond what it was counted as when it was made: ``before`` is that reservation's
        ``counted_as``."""
        charges: list[tuple[BudgetAccount, int]] = []
        for name, subject, nano in map(sequence, sequence(before.get("charged"))):
            account = None if self.budgets is None else self.budgets.account(text(name), text(subject))
            if account is not None and cost is not None:
                charges.append((account, cost - count(nano)))
        self.limits.book(self._charge(state, candidate, usage, mapping(before.get("counted")), charges))

    def _charge(
        self,
        state: CallState,
        candidate: Candidate,
        usage: Usage,
        counted: Mapping[str, Json],
        charges: Iterable[tuple[BudgetAccount, int]],
    ) -> list[Demand]:
        used = {"input_tokens": usage.total_input, "output_tokens": usage.total_output}
        quotas = self.limits.quotas(_limit_key(state.call, candidate.route))
        demands = [Demand(quota, used[quota.dimension] - count(counted.get(quota.key))) for quota in quotas]
        for account, nano in charges:
            if nano > 0:
                demands.append(Demand(account.quota, nano, ago=account.ago))
                state.charges.append(Charge(account.name, account.subject, account.period.name, nano))
        return [demand for demand in demands if demand.amount > 0]

    def _spending(self, call: Call, candidate: Candidate) -> Spending | None:
        """What budgets would pay for the call; None if no budget covers it."""
        name = candidate.route.name
        if self.budgets is None or candidate.own or not self.budgets.cover(name):
            return None
        if self._awaits_price(candidate):
            self.prices.wait()
        return self.budgets.spending(call, name, self.prices.price(name))

    def await_prices(self, state: CallState) -> None:
        """Waits for the price list, so that a call made while Nexus was starting can be priced. Runs on a worker after
        the answer."""
        if not self.knows_prices(state):
            with suppress(Overloaded):
                # Without a thread that reads the list, the cost of this call stays unknown.
                self.prices.wait(LONGEST_WAIT)

    def knows_prices(self, state: CallState) -> bool:
        """Whether the prices of all models that the call used are known."""
        return all(self.prices.is_known(attempt.route.name) for attempt in state.attempts)

    def _awaits_price(self, candidate: Candidate) -> bool:
        name = candidate.route.name
        return self.budgets is not None and self.budgets.cover(name) and not self.prices.is_known(name)

    def settle(self, state: CallState, error: NexusError | None, *, moves: bool = False) -> None:
        """Books the call's usage; only the first settlement has an effect. ``moves``: the call goes on to another
        candidate, so only usage that the vendor may bill counts here."""
        if state.reservation is None:
            return
        attempts = state.attempts[state.held_from :]
        if moves and not any(attempt.may_be_billed for attempt in attempts):
            state.reservation.refund()
            return
        if state.reservation.is_concluded:
            return
        state.reservation.finish(
            error,
            billed=bool(attempts) and attempts[-1].may_be_billed,
            usage=state.usage,
            streamed=state.streamed,
            earlier=[attempt.usage for attempt in attempts[:-1] if attempt.may_be_billed],
        )
        if self.budgets is not None:
            state.charges += self.budgets.concluded(state.reservation, self.limits.store)


def _limit_key(call: Call, route: Route) -> LimitKey:
    provider, own = route.provider, route.settings.rate_limits
    client, shared = account_of(call, provider), provider.settings.rate_limits
    return LimitKey(client, call.identity.group, provider.name, route.alias, shared, own)


def account_of(call: Call, provider: Provider) -> str:
    """Whose limits a call counts against: the client id; without ``[server.client_identification]`` the gateway key's
    name or the token's subject, else a hash of the vendor key that the caller sends and the provider forwards, else the
    address. The kinds are kept distinct, so that a name of one kind never matches one of another.
    """
    if (account := call.identity.account) is not None:
        return account
    if (own := provider.own_key(call.own_headers, call.dialect)) is not None:
        return joined("vendor-key", digest(own.get_secret_value()))
    return caller_account(call.identity, call.caller)


def expected(state: CallState) -> Estimate:
    """The estimate to reserve: large texts are estimated by their bytes, which needs no codec. The limiter learns the
    ratio of bytes to a vendor's tokens."""
    call, route = state.call, state.route
    if (
        len(call.body) < SHORT
        or state.reading is not None
        or call.operation.endpoint
        or route is None
        or (refers(state) and (state.resolves or not passes(call, route)))
        or not client(call.dialect).has_words_alone(call.document)
    ):
        return estimated(state)
    # Searching for the first escape by pattern takes a third of the time of counting none.
    escapes = call.body.count(b"\\u") if _ESCAPE.search(call.body) else 0
    return Estimate(tokens_of(len(call.body) - ESCAPED * escapes))


def check_fit(state: CallState, route: Route) -> None:
    """Raises ContextTooLong if a call does not fit into the context that the settings give a model."""
    if (context := route.settings.context) is not None:
        needed = estimated(state).total + (output_asked(state.call.document) or 0)
        if needed > context:
            raise ContextTooLong(needed, context)


def estimated(state: CallState) -> Estimate:
    """Estimates a call's input tokens; by its bytes if no codec can read it."""
    call = state.call
    if call.operation.endpoint:
        # A file's size says nothing about its tokens.
        return Estimate((len(call.body) if call.upload is None else call.upload.words) // BYTES_PER_TOKEN)
    try:
        return estimate(reading(state).request)
    except ClientError:
        return Estimate(len(call.body) // BYTES_PER_TOKEN)
