"""Values exchanged with a limit store: quotas, demands on them, grants and refusals.

Values only. Times are whole microseconds and amounts whole numbers, so that memory and Redis calculate alike. The
demands of one decision have different keys; those with the same hash tag are adjacent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

from nexus.dataclasses import dataclass

Dimension = Literal["input_tokens", "output_tokens", "requests", "cost"]
"""Tokens, requests, or nano-dollars."""

SECOND = 1_000_000
"""One second in microseconds."""


@dataclass(frozen=True, slots=True)
class Quota:
    """At most ``limit`` in any ``interval`` microseconds, counted under ``key``. ``rule`` says where this is
    configured; ``budget`` is the budget's name, if it is one.
    """

    key: str
    dimension: Dimension
    limit: int
    interval: int
    rule: str
    budget: str = ""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one request takes from one quota: ``amount``, if at least ``least`` of it is left, and otherwise nothing.

    So an amount that is only an upper bound can be more than what is left. Until it is settled, no parallel request
    passes.

    It counts as taken ``ago`` microseconds before now. For a sliding window that is 0. For a calendar period, which is
    an interval with its own key, it is the time since the period began, so that everything stops counting when the
    period ends.
    """

    quota: Quota
    amount: int
    least: int | None = None
    ago: int = 0

    @property
    def needed(self) -> int:
        """What must be left to meet the demand."""
        return self.amount if self.least is None or self.least > self.amount else self.least


@dataclass(frozen=True, slots=True)
class Standing:
    """A quota at one moment: how much is ``used``, and the microseconds until none is, if nothing is added."""

    quota: Quota
    used: int
    reset: int

    @property
    def remaining(self) -> int:
        return max(0, self.quota.limit - self.used)


Change = tuple[Demand, int, int]
"""A demand, the bucket of its grant, and the amount to add."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a store finds a grant's amounts again: in memory by the bucket of each demand, in Redis by the ``name`` and
    the time of the reservation.

    ``local`` is the copy in this process. ``parts`` are the grants that this one was split into.
    """

    buckets: tuple[int, ...] = ()
    name: str = ""
    at: float = 0.0
    local: Granted | None = None
    parts: tuple[Granted, ...] = ()


@dataclass(frozen=True, slots=True)
class Granted:
    """All demands were met; ``standings`` include them."""

    demands: tuple[Demand, ...]
    receipt: Receipt
    standings: tuple[Standing, ...]

    def changes(self, amounts: Sequence[int]) -> list[Change]:
        return [
            (demand, bucket, amount - demand.amount)
            for demand, bucket, amount in zip(self.demands, self.receipt.buckets, amounts, strict=True)
            if amount != demand.amount
        ]


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was taken. ``demand`` is the one with the longest wait.

    After exactly ``wait`` microseconds this request passes if no other does before; None means that it never can.
    """

    demand: Demand
    standing: Standing
    wait: int | None

    @property
    def never(self) -> bool:
        return self.wait is None


Result = TypeVar("Result")


class Loop(Protocol):
    """Lets code on the event loop await a job that runs on a worker."""

    async def work(self, job: Callable[[], Result]) -> Result: ...


class Store(Protocol):
    """Counts spending. ``blocks``: calls may wait for the network and belong on a worker thread."""

    @property
    def blocks(self) -> bool: ...

    @property
    def is_cut_off(self) -> bool:
        """Whether Redis is down, so that this process decides by itself."""
        ...

    def ping(self) -> None:
        """Logs whether the store works; never raises."""
        ...

    def reserve(self, demands: Sequence[Demand]) -> Granted | Refused:
        """Meets all demands or none, in one step. Raises Overloaded if it cannot decide."""
        ...

    def restore(self, spent: Sequence[Demand]) -> None:
        """Restores what counted before a restart, if the store does not survive one: from now on each quota has at
        least the demand's amount used. Raises Overloaded."""
        ...

    def settle(self, granted: Granted, amounts: Sequence[int]) -> None:
        """Replaces the demanded amounts with the true ones. Never raises; once per grant."""
        ...

    def close(self) -> None: ...
