"""Days as the ledger counts them: in UTC."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

DAY = 86_400
"""Seconds."""


def day_of(at: float) -> str:
    """The day of a time in Unix seconds."""
    return _name(int(at // DAY))


@lru_cache(100)
def _name(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(day)).isoformat()


def midnight(at: float) -> float:
    """The beginning of a time's day, in Unix seconds."""
    return at // DAY * DAY
