"""Selects the quotas of a call: in each dimension the most specific limit wins.

Pure. The order is model and group, model, provider and group, provider. The first table that sets a dimension gives its
limit and interval; less specific tables no longer count for that dimension. A provider's table limits the sum over all
models that fall back to it. The group selects the limit but is not part of the key, so that a caller who changes groups
keeps what was already spent.
"""

from __future__ import annotations

from collections.abc import Iterator

from nexus.dataclasses import dataclass
from nexus.limits.quota import SECOND, Dimension, Quota
from nexus.limits.store_keys import scope_of, spending_tag
from nexus.settings.limits import PerUser, RateLimits, UserLimit

SETTING: dict[Dimension, str] = {
    "input_tokens": "input_token_limit",
    "output_tokens": "output_token_limit",
    "requests": "request_limit",
}
"""The setting of each dimension."""


@dataclass(frozen=True, slots=True)
class LimitKey:
    """What a call is limited by; ``model`` is the public alias."""

    client: str
    group: str | None
    provider: str
    model: str
    provider_limits: RateLimits | None
    model_limits: RateLimits | None


@dataclass(frozen=True, slots=True)
class _LimitTable:
    limit: UserLimit
    rule: str
    of_model: bool


@dataclass(frozen=True, slots=True)
class PlannedLimit:
    """One dimension of a plan: a quota without the caller, for every caller of the plan."""

    dimension: Dimension
    limit: int
    interval: int
    rule: str
    scope: str


LimitPlan = tuple[PlannedLimit, ...]


def plan_of(limit_key: LimitKey) -> LimitPlan:
    """The limits for every client of the key's group: at most one per dimension."""
    tables = tuple(_tables(limit_key))
    return tuple(planned for name in SETTING if (planned := _planned(name, limit_key, tables)) is not None)


def quotas_of(plan: LimitPlan, limit_key: LimitKey) -> tuple[Quota, ...]:
    tag = spending_tag(limit_key.client, limit_key.provider)
    return tuple(
        Quota(tag + planned.scope, planned.dimension, planned.limit, planned.interval, planned.rule) for planned in plan
    )


class LimitRules:
    """Cached plans: as many as there are models and groups in the settings."""

    def __init__(self) -> None:
        self._plans: dict[tuple[str, str, str | None], tuple[RateLimits | None, RateLimits | None, LimitPlan]] = {}

    def resolve(self, limit_key: LimitKey) -> tuple[Quota, ...]:
        own, shared = limit_key.model_limits, limit_key.provider_limits
        if own is None and shared is None:
            return ()
        group = limit_key.group
        if not any(group in limits.per_user.groups for limits in (own, shared) if limits is not None):
            # Callers can send any group, so unknown ones share one plan.
            group = None
        key = (limit_key.provider, limit_key.model, group)
        known = self._plans.get(key)
        if known is None or known[0] is not own or known[1] is not shared:
            known = self._plans[key] = (own, shared, plan_of(limit_key))
        return quotas_of(known[2], limit_key)


def _planned(dimension: Dimension, limit_key: LimitKey, tables: tuple[_LimitTable, ...]) -> PlannedLimit | None:
    for table in tables:
        limit: int | None = getattr(table.limit, SETTING[dimension])
        if limit is not None:
            interval = microseconds(table.limit.interval)
            scope = scope_of(limit_key.model if table.of_model else None, dimension, interval)
            return PlannedLimit(dimension, limit, interval, table.rule, scope)
    return None


def _tables(limit_key: LimitKey) -> Iterator[_LimitTable]:
    """Most specific first; ``rule`` says in words where the table is configured."""
    levels = (
        (limit_key.model_limits, f"model {limit_key.provider}/{limit_key.model}", True),
        (limit_key.provider_limits, f"provider {limit_key.provider}", False),
    )
    for limits, name, of_model in levels:
        if limits is not None:
            yield from _user_tables(limits.per_user, limit_key.group, name, of_model)


def _user_tables(limits: PerUser, group: str | None, name: str, of_model: bool) -> Iterator[_LimitTable]:
    if group is not None and group in limits.groups:
        yield _LimitTable(limits.groups[group], f"{name}, group {group}", of_model)
    yield _LimitTable(limits, name, of_model)


def microseconds(seconds: float) -> int:
    return max(1, round(seconds * SECOND))
