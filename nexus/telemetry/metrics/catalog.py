"""Every metric: its name, what it counts, its labels and buckets.

Law: dashboards depend on names and labels: add to them, but never rename them.
"""

from __future__ import annotations

from typing import Literal

from nexus.conversation.usage import NANO
from nexus.dataclasses import dataclass

LONG = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
"""Bucket bounds in seconds for a model's work."""

WHOLE = (*LONG, 300.0, 600.0)

SHORT = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Bucket bounds in seconds for the gateway's own work."""


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """``name`` is without a counter's ``_total``. The number in a row divided by ``unit`` is the value.

    ``lasts``: counts remain when their process ends; otherwise the value is a current one. A gauge of several processes
    is the sum of theirs. ``bounds`` are the upper bounds of a histogram's buckets.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    unit: int = 1
    bounds: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Numbers per row: for a histogram one per bucket, one for values above all bounds, and the sum."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 1

    @property
    def lasts(self) -> bool:
        return self.kind != "gauge"


def _counter(name: str, help: str, *labels: str, unit: int = 1) -> Metric:
    return Metric(f"nexus_{name}", "counter", help, labels, unit)


def _gauge(name: str, help: str, *labels: str) -> Metric:
    return Metric(f"nexus_{name}", "gauge", help, labels)


def _histogram(name: str, help: str, *labels: str, bounds: tuple[float, ...]) -> Metric:
    return Metric(f"nexus_{name}", "histogram", help, labels, NANO, bounds)


CALLS = _counter("calls", "Completed calls, by outcome.", "protocol", "operation", "route", "outcome")
ATTEMPTS = _counter("attempts", "Completed attempts at a vendor, by outcome.", "route", "outcome")
REFUSED = _counter("refused_requests", "Requests refused before they became a call.", "reason")
FIRST_CONTENT = _histogram("first_content_seconds", "Time to first content of streamed calls.", "route", bounds=LONG)
DURATION = _histogram("duration_seconds", "Duration of a call.", "operation", "route", bounds=WHOLE)
OWN = _histogram(
    "own_seconds", "Time spent in the gateway itself before the first byte to the client.", "protocol", bounds=SHORT
)
LAG = _histogram("loop_lag_seconds", "Delay of a timer in the event loop.", bounds=SHORT)
TOKENS = _counter("tokens", "Tokens reported by vendors; the parts do not overlap.", "route", "part")
USAGE_REPORTS = _counter(
    "usage_reports",
    "Attempts that use tokens, by whether the vendor reported how many: yes, partly or no.",
    "route",
    "known",
)
MISMATCH = _counter("token_mismatches", "Attempts whose token parts do not add up to the vendor's own total.", "route")
COST = _counter("cost_usd", "Cost of attempts in US dollars, if the price is known.", "route", unit=NANO)
COST_UNKNOWN = _counter("cost_unknown", "Attempts that used tokens without a known price.", "route")
GROUP_CALLS = _counter("group_calls", "Completed calls, by the caller's group.", "group", "outcome")
GROUP_TOKENS = _counter("group_tokens", "Tokens reported by vendors, by the caller's group.", "group", "part")
GROUP_COST = _counter("group_cost_usd", "Cost of attempts in US dollars, by the caller's group.", "group", unit=NANO)
IN_FLIGHT = _gauge("in_flight", "Calls in flight.")
BUSY = _gauge("worker_threads_busy", "Worker threads in use.")
THREADS = _gauge("worker_threads", "Maximum number of worker threads.")
UP = _gauge("processes_up", "Processes that are serving.")
COOLDOWNS = _counter(
    "cooldowns", "Cooldowns started after failures: of a provider, a model or a key.", "place", "scope"
)
IN_COOLDOWN = _gauge("in_cooldown", "Whether a route is in cooldown: its provider or its model.", "route")
KEYS_IN_COOLDOWN = _gauge("keys_in_cooldown", "Keys of a provider in cooldown, for all models or for one.", "provider")
LIMITS = _counter("limit_decisions", "Rate limit decisions.", "rule", "dimension", "result")
BUDGET_REFUSALS = _counter("budget_refusals", "Calls refused by a budget.", "budget")
WITHOUT_REDIS = _gauge("limits_without_redis", "Processes that decide limits without Redis, because it is down.")
LEDGER_DROPPED = _counter("ledger_dropped", "Calls that could not be written to the ledger.")
RELOADS = _counter("config_reloads", "Reloads of the configuration.", "result")
RELOADED_AT = _gauge(
    "config_last_reload_success_timestamp_seconds", "Time of the last successful load of the configuration."
)
BUILD = _gauge("build_info", "Running version.", "version")

METRICS = (
    *(CALLS, ATTEMPTS, REFUSED, FIRST_CONTENT, DURATION, OWN, LAG),
    *(TOKENS, USAGE_REPORTS, MISMATCH, COST, COST_UNKNOWN, GROUP_CALLS, GROUP_TOKENS, GROUP_COST),
    *(IN_FLIGHT, BUSY, THREADS, UP, COOLDOWNS, IN_COOLDOWN, KEYS_IN_COOLDOWN, LIMITS, BUDGET_REFUSALS),
    *(WITHOUT_REDIS, LEDGER_DROPPED, RELOADS, RELOADED_AT, BUILD),
)
