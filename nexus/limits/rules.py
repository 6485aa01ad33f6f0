"""Which budgets a call has to keep: the most specific limit wins, for each of the three dimensions by itself.

Law: pure. The order is model and group, model, provider and group, provider; the first table that sets a dimension
gives limit and interval, and nothing less specific counts for that dimension any more. What a provider's table limits
is the sum over all models that fall back to it. The group chooses the limit and is not part of the key, so that a
caller who changes groups takes along what is spent already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nexus.limits.budget import SECOND, Budget, Dimension
from nexus.limits.keys import scope_of, spending_tag
from nexus.settings.limits import PerUser, RateLimits, UserLimit

SETTING: dict[Dimension, str] = {
    "input_tokens": "input_token_limit",
    "output_tokens": "output_token_limit",
    "requests": "request_limit",
}
"""Dimension to the key that sets it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom and what a call is limited by; ``model`` is the public alias."""

    client: str
    group: str | None
    provider: str
    model: str
    provider_limits: RateLimits | None
    model_limits: RateLimits | None


@dataclass(frozen=True, slots=True)
class _Table:
    limit: UserLimit
    rule: str
    of_model: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One dimension of a plan: a budget of everybody whom the plan is for, without the one who calls."""

    dimension: Dimension
    limit: int
    interval: int
    rule: str
    scope: str


Plan = tuple[Line, ...]


def plan_of(subject: Subject) -> Plan:
    """What is limited for every client of the subject's group: at most one line for each dimension."""
    tables = tuple(_tables(subject))
    return tuple(line for name in SETTING if (line := _line(name, subject, tables)) is not None)


def budgets_of(plan: Plan, subject: Subject) -> tuple[Budget, ...]:
    tag = spending_tag(subject.client, subject.provider)
    return tuple(Budget(tag + line.scope, line.dimension, line.limit, line.interval, line.rule) for line in plan)


class Rules:
    """Plans by what they depend on: as many as there are models and groups in the settings."""

    def __init__(self) -> None:
        self._plans: dict[tuple[str, str, str | None], tuple[RateLimits | None, RateLimits | None, Plan]] = {}

    def resolve(self, subject: Subject) -> tuple[Budget, ...]:
        own, shared = subject.model_limits, subject.provider_limits
        if own is None and shared is None:
            return ()
        group = subject.group
        if not any(group in limits.per_user.groups for limits in (own, shared) if limits is not None):
            # Whatever a caller writes, unknown groups share one plan.
            group = None
        key = (subject.provider, subject.model, group)
        known = self._plans.get(key)
        if known is None or known[0] is not own or known[1] is not shared:
            known = self._plans[key] = (own, shared, plan_of(subject))
        return budgets_of(known[2], subject)


def _line(dimension: Dimension, subject: Subject, tables: tuple[_Table, ...]) -> Line | None:
    for table in tables:
        limit: int | None = getattr(table.limit, SETTING[dimension])
        if limit is not None:
            interval = microseconds(table.limit.interval)
            scope = scope_of(subject.model if table.of_model else None, dimension, interval)
            return Line(dimension, limit, interval, table.rule, scope)
    return None


def _tables(subject: Subject) -> Iterator[_Table]:
    """Most specific first; ``rule`` says in words where the table stands."""
    levels = (
        (subject.model_limits, f"model {subject.provider}/{subject.model}", True),
        (subject.provider_limits, f"provider {subject.provider}", False),
    )
    for limits, name, of_model in levels:
        if limits is not None:
            yield from _user_tables(limits.per_user, subject.group, name, of_model)


def _user_tables(limits: PerUser, group: str | None, name: str, of_model: bool) -> Iterator[_Table]:
    if group is not None and group in limits.groups:
        yield _Table(limits.groups[group], f"{name}, group {group}", of_model)
    yield _Table(limits, name, of_model)


def microseconds(seconds: float) -> int:
    return max(1, round(seconds * SECOND))
