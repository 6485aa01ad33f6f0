"""Calendar days, weeks and months in a time zone: when they begin and end, despite clock changes.

Pure. A period begins with the first moment of its first day, even if midnight is skipped or occurs twice.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo

from nexus.dataclasses import dataclass
from nexus.settings.budgets import Period


@dataclass(frozen=True, slots=True)
class Span:
    """A period. ``name`` is unique among periods of its kind; ``begins`` and ``ends`` are in Unix seconds."""

    name: str
    begins: float
    ends: float


def span_of(period: Period, zone: tzinfo, now: float) -> Span:
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
    return Span(name, _begins(first, zone), _begins(after, zone))


def _begins(day: date, zone: tzinfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
