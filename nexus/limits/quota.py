"""Values exchanged with a limit store: quotas, demands on them, grants and refusals.

Values only. Times are whole microseconds, amounts whole numbers, so that memory and Redis calculate alike. The
demands of one decision have different keys; those whose keys have the same hash tag follow each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

from nexus.dataclasses import dataclass

Dimension = Literal["input_tokens", "output_tokens", "requests", "cost"]
"""Tokens, calls, or nano-dollars."""

SECOND = 1_000_000
"""In microseconds."""


@dataclass(frozen=True, slots=True)
class Quota:
    """``limit`` in any ``interval`` microseconds, counted under ``key``; ``rule`` says where that is configured,
    ``budget`` is the name of one."""

    key: str
    dimension: Dimension
    limit: int
    interval: int
    rule: str
    budget: str = ""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one request takes from one quota: ``amount``, if ``least`` of it is left, and otherwise nothing.

    An amount that is only a bound can thus be more than what is left. No other request passes beside it, however many
    come at once, until it is known how much it was.

    It counts as taken ``ago`` microseconds before it is. For a sliding window that is 0; for a period of the calendar,
    which is an interval with a key of its own, as long as the period has lasted: all of it stops counting as it ends.
    """

    quota: Quota
    amount: int
    least: int | None = None
    ago: int = 0

    @property
    def needed(self) -> int:
        """What must be left for the demand to be met."""
        return self.amount if self.least is None else min(self.least, self.amount)


@dataclass(frozen=True, slots=True)
class Standing:
    """A quota at one moment: ``used`` of it, and the microseconds until nothing is, if nothing else comes."""

    quota: Quota
    used: int
    reset: int

    @property
    def remaining(self) -> int:
        return max(0, self.quota.limit - self.used)


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a store finds a grant's amounts again: the bucket of each demand.

    ``generations`` tell a key from its successor after Redis lost it. ``local`` is the copy in this process, which
    alone counts where there are no buckets. ``parts`` are what was decided one after the other in place of it.
    """

    buckets: tuple[int, ...]
    generations: tuple[bytes, ...] = ()
    local: Granted | None = None
    parts: tuple[Granted, ...] = ()


@dataclass(frozen=True, slots=True)
class Granted:
    """All demands were met; ``standings`` include them."""

    demands: tuple[Demand, ...]
    receipt: Receipt
    standings: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was taken. ``demand`` is the one that stands longest in the way.

    After ``wait`` microseconds exactly this request passes if nothing else comes; None means that it never can.
    """

    demand: Demand
    standing: Standing
    wait: int | None

    @property
    def never(self) -> bool:
        return self.wait is None


Result = TypeVar("Result")


class Loop(Protocol):
    """How something on the loop waits for what a worker makes of a job."""

    async def work(self, job: Callable[[], Result]) -> Result: ...


class Store(Protocol):
    """Counts spending. ``blocks`` says that calls may wait for a network and belong on a worker thread."""

    @property
    def blocks(self) -> bool: ...

    def ping(self) -> None:
        """Says in the log whether it can count; never raises."""
        ...

    def reserve(self, demands: Sequence[Demand]) -> Granted | Refused:
        """Meets all demands or none, as one step. Raises Overloaded when it cannot decide."""
        ...

    async def reserve_on_loop(self, demands: Sequence[Demand], loop: Loop) -> Granted | Refused:
        """The same for the loop, which goes on meanwhile."""
        ...

    def restore(self, spent: Sequence[Demand]) -> None:
        """What counted before the store was made, where it forgets that: of keys that nothing was taken from since.
        Raises Overloaded."""
        ...

    def settle(self, granted: Granted, amounts: Sequence[int]) -> None:
        """Puts the true amounts in place of the demanded ones; never raises. Once for each grant."""
        ...

    def close(self) -> None: ...
