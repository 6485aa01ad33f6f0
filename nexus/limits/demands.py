"""What a call demands of quotas before it runs, from its expected tokens and cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nexus.conversation.estimate import Estimate
from nexus.conversation.usage import DEAREST, Usage
from nexus.dataclasses import dataclass
from nexus.limits.accounts import BudgetAccount
from nexus.limits.calibration import Expected
from nexus.limits.learned import Learned
from nexus.limits.quota import Demand, Quota
from nexus.limits.rules import LimitKey
from nexus.protocols.checks import is_whole
from nexus.wire import Json, count, mapping, sequence

DEFAULT_OUTPUT = 4096
"""Tokens reserved for an answer of unstated length while nothing is known about the model."""

LARGEST = 10**9
"""Maximum tokens counted for one call; a larger number is taken for a mistake."""


@dataclass(frozen=True, slots=True)
class Spending:
    """The ``accounts`` (shares of budgets) that a call counts against, and its price in nano-dollars.

    ``cost`` prices reported usage, None if unknown; ``most`` is the highest price of so many input and output tokens.
    """

    accounts: tuple[BudgetAccount, ...]
    cost: Callable[[Usage], int | None]
    most: Callable[[int, int], int]


@dataclass(frozen=True, slots=True)
class LimitedCall:
    """A call as the limiter sees it.

    ``estimate`` estimates the input tokens, and is called only if input or money is limited. ``max_output`` is the
    client's maximum over all choices, None if it states none.
    """

    limit_key: LimitKey
    estimate: Callable[[], Estimate]
    max_output: int | None
    spending: Spending | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """Expected tokens of a call before it runs: guess and bound, of its input and of its output."""

    input: Expected
    output: Expected


def expected_of(call: LimitedCall, learned: Learned, estimate: Estimate) -> Expectation:
    provider, model = call.limit_key.provider, call.limit_key.model
    if call.max_output is not None:
        most = min(LARGEST, max(1, call.max_output))
        output = Expected(most, most)
    else:
        # Any remainder admits the call, which may be short; what a long answer needs is reserved.
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
    """Reserves the upper bound rather than the guess: otherwise parallel calls would all pass on wrong guesses."""
    guess = expected.guess
    if guess > quota.limit >= estimate.total:
        # What was learned must not keep out forever the calls that could correct it.
        guess = quota.limit
    return Demand(quota, min(LARGEST, expected.bound), least=min(LARGEST, guess))


def cost_demand(account: BudgetAccount, expected: Expectation, spending: Spending) -> Demand:
    """Likewise: reserves the upper bound of the cost, if the expected cost is left."""
    bound = min(DEAREST, spending.most(expected.input.bound, expected.output.bound))
    expected_cost = spending.most(expected.input.guess, expected.output.guess)
    return Demand(account.quota, bound, least=expected_cost, ago=account.ago)


_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


def output_asked(document: Mapping[str, Json]) -> int | None:
    """Maximum output tokens, over all choices, in a client's body of any dialect; None if it states none."""
    config, generation = mapping(document.get("inferenceConfig")), mapping(document.get("generationConfig"))
    asked = max(
        _largest(document, _LIMITS), _largest(config, ("maxTokens",)), _largest(generation, ("maxOutputTokens",))
    )
    if not asked:
        return None
    # In legacy completions, a list of numbers is one prompt, given as tokens.
    prompts = sum(not isinstance(one, int) for one in sequence(document.get("prompt")))
    choices = max(_largest(document, ("n", "best_of")), _largest(generation, ("candidateCount",)))
    return asked * max(1, choices) * max(1, prompts)


def _largest(fields: Mapping[str, Json], names: Sequence[str]) -> int:
    return max([_number(fields[name]) for name in names if name in fields], default=0)


def _number(value: Json) -> int:
    """Google and other servers also accept numbers as strings."""
    return count(int(value) if is_whole(value) else value)
