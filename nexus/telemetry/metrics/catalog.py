"""Every metric: its name, what it counts, by what, and in which ranges.

Law: names and labels are a promise to dashboards: what is here is added to, never renamed.
"""

from __future__ import annotations

from typing import Literal

from nexus.dataclasses import dataclass

NANO = 10**9
"""Of a second or a dollar, as rows keep them: whole numbers add up exactly."""

LONG = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
"""Seconds of a model at work."""

WHOLE = (*LONG, 300.0, 600.0)

SHORT = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds of the gateway itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """``name`` is without the ``_total`` of a counter. ``unit`` is what the number of a row is divided by.

    ``lasts``: what was counted stays when its process ends; else it is what is so now. A gauge of all processes is the
    sum of theirs. ``bounds`` are the upper ones of a histogram's ranges.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    unit: int = 1
    bounds: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Numbers of a row; those of a histogram are one for each range, one for what is longer, and the sum."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 1

    @property
    def lasts(self) -> bool:
        return self.kind != "gauge"

    @property
    def exposed(self) -> str:
        """As queries name it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


def _counter(name: str, help: str, *labels: str, unit: int = 1) -> Metric:
    return Metric(f"nexus_{name}", "counter", help, labels, unit)


def _gauge(name: str, help: str, *labels: str) -> Metric:
    return Metric(f"nexus_{name}", "gauge", help, labels)


def _histogram(name: str, help: str, *labels: str, bounds: tuple[float, ...]) -> Metric:
    return Metric(f"nexus_{name}", "histogram", help, labels, NANO, bounds)


CALLS = _counter("calls", "Calls that ended, by what became of them.", "protocol", "operation", "route", "outcome")
ATTEMPTS = _counter("attempts", "Attempts at a vendor that ended, by what became of them.", "route", "outcome")
REFUSED = _counter("refused_requests", "Requests that were refused before they became a call.", "reason")
FIRST_CONTENT = _histogram(
    "first_content_seconds",
    "Time from the start of a streamed call to the first content of its answer.",
    "route",
    bounds=LONG,
)
DURATION = _histogram(
    "duration_seconds", "Time from the start of a call to its end.", "operation", "route", bounds=WHOLE
)
OWN = _histogram(
    "own_seconds",
    "Time that the gateway itself took until the client had the first byte.",
    "protocol",
    bounds=SHORT,
)
LAG = _histogram("loop_lag_seconds", "By how much a timer of the loop was late.", bounds=SHORT)
TOKENS = _counter("tokens", "Tokens that vendors reported; the parts do not overlap.", "route", "part")
USAGE_REPORTS = _counter(
    "usage_reports",
    "Attempts at what uses tokens, by whether the vendor said how many it used: yes, partly or no.",
    "route",
    "known",
)
MISMATCH = _counter(
    "token_mismatches", "Attempts whose parts of tokens do not add up to the vendor's own total.", "route"
)
COST = _counter("cost_usd", "What attempts cost, in US dollars, as far as prices are known.", "route", unit=NANO)
COST_UNKNOWN = _counter("cost_unknown", "Attempts that used tokens for which no price is known.", "route")
GROUP_CALLS = _counter("group_calls", "Calls that ended, by the caller's group.", "group", "outcome")
GROUP_TOKENS = _counter("group_tokens", "Tokens that vendors reported, by the caller's group.", "group", "part")
GROUP_COST = _counter("group_cost_usd", "What attempts cost, by the caller's group.", "group", unit=NANO)
IN_FLIGHT = _gauge("in_flight", "Calls that run.")
BUSY = _gauge("worker_threads_busy", "Threads that are at work for calls.")
THREADS = _gauge("worker_threads", "Threads that may be at work for calls.")
UP = _gauge("processes_up", "Processes that serve.")
RESTS = _counter("rests", "Rests that began, after failures: of a provider, a model or a key there.", "place", "scope")
RESTING = _gauge("resting", "Whether a route rests: its provider or its model there.", "route")
KEYS_RESTING = _gauge("keys_resting", "Keys that rest at a provider, for all models or for one.", "provider")
LIMITS = _counter("limit_decisions", "Decisions of rate limits.", "rule", "dimension", "result")
BUDGET_REFUSALS = _counter("budget_refusals", "Calls that a budget refused.", "budget")
LEDGER_DROPPED = _counter("ledger_dropped", "Calls that were not written to the ledger.")
RELOADS = _counter("config_reloads", "Times that the configuration was read anew.", "result")
RELOADED_AT = _gauge(
    "config_last_reload_success_timestamp_seconds", "When the configuration was last read with success."
)
BUILD = _gauge("build_info", "The version that runs.", "version")

METRICS = (
    *(CALLS, ATTEMPTS, REFUSED, FIRST_CONTENT, DURATION, OWN, LAG),
    *(TOKENS, USAGE_REPORTS, MISMATCH, COST, COST_UNKNOWN, GROUP_CALLS, GROUP_TOKENS, GROUP_COST),
    *(IN_FLIGHT, BUSY, THREADS, UP, RESTS, RESTING, KEYS_RESTING, LIMITS, BUDGET_REFUSALS, LEDGER_DROPPED),
    *(RELOADS, RELOADED_AT, BUILD),
)
