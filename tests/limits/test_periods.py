"""Days, weeks and months, across daylight saving changes and at the ends of months and years."""

import sys
import zoneinfo
from datetime import UTC, datetime
from typing import Any

import pytest

from nexus.limits import accounts
from nexus.limits.accounts import BudgetAccount, period_at
from nexus.settings.budgets import Budget, Period, read_zone, zone_of

SPANS: dict[str, tuple[Period, str, str, tuple[str, str, str]]] = {
    "a day": ("day", "UTC", "2026-11-28T12:00", ("2026-11-28", "2026-11-28T00:00", "2026-11-29T00:00")),
    "its first moment": ("day", "UTC", "2026-11-28T00:00", ("2026-11-28", "2026-11-28T00:00", "2026-11-29T00:00")),
    "another day already, further east": (
        "day",
        "Asia/Tokyo",
        "2026-11-28T15:00",
        ("2026-11-29", "2026-11-28T15:00", "2026-11-29T15:00"),
    ),
    "a day of 23 hours": (
        "day",
        "Europe/Berlin",
        "2026-03-29T12:00",
        ("2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00"),
    ),
    "a day of 25 hours": (
        "day",
        "Europe/Berlin",
        "2026-10-25T12:00",
        ("2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00"),
    ),
    "a day without a midnight": (
        "day",
        "Africa/Cairo",
        "2026-04-24T12:00",
        ("2026-04-24", "2026-04-23T22:00", "2026-04-24T21:00"),
    ),
    "a day that is longer because of its last hour": (
        "day",
        "Africa/Cairo",
        "2026-10-29T20:30",
        ("2026-10-29", "2026-10-28T21:00", "2026-10-29T22:00"),
    ),
    "a week begins on Monday": (
        "week",
        "UTC",
        "2026-11-29T23:59",
        ("2026-W48", "2026-11-23T00:00", "2026-11-30T00:00"),
    ),
    "a week in two years": ("week", "UTC", "2027-01-02T00:00", ("2026-W53", "2026-12-28T00:00", "2027-01-04T00:00")),
    "a month": ("month", "UTC", "2026-11-30T23:59", ("2026-11", "2026-11-01T00:00", "2026-12-01T00:00")),
    "December": ("month", "UTC", "2026-12-31T23:59", ("2026-12", "2026-12-01T00:00", "2027-01-01T00:00")),
    "a short February": ("month", "UTC", "2026-02-28T12:00", ("2026-02", "2026-02-01T00:00", "2026-03-01T00:00")),
    "February of a leap year": (
        "month",
        "UTC",
        "2028-02-29T12:00",
        ("2028-02", "2028-02-01T00:00", "2028-03-01T00:00"),
    ),
    "a month with another offset at its end": (
        "month",
        "America/New_York",
        "2026-11-15T00:00",
        ("2026-11", "2026-11-01T04:00", "2026-12-01T05:00"),
    ),
}


@pytest.mark.parametrize(("period", "zone", "now", "expected"), SPANS.values(), ids=SPANS)
def test_periods_begin_and_end_in_their_time_zone(
    period: Any, zone: str, now: str, expected: tuple[str, str, str]
) -> None:
    """All times are in UTC."""
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()
    span = period_at(period, zone_of(zone), moment)
    begins, ends = (f"{datetime.fromtimestamp(one, UTC):%Y-%m-%dT%H:%M}" for one in (span.begins, span.ends))
    assert (span.name, begins, ends) == expected
    assert span.begins <= moment < span.ends


@pytest.mark.parametrize("name", ["Europe/Berlinn", "Europe", "../etc/passwd", "", "a\0b"])
def test_an_unknown_time_zone_is_a_problem_of_the_settings(name: str) -> None:
    with pytest.raises(ValueError, match="is not a known time zone") as caught:
        read_zone(name)
    assert "tzdata" not in str(caught.value)


def test_a_system_without_time_zones_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tzdata", None)
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(["/nowhere"])
    try:
        with pytest.raises(ValueError, match="install tzdata"):
            read_zone("Antarctica/Troll")
        assert read_zone("UTC") == "UTC"
    finally:
        zoneinfo.reset_tzpath(before)


def test_budgets_of_one_period_compute_it_together() -> None:
    """A call may count against hundreds of budgets."""
    budget = Budget(per="user", limit_usd=1, period="week", time_zone="Asia/Kathmandu")
    before = accounts._in_minute.cache_info().misses
    spans = {BudgetAccount.of(f"b{at}", budget, "alice", 60 * 28_000_000 + at).period for at in range(50)}
    assert len(spans) == 1 and accounts._in_minute.cache_info().misses == before + 1
