"""A subject's share of a budget in one calendar period, as limit stores count it.

Pure. The period is part of the quota's key, so that a new period starts from zero; the limit is not, so that it can
change.
"""

from __future__ import annotations

from nexus.dataclasses import dataclass
from nexus.limits.periods import Span, span_of
from nexus.limits.quota import SECOND, Quota
from nexus.limits.store_keys import encode_id
from nexus.settings.budgets import Budget, zone_of


@dataclass(frozen=True, slots=True)
class Account:
    """``name`` is the budget's name; ``ago`` is how long ago the period began, in microseconds."""

    name: str
    budget: Budget
    subject: str
    span: Span
    ago: int

    @classmethod
    def of(cls, name: str, budget: Budget, subject: str, now: float) -> Account:
        """The current account of ``subject``. ``now`` is in Unix seconds."""
        span = span_of(budget.period, zone_of(budget.time_zone), now)
        return cls(name, budget, subject, span, max(0, round((now - span.begins) * SECOND)))

    @property
    def quota(self) -> Quota:
        settings, span = self.budget, self.span
        key = f"{{b:{encode_id(self.name)}:{encode_id(self.subject)}}}:{span.name}"
        rule = f"budget {self.name!r} ({dollars(settings.limit_usd)} a {settings.period} for each {settings.per})"
        return Quota(key, "cost", settings.limit_usd, round((span.ends - span.begins) * SECOND), rule, self.name)


def usd(nano: int) -> str:
    """US dollars as a decimal number, exactly."""
    whole, rest = divmod(nano, 10**9)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


def dollars(nano: int) -> str:
    """US dollars in whole cents; exact if less than one cent."""
    cents = nano // 10**7
    return f"${cents // 100}.{cents % 100:02d}" if cents or not nano else f"${usd(nano)}"
