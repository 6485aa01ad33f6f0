"""Reserve before a call, settle after it: the only entry to spending limits.

Law: any thread; on a worker where the store blocks. A reservation is concluded exactly once, whoever tries how often.
Settling never raises: a call must not fail because it could not be counted. While a call runs its estimate is held, so
that no number of calls at the same time passes on one quota.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nexus.conversation.estimate import Estimate
from nexus.conversation.usage import Usage
from nexus.errors import UpstreamStatus, VendorError
from nexus.limits.accounts import Account
from nexus.limits.calibration import Expected
from nexus.limits.learned import Learned
from nexus.limits.quota import SECOND, Demand, Granted, Quota, Refused, Standing, Store
from nexus.limits.refusal import refusal
from nexus.limits.rules import LimitKey, LimitRules
from nexus.wire import Json, count, mapping

log = logging.getLogger("nexus.limits")

DEFAULT_OUTPUT = 4096
"""Tokens reserved for an answer of unstated length while nothing is known of the model."""

CALLERS_FAULT = frozenset({400, 401, 403, 404, 413, 422})
"""What a vendor answers to a call that was wrong, and would be again: it counts as a request. What is no fault of the
caller's (429, 5xx, no answer at all) does not."""

SOON = 5 * SECOND
"""How long to wait for calls that run: nobody knows when they end."""

LARGEST = 10**9
"""More tokens than this in one call are somebody's mistake."""

DEAREST = 10**14
"""More nano-dollars than this for one call are, too."""


Earlier = Sequence[Usage | None]
"""Of each attempt before the last that the vendor may charge for: what it reported."""


@dataclass(frozen=True, slots=True)
class Spending:
    """Shares of budgets that a call counts against, and what it costs there in nano-dollars: ``cost`` of what was used,
    None where nobody knows, and ``most`` of so many tokens of input and of output before anything is known.
    """

    accounts: tuple[Account, ...]
    cost: Callable[[Usage], int | None]
    most: Callable[[int, int], int]


@dataclass(frozen=True, slots=True)
class Ask:
    """A call as admission sees it.

    ``estimate`` estimates the input tokens and is only called where input or money is limited; ``max_output`` is what
    the client allows over all choices, None where it does not say.
    """

    limit_key: LimitKey
    estimate: Callable[[], Estimate]
    max_output: int | None
    spending: Spending | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """Tokens of a call before it runs: what is expected of its input and a bound, and of its output likewise."""

    input: Expected
    output: Expected


Decided = Callable[[Quota, bool], None]
"""Told of a quota that was asked, and whether it let pass what was asked for; any thread."""


def tell_nobody(_quota: Quota, _granted: bool) -> None:
    """Where nobody counts."""


class Limits:
    """Admission by what users may spend. ``decided`` is told of every decision."""

    def __init__(self, store: Store, learned: Learned | None = None) -> None:
        self.store = store
        self.learned = learned or Learned()
        self._rules = LimitRules()
        self._lock = threading.Lock()
        self.decided: Decided = tell_nobody
        self.open = 0
        """Reservations that nobody has concluded yet; nothing when the gateway is idle."""
        self.refused = 0
        self._slack: dict[str, int] = {}
        """By the key of a quota, how much more is held for open calls of this process than is expected of them."""

    def counts_tokens(self, limit_key: LimitKey) -> bool:
        """Whether a caller's tokens are limited there."""
        return any(quota.dimension != "requests" for quota in self._rules.resolve(limit_key))

    def reserve(self, ask: Ask) -> Reservation:
        """Raises LimitExceeded, or Overloaded where the store cannot decide."""
        quotas, spending = self._rules.resolve(ask.limit_key), ask.spending
        if not quotas and spending is None:
            return Reservation(self, ask, None, None)
        counts_input = spending is not None or any(quota.dimension == "input_tokens" for quota in quotas)
        estimate = ask.estimate() if counts_input else None
        expectation = self._expectation(ask, estimate or Estimate(1))
        demands = [_demand(quota, expectation, estimate or Estimate(1)) for quota in quotas]
        if spending is not None:
            demands += [_cost_demand(account, expectation, spending) for account in spending.accounts]
        decision = self.store.reserve(demands)
        tell_decision(self.decided, decision)
        with self._lock:
            if isinstance(decision, Refused):
                self.refused += 1
                raise refusal(self._sooner(decision))
            self.open += 1
            for demand in decision.demands:
                self._count_slack(demand, _slack(demand))
        return Reservation(self, ask, estimate, decision, expectation.input.guess)

    def conclude(self, granted: Granted, amounts: list[int]) -> None:
        """For reservations only."""
        try:
            self.store.settle(granted, amounts)
        except Exception:
            log.exception("a call could not be settled; what was reserved stays counted for its interval")
        finally:
            with self._lock:
                self.open -= 1
                for demand in granted.demands:
                    self._count_slack(demand, -_slack(demand))

    def _count_slack(self, demand: Demand, change: int) -> None:
        key = demand.quota.key
        self._slack[key] = self._slack.get(key, 0) + change
        if self._slack[key] == 0:
            del self._slack[key]

    def _sooner(self, refused: Refused) -> Refused:
        """Where only bounds of calls that run are in the way, their ends are awaited and not that of the interval."""
        quota, wait = refused.demand.quota, refused.wait
        used = refused.standing.used - self._slack.get(quota.key, 0)
        if wait is None or wait <= SOON or used + refused.demand.needed > quota.limit:
            return refused
        return replace(refused, wait=SOON)

    def _expectation(self, ask: Ask, estimate: Estimate) -> Expectation:
        provider, model = ask.limit_key.provider, ask.limit_key.model
        if ask.max_output is not None:
            most = min(LARGEST, max(1, ask.max_output))
            output = Expected(most, most)
        else:
            # A guess must not refuse what is left to a short answer, nor leave anything to the next call.
            output = Expected(1, self.learned.output(provider, model) or DEFAULT_OUTPUT)
        return Expectation(self.learned.input(provider, model, estimate), output)


def _demand(quota: Quota, expectation: Expectation, estimate: Estimate) -> Demand:
    match quota.dimension:
        case "input_tokens":
            return _input_demand(quota, expectation.input, estimate)
        case "output_tokens":
            return Demand(quota, expectation.output.bound, least=expectation.output.guess)
        case _:
            return Demand(quota, 1)


def _input_demand(quota: Quota, expected: Expected, estimate: Estimate) -> Demand:
    """Takes what the call hardly exceeds: many that come at once would else pass on guesses that are all wrong."""
    guess = expected.guess
    if guess > quota.limit >= estimate.total:
        # What was learned must not keep out for ever what could teach better.
        guess = quota.limit
    return Demand(quota, min(LARGEST, expected.bound), least=min(LARGEST, guess))


def _cost_demand(account: Account, expected: Expectation, spending: Spending) -> Demand:
    """Likewise: what the call hardly costs more than, if what is expected of it is left."""
    bound = min(DEAREST, spending.most(expected.input.bound, expected.output.bound))
    expected_cost = spending.most(expected.input.guess, expected.output.guess)
    return Demand(account.quota, bound, least=expected_cost, ago=account.ago)


def _slack(demand: Demand) -> int:
    """How much more is held for an open call than is expected of it; of money all of it, for few calls cost what they
    may."""
    return demand.amount if demand.quota.dimension == "cost" else demand.amount - demand.needed


def tell_decision(decided: Decided, decision: Granted | Refused) -> None:
    """Of what was refused the quota in the way alone is known."""
    if isinstance(decision, Refused):
        decided(decision.demand.quota, False)
    else:
        for demand in decision.demands:
            decided(demand.quota, True)


class Reservation:
    """What is held for one call. The first of ``settle``, ``cut_off``, ``refuse`` and ``refund`` counts, the others do
    nothing.
    """

    __slots__ = ("_ask", "_concluded", "_estimate", "_granted", "_guess", "_limits", "_lock", "_spent")

    def __init__(
        self, limits: Limits, ask: Ask, estimate: Estimate | None, granted: Granted | None, guess: int = 0
    ) -> None:
        """``guess`` is how many tokens of input are expected."""
        self._limits = limits
        self._ask = ask
        self._estimate = estimate
        self._granted = granted
        self._guess = guess
        self._lock = threading.Lock()
        self._concluded = False
        self._spent: tuple[int, ...] = ()

    @property
    def is_concluded(self) -> bool:
        return self._concluded

    @property
    def standings(self) -> tuple[Standing, ...]:
        """For the headers of the reply."""
        return self._granted.standings if self._granted is not None else ()

    def budget_left(self, used: Usage | None = None) -> int | None:
        """Nano-dollars of the budget of which the least is left, the call included: what is held for it, or what it
        ``used``; None without a budget."""
        left: list[int] = []
        for demand, standing in self._money:
            cost = demand.amount if used is None else self._cost(demand, used)
            # A call may hold more than is left where its end cannot be known.
            left.append(max(0, standing.quota.limit - standing.used + demand.amount - cost))
        return min(left, default=None)

    @property
    def charged(self) -> Iterator[tuple[Account, int, int]]:
        """Of each budget how much it was charged with, and how much of it is used then; nothing while the call runs."""
        accounts = self._ask.spending.accounts if self._ask.spending is not None and self._spent else ()
        for account, spent, (demand, standing) in zip(accounts, self._spent, self._money, strict=True):
            yield account, spent, standing.used - demand.amount + spent

    @property
    def _money(self) -> list[tuple[Demand, Standing]]:
        granted = self._granted
        both = zip(granted.demands, granted.standings, strict=True) if granted is not None else ()
        return [(demand, standing) for demand, standing in both if demand.quota.dimension == "cost"]

    def settle(self, usage: Usage | None, earlier: Earlier = ()) -> None:
        """A complete answer: what the vendor reported; without a report what was expected."""

        def amount(demand: Demand) -> int:
            if demand.quota.dimension == "cost":
                return self._cost(demand, usage)
            return _reported(demand, usage, _expected(demand))

        if self._conclude(amount, earlier) and usage is not None:
            self._learn(usage)

    def cut_off(self, usage: Usage | None, streamed: int = 0, earlier: Earlier = ()) -> None:
        """The client left or the stream broke: what was seen, else the estimate of input; the request counts.

        ``streamed`` is how many tokens of output passed, about: most vendors report them at the very end only, so
        that leaving just before it would make answers free.
        """

        def amount(demand: Demand) -> int:
            if demand.quota.dimension == "cost":
                return self._cost(demand, self._at_least(usage, streamed))
            return max(_reported(demand, usage, _input_only(demand)), _output_only(demand, streamed))

        self._conclude(amount, earlier)

    def refuse(self, earlier: Earlier = ()) -> None:
        """The vendor said that the call was wrong: it counts, and no token does."""
        self._conclude(lambda demand: demand.amount if demand.quota.dimension == "requests" else 0, earlier)

    def refund(self) -> None:
        """Nothing was answered: nothing counts."""
        self._conclude(lambda demand: 0)

    def finish(
        self,
        error: BaseException | None,
        *,
        billed: bool,
        usage: Usage | None,
        streamed: int = 0,
        earlier: Earlier = (),
    ) -> None:
        """Picks the rule by how the call went.

        ``billed`` says that the vendor may charge for the input although the attempt failed.
        """
        if error is None:
            self.settle(usage, earlier)
        elif not streamed and isinstance(error, UpstreamStatus | VendorError) and error.status in CALLERS_FAULT:
            self.refuse(earlier)
        elif billed or streamed:
            self.cut_off(usage, streamed, earlier)
        elif earlier:
            self.refuse(earlier)
        else:
            self.refund()

    def _conclude(self, amount: Callable[[Demand], int], earlier: Earlier = ()) -> bool:
        """Whether this was the first to do so, and something was held."""
        with self._lock:
            first, self._concluded = not self._concluded, True
        if not first or self._granted is None:
            return False
        demands = self._granted.demands
        amounts = [_bounded(demand, max(0, amount(demand)) + self._billed(demand, earlier)) for demand in demands]
        self._spent = tuple(
            amount for demand, amount in zip(demands, amounts, strict=True) if demand.quota.dimension == "cost"
        )
        self._limits.conclude(self._granted, amounts)
        return True

    def _billed(self, demand: Demand, earlier: Earlier) -> int:
        """What attempts before the last one come to."""
        match demand.quota.dimension:
            case "input_tokens":
                return sum(_reported(demand, usage, _expected(demand)) for usage in earlier)
            case "cost":
                return sum(self._cost(demand, self._at_least(usage, 0)) for usage in earlier)
            case _:
                return 0

    def _at_least(self, usage: Usage | None, streamed: int) -> Usage:
        """With what must have been used where that was not reported, or not to the end."""
        usage = usage or Usage(input=self._guess)
        return replace(usage, output=max(usage.output, streamed - usage.reasoning))

    def _cost(self, demand: Demand, usage: Usage | None) -> int:
        """What was held for it where nobody knows."""
        spending = self._ask.spending
        cost = spending.cost(usage) if spending is not None and usage is not None else None
        return demand.needed if cost is None else cost

    def _learn(self, usage: Usage) -> None:
        limit_key, learned = self._ask.limit_key, self._limits.learned
        if self._estimate is not None:
            learned.saw_input(limit_key.provider, limit_key.model, self._estimate, usage.total_input)
        learned.saw_output(limit_key.provider, limit_key.model, usage.total_output)


def _bounded(demand: Demand, amount: int) -> int:
    return min(DEAREST if demand.quota.dimension == "cost" else LARGEST, amount)


def _reported(demand: Demand, usage: Usage | None, otherwise: int) -> int:
    match demand.quota.dimension:
        case "input_tokens" if usage is not None and usage.total_input:
            return usage.total_input
        case "output_tokens" if usage is not None:
            return usage.total_output
        case "requests":
            return demand.amount
        case _:
            return otherwise


def _expected(demand: Demand) -> int:
    """What a call used of which nobody reports it."""
    return demand.needed if demand.quota.dimension == "input_tokens" else demand.amount


def _input_only(demand: Demand) -> int:
    return 0 if demand.quota.dimension == "output_tokens" else _expected(demand)


def _output_only(demand: Demand, streamed: int) -> int:
    return streamed if demand.quota.dimension == "output_tokens" else 0


def output_asked(document: Mapping[str, Json]) -> int | None:
    """Most output tokens that a client's body of any dialect allows, over all choices; None where it does not say."""
    names = ("max_completion_tokens", "max_output_tokens", "max_tokens")
    limits = [document.get(name) for name in names]
    asked = max(map(count, [*limits, mapping(document.get("inferenceConfig")).get("maxTokens")]))
    return asked * max(1, count(document.get("n"))) if asked else None
