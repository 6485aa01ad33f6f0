"""What Nexus counts for each call, and how Prometheus reads it."""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from nexus.accounting.record import AttemptRecord, CallRecord, Outcome
from nexus.auth.identity import Identity
from nexus.call import Tags
from nexus.conversation.usage import Usage
from nexus.errors import AuthenticationFailed
from nexus.limits.quota import Quota
from nexus.processes.counter_rows import Rows
from nexus.protocols.operation import GENERATE
from nexus.telemetry.metrics.catalog import IN_COOLDOWN, METRICS, Metric
from nexus.telemetry.metrics.exposition import Scrape, Values, render
from nexus.telemetry.metrics.meters import MOST_ROUTES, Meters

Samples = Mapping[tuple[str, ...], float]
"""By the name of a sample and the values of its labels."""


def identity(group: str | None = None) -> Identity:
    return Identity("ann", group, None, "key", "laptop", "ann", frozenset())


def attempt(**fields: Any) -> AttemptRecord:
    known: dict[str, Any] = {
        "number": 1,
        "route": "openai/gpt-5",
        "request_model": "gpt-5-2026",
        "key": "house",
        "outcome": Outcome.OK,
        "status": 200,
        "began": 0.01,
        "first_content": 0.3,
        "ended": 1.5,
        "model": "gpt-5-2026",
        "stop": "stop",
        "usage": Usage(input=10, cache_read=20, output=5, reasoning=7),
        "tokens_known": "yes",
        "error": None,
        "cost": 1500,
        "price_source": "override",
    }
    return AttemptRecord(**{**known, **fields})


def call(*attempts: AttemptRecord, **fields: Any) -> CallRecord:
    known: dict[str, Any] = {
        "id": "req_1",
        "at": 0.0,
        "caller": "192.0.2.1",
        "identity": identity(),
        "tags": Tags(session="s1"),
        "protocol": "chat",
        "operation": GENERATE,
        "model": "smart",
        "route": "openai/gpt-5-2026",
        "target": "openai/gpt-5",
        "stream": True,
        "status": 200,
        "error": None,
        "queued": 0.001,
        "first": 0.31,
        "total": 1.5,
        "own": 0.002,
        "dropped": (),
        "attempts": attempts,
    }
    return CallRecord(**{**known, **fields})


def counted(*records: CallRecord, groups: Sequence[str] = ()) -> Samples:
    rows = Rows()
    meters = Meters(rows.parts[0])
    meters.groups = frozenset(groups)
    for record in records:
        meters.add(record)
    return samples(rows)


def samples(rows: Rows) -> Samples:
    text = render(rows.sums(), {}, Scrape()).body.decode()
    return {
        (sample.name, *sorted_values(family.name, sample.labels)): sample.value
        for family in read_text(text)
        for sample in family.samples
    }


def sorted_values(name: str, labels: Mapping[str, str]) -> list[str]:
    """Values in the order of the catalog; the text sorts them by name."""
    order = next(metric.labels for metric in METRICS if metric.name == name)
    return [labels[label] for label in (*order, *(labels.keys() - set(order)))]


def test_a_call_and_its_attempts_are_counted() -> None:
    failed = attempt(
        route="anthropic/opus",
        outcome=Outcome.VENDOR_ERROR,
        usage=None,
        first_content=None,
        tokens_known="no",
        cost=None,
    )
    found = counted(call(failed, attempt(number=2)))
    assert found["nexus_calls_total", "chat", "generate", "openai/gpt-5", "ok"] == 1
    assert found["nexus_attempts_total", "anthropic/opus", "vendor_error"] == 1
    assert found["nexus_attempts_total", "openai/gpt-5", "ok"] == 1
    parts = {"input": 10, "cache_read": 20, "cache_write_5m": 0, "cache_write_1h": 0, "output": 5, "reasoning": 7}
    assert {
        labels[2]: value for labels, value in found.items() if labels[:2] == ("nexus_tokens_total", "openai/gpt-5")
    } == parts
    assert found["nexus_cost_usd_total", "openai/gpt-5"] == 1.5e-6
    assert found["nexus_usage_reports_total", "anthropic/opus", "no"] == 1
    assert found["nexus_usage_reports_total", "openai/gpt-5", "yes"] == 1
    assert found["nexus_cost_unknown_total", "anthropic/opus"] == 0, "a failed attempt counts no tokens"
    assert found["nexus_first_content_seconds_bucket", "openai/gpt-5", "0.25"] == 0
    assert found["nexus_first_content_seconds_bucket", "openai/gpt-5", "0.5"] == 1
    assert found["nexus_first_content_seconds_sum", "openai/gpt-5"] == pytest.approx(0.3)
    assert found["nexus_duration_seconds_bucket", "generate", "openai/gpt-5", "+Inf"] == 1
    assert found["nexus_own_seconds_bucket", "chat", "0.0025"] == 1


def test_unknown_costs_and_token_mismatches_are_counted_separately() -> None:
    odd = attempt(usage=Usage(input=3, vendor_total=5), cost=None)
    found = counted(call(odd))
    assert found["nexus_token_mismatches_total", "openai/gpt-5"] == 1
    assert found["nexus_cost_unknown_total", "openai/gpt-5"] == 1
    assert found["nexus_cost_usd_total", "openai/gpt-5"] == 0


def test_only_configured_groups_have_metrics() -> None:
    web = call(attempt(), identity=identity("web"))
    found = counted(web, replace(web, identity=identity("made-up")), web, groups=["web"])
    assert {labels: value for labels, value in found.items() if labels[0].startswith("nexus_group")} == {
        ("nexus_group_calls_total", "web", "ok"): 2,
        ("nexus_group_cost_usd_total", "web"): 3e-6,
        ("nexus_group_tokens_total", "web", "input"): 20,
        ("nexus_group_tokens_total", "web", "cache_read"): 40,
        ("nexus_group_tokens_total", "web", "cache_write_5m"): 0,
        ("nexus_group_tokens_total", "web", "cache_write_1h"): 0,
        ("nexus_group_tokens_total", "web", "output"): 10,
        ("nexus_group_tokens_total", "web", "reasoning"): 14,
    }
    assert not any("made-up" in labels for labels in found)


def test_labels_contain_nothing_chosen_by_callers() -> None:
    rows = Rows()
    meters = Meters(rows.parts[0])
    secret = call(attempt(), model="mine", caller="192.0.2.77", user_agent="agent/1", path="/v1/odd")
    meters.add(secret)
    meters.add(replace(secret, operation=None, error=AuthenticationFailed("mine")))
    text = render(rows.sums(), {}, Scrape()).body.decode()
    for word in ("mine", "192.0.2", "agent/1", "odd", "ann", "laptop", "s1", "req_1"):
        assert word not in text


def test_the_number_of_route_labels_is_bounded() -> None:
    found = counted(*(call(attempt(route=f"openai/m{number}")) for number in range(MOST_ROUTES + 50)))
    assert found["nexus_attempts_total", "other", "ok"] == 50
    names = {labels[1] for labels in found if labels[0] == "nexus_tokens_total"}
    assert len(names) == MOST_ROUTES + 1


def test_disabled_metrics_count_nothing() -> None:
    rows = Rows()
    meters = Meters(rows.parts[0])
    meters.enabled = False
    meters.add(call(attempt()))
    meters.cooldown(("openai", "", ""))
    assert not rows.sums()


def test_cooldowns_limits_and_losses_are_counted() -> None:
    rows = Rows()
    meters = Meters(rows.parts[0])
    meters.cooldown(("openai", "", ""))
    meters.cooldown(("openai", "gpt-5", ""))
    meters.cooldown(("openai", "gpt-5", "own:0123456789abcdef"))
    meters.decided(Quota("key", "requests", 5, 1000, "provider openai"), True)
    meters.decided(Quota("key", "requests", 5, 1000, "provider openai"), False)
    budget = Quota("key", "cost", 5, 1000, "budget 'team' ($5 a day for each user)", "team")
    meters.decided(budget, True)
    meters.decided(budget, False)
    meters.lost(3)
    meters.lost(4)
    meters.started()
    meters.reloaded(read=False)
    meters.late(0.0004)
    found = samples(rows)
    assert found["nexus_cooldowns_total", "openai", "provider"] == 1
    assert found["nexus_cooldowns_total", "openai/gpt-5", "model"] == 1
    assert found["nexus_cooldowns_total", "openai/gpt-5", "key"] == 1
    assert found["nexus_limit_decisions_total", "provider openai", "requests", "granted"] == 1
    assert found["nexus_limit_decisions_total", "provider openai", "requests", "refused"] == 1
    assert found["nexus_budget_refusals_total", "team"] == 1
    assert found["nexus_ledger_dropped_total",] == 4
    assert found["nexus_config_reloads_total", "failed"] == 1
    assert found["nexus_config_last_reload_success_timestamp_seconds",] > 1.7e9
    assert found["nexus_loop_lag_seconds_bucket", "0.0005"] == 1


def test_failures_are_counted_from_zero() -> None:
    """Prometheus computes no increase for a counter that begins at 1: an alert would miss the first failure."""
    rows = Rows()
    meters = Meters(rows.parts[0])
    meters.started()
    meters.decided(Quota("key", "requests", 5, 1000, "provider openai"), True)
    found = samples(rows)
    assert found["nexus_config_reloads_total", "failed"] == 0
    assert found["nexus_limit_decisions_total", "provider openai", "requests", "refused"] == 0


def test_prometheus_formats_are_negotiated() -> None:
    rows = Rows()
    Meters(rows.parts[0]).add(call(attempt()))
    now: Mapping[Metric, Values] = {IN_COOLDOWN: {('openai/"odd"\nname\\',): 1}}
    plain = render(rows.sums(), now, Scrape())
    assert plain.content_type == "text/plain; version=0.0.4; charset=utf-8"
    by_name = {family.name: family for family in read_text(plain.body.decode())}
    assert by_name.keys() == {metric.name for metric in METRICS}, "every metric has its help and type from the start"
    assert by_name["nexus_in_cooldown"].samples[0].labels == {"route": 'openai/"odd"\nname\\'}
    packed = render(rows.sums(), now, Scrape(accept_encoding="gzip"))
    assert (packed.encoding, gzip.decompress(packed.body)) == ("gzip", plain.body)
    asked = render(rows.sums(), now, Scrape(accept="application/openmetrics-text; version=1.0.0"))
    assert asked.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert {family.name for family in read_openmetrics(asked.body.decode())} == by_name.keys()  # type: ignore[no-untyped-call]
    few = render(rows.sums(), now, Scrape(names=("nexus_calls_total", "nexus_tokens_total")))
    assert {family.name for family in read_text(few.body.decode())} == {"nexus_calls", "nexus_tokens"}


def test_metric_names_follow_prometheus_conventions() -> None:
    for metric in METRICS:
        assert metric.name.startswith("nexus_") and not metric.name.endswith("_total")
        assert metric.help.endswith(".")
        assert metric.kind != "histogram" or metric.name.endswith("_seconds")
        assert list(metric.bounds) == sorted(set(metric.bounds))
    assert len({metric.name for metric in METRICS}) == len(METRICS)
