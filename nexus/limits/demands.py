"""What a call demands of quotas before it runs, by what is expected of its tokens and its cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nexus.conversation.estimate import Estimate
from nexus.conversation.usage import Usage
from nexus.dataclasses import dataclass
from nexus.limits.accounts import Account
from nexus.limits.calibration import Expected
from nexus.limits.learned import Learned
from nexus.limits.quota import Demand, Quota
from nexus.limits.rules import LimitKey
from nexus.wire import Json, count, mapping

DEFAULT_OUTPUT = 4096
"""Tokens reserved for an answer of unstated length while nothing is known of the model."""

LARGEST = 10**9
"""More tokens than this in one call are somebody's mistake."""

DEAREST = 10**14
"""More nano-dollars than this for one call are, too."""


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


def expected_of(ask: Ask, learned: Learned, estimate: Estimate) -> Expectation:
    provider, model = ask.limit_key.provider, ask.limit_key.model
    if ask.max_output is not None:
        most = min(LARGEST, max(1, ask.max_output))
        output = Expected(most, most)
    else:
        # A guess must not refuse what is left to a short answer, nor leave anything to the next call.
        output = Expected(1, learned.output(provider, model) or DEFAULT_OUTPUT)
    return Expectation(learned.input(provider, model, estimate), output)


def demand_of(quota: Quota, expectation: Expectation, estimate: Estimate) -> Demand:
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


def cost_demand(account: Account, expected: Expectation, spending: Spending) -> Demand:
    """Likewise: what the call hardly costs more than, if what is expected of it is left."""
    bound = min(DEAREST, spending.most(expected.input.bound, expected.output.bound))
    expected_cost = spending.most(expected.input.guess, expected.output.guess)
    return Demand(account.quota, bound, least=expected_cost, ago=account.ago)


def output_asked(document: Mapping[str, Json]) -> int | None:
    """Most output tokens that a client's body of any dialect allows, over all choices; None where it does not say."""
    names = ("max_completion_tokens", "max_output_tokens", "max_tokens")
    limits = [document.get(name) for name in names]
    config, generation = mapping(document.get("inferenceConfig")), mapping(document.get("generationConfig"))
    asked = max(map(count, [*limits, config.get("maxTokens"), generation.get("maxOutputTokens")]))
    return asked * max(1, count(document.get("n")), count(generation.get("candidateCount"))) if asked else None
