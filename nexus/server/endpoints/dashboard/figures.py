"""Computes the dashboard's figures: plain values for JSON, money in dollars, durations in milliseconds.

Pure and bounded: at most as many points, routes and calls as a screen can show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nexus.accounting.activity import ATTEMPTS, COST, FAILED, FIRST_PART, NO_SUMS, OTHER, SPANS, UNKNOWN_COST
from nexus.accounting.calendar import DAYS, DayOfRoute, forecast, month_of
from nexus.accounting.days import DAY
from nexus.conversation.usage import NANO, PARTS
from nexus.dataclasses import dataclass

IN_CHART = 7
"""Maximum routes shown separately in a chart; the others are combined."""

IN_TABLE = 100

NO_FAILURE = frozenset({"ok", "refused", "cancelled"})
"""Outcomes that are not failures of the gateway or a vendor."""

Point = tuple[int, dict[str, int], dict[str, list[int]]]
"""Start in Unix seconds, calls by outcome, sums by route."""


def recent(view: Mapping[str, Any]) -> dict[str, Any]:
    """Returns ``recent`` of the view, and its calls by kind of outcome; shares are None without calls."""
    outcomes: dict[str, int] = view["recent"]["outcomes"]
    calls = sum(outcomes.values())
    failed = sum(count for outcome, count in outcomes.items() if outcome not in NO_FAILURE)
    return {
        **view["recent"],
        "calls": calls,
        "failed": failed,
        "refused": outcomes.get("refused", 0),
        "error_share": failed / calls if calls else None,
    }


def spend(days: Sequence[DayOfRoute], now: float) -> dict[str, Any]:
    """Returns the cost of today, yesterday and this month, and what was called and used today."""
    today, (first, last) = int(now // DAY), month_of(now)
    costs: dict[int, int] = {}
    for one in days:
        costs[one.day] = costs.get(one.day, 0) + one.cost
    of_today = [one for one in days if one.day == today]
    tokens = dict.fromkeys(PARTS, 0)
    for one in of_today:
        for part, count in zip(PARTS, one.tokens, strict=True):
            tokens[part] += count
    return {
        "today_usd": costs.get(today, 0) / NANO,
        "yesterday_usd": costs.get(today - 1, 0) / NANO,
        "month_usd": sum(cost for day, cost in costs.items() if first <= day <= today) / NANO,
        "forecast_usd": forecast(costs, now) / NANO,
        "month_ends": (last + 1) * DAY,
        "calls": sum(one.calls for one in of_today),
        "unknown_cost": sum(one.unknown_cost for one in of_today),
        "tokens": tokens,
        "cache_share": cache_share([tokens[part] for part in PARTS]),
    }


def cache_share(tokens: Sequence[int]) -> float | None:
    """Returns the share of input tokens read from a cache; None without input tokens."""
    whole = sum(tokens[:4])
    return tokens[1] / whole if whole else None


def charts(view: Mapping[str, Any], days: Sequence[DayOfRoute], now: float) -> dict[str, Any]:
    """Returns the series of each span: "hour", "day" and "month"."""
    points: dict[str, list[Point]] = {"hour": view["chart"]["hour"], "day": view["chart"]["day"]}
    points["month"] = _by_day(days, now)
    return {span: _chart(span, of_span) for span, of_span in points.items()}


def _by_day(days: Sequence[DayOfRoute], now: float) -> list[Point]:
    today = int(now // DAY)
    points: dict[int, Point] = {day: (day * DAY, {}, {}) for day in range(today - DAYS + 1, today + 1)}
    for one in days:
        if one.day not in points:
            continue
        _, outcomes, routes = points[one.day]
        for outcome, count in (("ok", one.calls - one.failed), ("failed", one.failed)):
            outcomes[outcome] = outcomes.get(outcome, 0) + count
        if one.attempts:
            routes[one.route] = [one.attempts, 0, one.cost, one.unknown_cost]
    return list(points.values())


def _chart(span: str, points: Sequence[Point]) -> dict[str, Any]:
    """Returns the series of all points, keyed by name so that no name is repeated."""
    shown = _largest(points)
    others = any(name not in shown for _, _, routes in points for name in routes)
    names = [*shown, *([OTHER] if others and OTHER not in shown else [])]
    outcomes = dict.fromkeys(name for _, found, _ in points for name, count in found.items() if count)
    return {
        "start": points[0][0] if points else 0,
        "step": SPANS[span][0],
        "outcomes": {name: [found.get(name, 0) for _, found, _ in points] for name in outcomes},
        "attempts": {name: [_of(routes, name, shown, ATTEMPTS) for _, _, routes in points] for name in names},
        "cost": {name: [_of(routes, name, shown, COST) / NANO for _, _, routes in points] for name in names},
    }


def _largest(points: Sequence[Point]) -> list[str]:
    totals: dict[str, tuple[int, int]] = {}
    for _, _, routes in points:
        for name, sums in routes.items():
            cost, attempts = totals.get(name, (0, 0))
            totals[name] = cost + sums[COST], attempts + sums[ATTEMPTS]
    return sorted(totals, key=lambda name: (totals[name], name), reverse=True)[:IN_CHART]


def _of(routes: Mapping[str, Sequence[int]], name: str, shown: Sequence[str], index: int) -> int:
    if name != OTHER or OTHER in shown:
        return routes[name][index] if name in routes else 0
    return sum(sums[index] for other, sums in routes.items() if other not in shown)


@dataclass(frozen=True, slots=True)
class RouteState:
    """``until`` is in Unix seconds; ``why`` is "" for viewers who may not see it."""

    name: str
    provider_type: str
    state: str = "up"
    until: float | None = None
    why: str = ""


def routes(view: Mapping[str, Any], states: Iterable[RouteState]) -> list[dict[str, Any]]:
    """Returns the configured routes for the table: those in cooldown first, then by number of attempts."""
    found = []
    for one in states:
        sums, first_p50, first_p95 = view["routes"].get(one.name, (NO_SUMS, None, None))
        found.append(
            {
                "name": one.name,
                "type": one.provider_type,
                "state": one.state,
                "until": one.until,
                "why": one.why,
                "attempts": sums[ATTEMPTS],
                "error_share": sums[FAILED] / sums[ATTEMPTS] if sums[ATTEMPTS] else None,
                "first_p50_ms": first_p50,
                "first_p95_ms": first_p95,
                "cache_share": cache_share(sums[FIRST_PART:]),
                "cost_usd": sums[COST] / NANO if sums[ATTEMPTS] > sums[UNKNOWN_COST] else None,
            }
        )
    found.sort(key=lambda one: (one["state"] == "up", -one["attempts"]))
    return found[:IN_TABLE]
