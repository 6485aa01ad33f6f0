"""A subject's share of a budget in one calendar period, as limit stores count it.

Pure. The period is part of the quota's key, so that a new period starts from zero; the limit is not, so that it can
change. A period is a calendar day, week or month in a time zone; it begins with the first moment of its first day, even
if midnight is skipped or occurs twice.
"""

from __future__ import annotations

import functools
from datetime import date, datetime, timedelta, tzinfo

from nexus.dataclasses import dataclass
from nexus.limits.quota import SECOND, Quota
from nexus.limits.store_keys import encode_id
from nexus.settings.budgets import Budget, Period, zone_of


@dataclass(frozen=True, slots=True)
class BudgetPeriod:
    """A period. ``name`` is unique among periods of its kind; ``begins`` and ``ends`` are in Unix seconds."""

    name: str
    begins: float
    ends: float


def period_at(period: Period, zone: tzinfo, now: float) -> BudgetPeriod:
    """The period that contains ``now``, in Unix seconds."""
    today = datetime.fromtimestamp(now, zone).date()
    match period:
        case "day":
            first, after, name = today, today + timedelta(days=1), today.isoformat()
        case "week":
            first = today - timedelta(days=today.weekday())
            year, week, _ = first.isocalendar()
            after, name = first + timedelta(days=7), f"{year}-W{week:02d}"
        case "month":
            first = today.replace(day=1)
            after, name = (first + timedelta(days=31)).replace(day=1), f"{first:%Y-%m}"
    return BudgetPeriod(name, _begins(first, zone), _begins(after, zone))


@functools.lru_cache(256)
def _in_minute(period: Period, time_zone: str, minute: int) -> BudgetPeriod:
    """The period of a minute since 1970, which all budgets of its kind share; days begin at whole minutes."""
    return period_at(period, zone_of(time_zone), minute * 60)


def _begins(day: date, zone: tzinfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


@dataclass(frozen=True, slots=True)
class BudgetAccount:
    """``name`` is the budget's name; ``ago`` is how long ago the period began, in microseconds."""

    name: str
    budget: Budget
    subject: str
    period: BudgetPeriod
    ago: int

    @classmethod
    def of(cls, name: str, budget: Budget, subject: str, now: float) -> BudgetAccount:
        """The current account of ``subject``. ``now`` is in Unix seconds."""
        period = _in_minute(budget.period, budget.time_zone, int(now // 60))
        return cls(name, budget, subject, period, max(0, round((now - period.begins) * SECOND)))

    @property
    def quota(self) -> Quota:
        settings, period = self.budget, self.period
        key = f"{{b:{encode_id(self.name)}:{encode_id(self.subject)}}}:{period.name}"
        rule = f"budget {self.name!r} ({in_dollars(settings.limit_usd)} a {settings.period} for each {settings.per})"
        return Quota(key, "cost", settings.limit_usd, round((period.ends - period.begins) * SECOND), rule, self.name)


def usd(nano: int) -> str:
    """US dollars as a decimal number, exactly."""
    whole, rest = divmod(nano, 10**9)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


CENT = 10**7
"""Nano-dollars."""


def in_dollars(nano: int) -> str:
    """US dollars in whole cents; exact if less than one cent."""
    cents = nano // CENT
    return f"${cents // 100}.{cents % 100:02d}" if cents or not nano else f"${usd(nano)}"
