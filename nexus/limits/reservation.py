"""What is reserved for one call, and how it is settled when the call ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from nexus.conversation.estimate import Estimate
from nexus.conversation.usage import DEAREST, Usage
from nexus.dataclasses import replace
from nexus.errors import ErrorAnswer
from nexus.limits.accounts import BudgetAccount
from nexus.limits.demands import LARGEST, Expectation, LimitedCall
from nexus.limits.learned import Learned
from nexus.limits.quota import Demand, Granted, Standing
from nexus.wire import Json

CALLERS_FAULT = frozenset({400, 401, 403, 404, 413, 422})
"""Statuses for a call that is wrong and would fail again: it counts as a request. Failures that are not the caller's
fault (429, 5xx, no answer) do not count.
"""

Earlier = Sequence[Usage | None]
"""For each attempt before the last that the vendor may charge for: the usage that it reported."""

Conclude = Callable[[Granted, list[int]], None]
"""Settles each demand of a grant with its true amount."""


class Reservation:
    """What is reserved for one call.

    Only the first of ``settle``, ``cut_off``, ``refuse`` and ``refund`` takes effect.
    """

    __slots__ = ("_call", "_concluded", "_estimate", "_expected", "_granted", "_learned", "_lock", "_settle", "counted")

    def __init__(
        self,
        call: LimitedCall,
        conclude: Conclude,
        learned: Learned,
        estimate: Estimate | None = None,
        granted: Granted | None = None,
        expected: Expectation | None = None,
    ) -> None:
        """Without ``granted`` and ``expected`` nothing is counted."""
        self._settle = conclude
        self._learned = learned
        self._call = call
        self._estimate = estimate
        self._granted = granted
        self._expected = expected
        self._lock = threading.Lock()
        self._concluded = False
        self.counted: Mapping[str, int] = {}
        """How much the call was counted for, by the quota's key; empty while it is in flight."""

    @property
    def is_concluded(self) -> bool:
        return self._concluded

    @property
    def standings(self) -> tuple[Standing, ...]:
        return self._granted.standings if self._granted is not None else ()

    def budget_left(self, used: Usage | None = None) -> int | None:
        """Nano-dollars left of the tightest budget, including this call: with what is reserved for it, or what it
        ``used``. None without a budget.
        """
        left: list[int] = []
        for demand, standing in self._money:
            cost = demand.amount if used is None else self._cost(demand, used)
            # A call of unknown length may reserve more than is left.
            left.append(max(0, standing.quota.limit - standing.used + demand.amount - cost))
        return min(left, default=None)

    @property
    def charged(self) -> Iterator[tuple[BudgetAccount, int, int]]:
        """Per budget: the account, what this call was charged, and the total used after that. Empty while the call is
        in flight.
        """
        accounts = self._call.spending.accounts if self._call.spending is not None and self.counted else ()
        for account, (demand, standing) in zip(accounts, self._money, strict=bool(accounts)):
            spent = self.counted[demand.quota.key]
            yield account, spent, standing.used - demand.amount + spent

    @property
    def counted_as(self) -> dict[str, Json]:
        """How the call was counted, for ``Admission.book_rest``."""
        charged: list[Json] = [[account.name, account.subject, nano] for account, nano, _ in self.charged]
        return {"counted": dict(self.counted), "charged": charged}

    @property
    def _money(self) -> list[tuple[Demand, Standing]]:
        granted = self._granted
        both = zip(granted.demands, granted.standings, strict=True) if granted is not None else ()
        return [(demand, standing) for demand, standing in both if demand.quota.dimension == "cost"]

    def settle(self, usage: Usage | None, earlier: Earlier = ()) -> None:
        """After a complete answer: counts what the vendor reported, or without a report what was expected."""

        def amount(demand: Demand) -> int:
            if demand.quota.dimension == "cost":
                return self._cost(demand, usage)
            return _reported(demand, usage, _expected(demand))

        if self._conclude(amount, earlier) and usage is not None:
            self._learn(usage)

    def cut_off(self, usage: Usage | None, streamed: int = 0, earlier: Earlier = ()) -> None:
        """The client disconnected or the stream broke: counts reported usage, or else the estimated input, and the
        request.

        ``streamed`` is the approximate number of output tokens sent: most vendors report them only at the very end, so
        disconnecting just before it would otherwise make answers free.
        """

        def amount(demand: Demand) -> int:
            match demand.quota.dimension:
                case "cost":
                    return self._cost(demand, self._at_least(usage, streamed))
                case "output_tokens":
                    return max(_reported(demand, usage, 0), streamed)
                case _:
                    return _reported(demand, usage, _expected(demand))

        self._conclude(amount, earlier)

    def refuse(self, earlier: Earlier = ()) -> None:
        """The vendor rejected the call as wrong: the request counts, no tokens do."""
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
        """Picks the rule by the outcome of the call.

        ``billed``: the vendor may charge for the input although the attempt failed.
        """
        if error is None:
            self.settle(usage, earlier)
        elif not (streamed or usage) and isinstance(error, ErrorAnswer) and error.status in CALLERS_FAULT:
            self.refuse(earlier)
        elif billed or streamed:
            self.cut_off(usage, streamed, earlier)
        elif earlier:
            self.refuse(earlier)
        else:
            self.refund()

    def _conclude(self, amount: Callable[[Demand], int], earlier: Earlier = ()) -> bool:
        """Returns whether this was the first conclusion and something was reserved."""
        with self._lock:
            first, self._concluded = not self._concluded, True
        if not first or self._granted is None:
            return False
        demands = self._granted.demands
        amounts = [_bounded(demand, max(0, amount(demand)) + self._billed(demand, earlier)) for demand in demands]
        self.counted = {demand.quota.key: amount for demand, amount in zip(demands, amounts, strict=True)}
        self._settle(self._granted, amounts)
        return True

    def _billed(self, demand: Demand, earlier: Earlier) -> int:
        """The usage of the attempts before the last one."""
        match demand.quota.dimension:
            case "input_tokens":
                return sum(_reported(demand, usage, _expected(demand)) for usage in earlier)
            case "cost":
                return sum(self._cost(demand, self._at_least(usage, 0)) for usage in earlier)
            case _:
                return 0

    def _at_least(self, usage: Usage | None, streamed: int) -> Usage:
        """The usage, completed with what must have been used but was not reported."""
        usage = usage or replace(self._usual, output=0)
        return replace(usage, output=max(usage.output, streamed - usage.reasoning))

    @property
    def _usual(self) -> Usage:
        """The expected usage; an answer of unstated length counts with the usual length."""
        expected = self._expected
        return Usage() if expected is None else Usage(input=expected.input.guess, output=expected.output.bound)

    def _cost(self, demand: Demand, usage: Usage | None) -> int:
        """The cost of the usage, or of the expected usage if none was reported. If it is unknown, the most that so many
        tokens can cost, but at least what the call needed."""
        spending, used = self._call.spending, usage or self._usual
        cost = None if spending is None else spending.cost(used)
        if cost is not None:
            return cost
        most = 0 if spending is None else spending.most(used.total_input, used.total_output)
        return max(demand.needed, most)

    def _learn(self, usage: Usage) -> None:
        limit_key, learned = self._call.limit_key, self._learned
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
    """What a call counts for if its usage is not reported."""
    return demand.needed if demand.quota.dimension == "input_tokens" else demand.amount
