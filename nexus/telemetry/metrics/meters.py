"""Counts the events of one process: calls as they end, and events that other parts report.

Law: ``add`` takes a few microseconds on the loop; the other methods may be called from any thread. Nothing that a
caller can choose becomes a label.
"""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_left
from collections.abc import Mapping

from nexus.accounting.record import AttemptRecord, CallRecord
from nexus.conversation.usage import NANO, PARTS, Usage, parts_of
from nexus.limits.quota import Quota
from nexus.processes.counter_rows import CounterRow, ProcessRows
from nexus.telemetry.metrics import catalog
from nexus.telemetry.metrics.catalog import LONG, SHORT, WHOLE, Metric

OTHER = "other"
"""The route of a call without one, and of routes beyond MOST_ROUTES."""

MOST_ROUTES = 400
"""Maximum number of route names in the life of a gateway, across reloads."""

RELOADS, RESULTS = ("success", "failed"), ("granted", "refused")
"""Results that are counted from 0: Prometheus sees no increase where a counter begins at 1."""

Labels = tuple[str, ...]

Scope = tuple[str, str, str]
"""The scope of a cooldown: provider, alias, account."""


def row_name(metric: Metric, *labels: str) -> str:
    return json.dumps([metric.name, *labels])


class Family(dict[Labels, CounterRow]):
    """The rows of one metric, created when first counted."""

    def __init__(self, part: ProcessRows, metric: Metric) -> None:
        super().__init__()
        self._part = part
        self._metric = metric

    def __missing__(self, labels: Labels) -> CounterRow:
        metric = self._metric
        row = self[labels] = self._part.row(row_name(metric, *labels), metric.width, ends=not metric.lasts)
        return row


class _RouteRows:
    """The rows for attempts at a route; all are created, with zeros, by its first attempt."""

    __slots__ = ("cost", "first", "mismatch", "tokens", "unknown")

    def __init__(self, families: Mapping[Metric, Family], route: str) -> None:
        self.first = families[catalog.FIRST_CONTENT][route,]
        self.tokens = [families[catalog.TOKENS][route, part] for part in PARTS]
        self.mismatch = families[catalog.MISMATCH][route,]
        self.cost = families[catalog.COST][route,]
        self.unknown = families[catalog.COST_UNKNOWN][route,]


class _GroupRows:
    """The rows for what a group's attempts used; all are created, with zeros, by its first attempt."""

    __slots__ = ("cost", "tokens")

    def __init__(self, families: Mapping[Metric, Family], group: str) -> None:
        self.cost = families[catalog.GROUP_COST][group,]
        self.tokens = [families[catalog.GROUP_TOKENS][group, part] for part in PARTS]


class Meters:
    """``groups`` are those with their own metrics. ``enabled``: whether anything is counted."""

    def __init__(self, part: ProcessRows) -> None:
        self.enabled = True
        self.groups: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._lost = 0
        self._families = families = {metric: Family(part, metric) for metric in catalog.METRICS}
        self._calls, self._duration, self._own = (
            families[metric] for metric in (catalog.CALLS, catalog.DURATION, catalog.OWN)
        )
        self._attempts, self._reports = families[catalog.ATTEMPTS], families[catalog.USAGE_REPORTS]
        self._routes: dict[str, _RouteRows] = {}
        self._groups: dict[str, _GroupRows] = {}

    # Any thread.

    def count(self, metric: Metric, *labels: str, by: int = 1) -> None:
        if self.enabled:
            with self._lock:
                self._families[metric][labels][0] += by

    def set(self, metric: Metric, value: int) -> None:
        if self.enabled:
            self._families[metric][()][0] = value

    def started(self) -> None:
        """The configuration was loaded for the first time."""
        for result in RELOADS:
            self.count(catalog.RELOADS, result, by=0)
        self.set(catalog.RELOADED_AT, int(time.time()))

    def reloaded(self, *, read: bool) -> None:
        """The configuration was reloaded; ``read``: successfully."""
        self.count(catalog.RELOADS, RELOADS[not read])
        if read:
            self.set(catalog.RELOADED_AT, int(time.time()))

    def cooldown(self, scope: Scope) -> None:
        provider, alias, account = scope
        of = "key" if account else "model" if alias else "provider"
        self.count(catalog.COOLDOWNS, f"{provider}/{alias}" if alias else provider, of)

    def decided(self, quota: Quota, granted: bool) -> None:
        """A rate limit or budget admitted or rejected a request."""
        if quota.budget:
            self.count(catalog.BUDGET_REFUSALS, quota.budget, by=not granted)
            return
        rule, dimension, result = quota.rule, quota.dimension, RESULTS[not granted]
        if self.enabled and (rule, dimension, result) not in self._families[catalog.LIMITS]:
            for either in RESULTS:
                self.count(catalog.LIMITS, rule, dimension, either, by=0)
        self.count(catalog.LIMITS, rule, dimension, result)

    def lost(self, calls: int) -> None:
        """``calls`` is the number of calls not written to the ledger since this process began."""
        self.count(catalog.LEDGER_DROPPED, by=calls - self._lost)
        self._lost = calls

    # On the loop.

    def late(self, seconds: float) -> None:
        """A timer of the loop was late by ``seconds``."""
        if self.enabled:
            _observe(self._families[catalog.LAG][()], SHORT, seconds)

    def add(self, record: CallRecord) -> None:
        """Counts a finished call, or a request that did not become one."""
        if not self.enabled:
            return
        if record.operation is None:
            if record.error is not None:
                self._families[catalog.REFUSED][record.error.kind,][0] += 1
            return
        action, outcome, answer = record.operation.action, record.outcome, record.answer
        route, rows = self._route(answer.route if answer is not None else record.target)
        self._calls[record.protocol, action, route, outcome][0] += 1
        _observe(self._duration[action, route], WHOLE, record.total)
        if record.own is not None:
            _observe(self._own[record.protocol,], SHORT, record.own)
        if record.stream and answer is not None and answer.first_content is not None:
            _observe(rows.first, LONG, answer.first_content)
        group = record.identity.group if record.identity is not None else None
        group = group if group in self.groups else None
        if group is not None:
            self._families[catalog.GROUP_CALLS][group, outcome][0] += 1
        for attempt in record.attempts:
            self._add_attempt(attempt, record.operation.spends, group)

    def _add_attempt(self, attempt: AttemptRecord, spends: bool, group: str | None) -> None:
        route, rows = self._route(attempt.route)
        usage, cost = attempt.usage, attempt.cost
        self._attempts[route, attempt.outcome][0] += 1
        if spends or usage is not None:
            self._reports[route, attempt.tokens_known][0] += 1
        _add_use(rows, usage, cost)
        if usage is None:
            return
        if cost is None and usage.total:
            rows.unknown[0] += 1
        if not usage.adds_up:
            rows.mismatch[0] += 1
        if group is not None:
            if group not in self._groups:
                self._groups[group] = _GroupRows(self._families, group)
            _add_use(self._groups[group], usage, cost)

    def _route(self, name: str | None) -> tuple[str, _RouteRows]:
        name = name or OTHER
        rows = self._routes.get(name)
        if rows is None:
            if len(self._routes) >= MOST_ROUTES and name != OTHER:
                return self._route(OTHER)
            rows = self._routes[name] = _RouteRows(self._families, name)
        return name, rows


def _add_use(rows: _RouteRows | _GroupRows, usage: Usage | None, cost: int | None) -> None:
    if cost:
        rows.cost[0] += cost
    if usage is not None:
        for row, count in zip(rows.tokens, parts_of(usage)):  # noqa: B905 (both are PARTS)
            if count:
                row[0] += count


def _observe(row: CounterRow, bounds: tuple[float, ...], seconds: float) -> None:
    row[bisect_left(bounds, seconds)] += 1
    if seconds > 0:
        row[-1] += int(seconds * NANO)
