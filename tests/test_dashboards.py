"""The Grafana dashboard, the alerts and the docs page cover exactly the metrics that ``/metrics`` exposes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from nexus.accounting.record import Outcome
from nexus.conversation.usage import PARTS
from nexus.telemetry.metrics.catalog import METRICS, Metric
from tests.scraped import Scraped
from tests.serving import CHAT, Nexus

ROOT = Path(__file__).parents[1]
DASHBOARD = json.loads((ROOT / "deploy/grafana/nexus.json").read_text())
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
PAGE = (ROOT / "docs/observability.rst").read_text()

PROMETHEUS_OWN = frozenset({"job", "instance"})
"""Labels that Prometheus gives to all that it reads."""


def name_of(metric: Metric) -> str:
    """The name of a metric in queries."""
    return f"{metric.name}_total" if metric.kind == "counter" else metric.name


def exposed(metric: Metric) -> dict[str, frozenset[str]]:
    """The names of a metric's samples, each with its labels."""
    labels = frozenset(metric.labels)
    if metric.kind != "histogram":
        return {name_of(metric): labels}
    return {f"{metric.name}_bucket": labels | {"le"}, f"{metric.name}_sum": labels, f"{metric.name}_count": labels}


SAMPLES = {name: labels for metric in METRICS for name, labels in exposed(metric).items()}


def queries() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']}", target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"]["query"]
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield f"alert {rule['alert']}", rule["expr"]
    # Up to the next section.
    block = re.split(r"\n-{3,}\n", PAGE.partition("Queries for the usual questions:")[2])[0]
    for line in block.splitlines():
        if re.match(r"    [a-z]", line):
            yield f"page: {line.strip()}", line.strip()


QUERIES = dict(queries())


def used(query: str) -> list[tuple[str, frozenset[str]]]:
    """Each metric of a query, with the labels that it is selected by."""
    found = re.findall(r"\b(nexus_\w+)(?:\{([^}]*)\})?", query)
    return [(name, frozenset(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))) for name, selector in found]


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_every_name_and_label_exists(query: str) -> None:
    metrics = used(query)
    assert metrics, "the query names no metric"
    by = {label for labels in re.findall(r"by \(([^)]*)\)", query) for label in re.split(r",\s*", labels)}
    by |= set(re.findall(r"label_values\(.*, (\w+)\)", query))
    for name, labels in metrics:
        assert name in SAMPLES
        assert labels | by <= SAMPLES[name] | PROMETHEUS_OWN, f"{name} has no such label"
        assert name.endswith("_bucket") == ("histogram_quantile" in query)
        counts = name.endswith(("_total", "_bucket"))
        assert counts == bool(re.search(rf"(?:rate|increase)\({name}", query)) or "label_values" in query, (
            "what only grows is asked for its growth, and nothing else is"
        )
    assert query.count("(") == query.count(")") and query.count("{") == query.count("}")


@pytest.mark.parametrize(
    "alert", [rule for group in ALERTS["groups"] for rule in group["rules"]], ids=lambda it: it["alert"]
)
def test_alert_summaries_use_only_labels_of_their_expression(alert: dict[str, Any]) -> None:
    summary = alert["annotations"]["summary"]
    assert alert["labels"]["severity"] in ("critical", "warning", "info")
    for label in re.findall(r"\$labels\.(\w+)", summary):
        assert label in alert["expr"]


def test_the_dashboard_shows_every_metric() -> None:
    shown = {
        name for panel in DASHBOARD["panels"] for target in panel.get("targets", ()) for name, _ in used(target["expr"])
    }
    missing = {metric.name for metric in METRICS if shown.isdisjoint(exposed(metric))}
    assert not missing


def test_the_dashboard_has_its_rows_and_explains_itself() -> None:
    panels = DASHBOARD["panels"]
    assert [panel["title"] for panel in panels if panel["type"] == "row"] == [
        *("Health", "Traffic", "Latency", "Tokens and cost", "Limits and cooldowns")
    ]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        if panel["type"] != "row":
            assert panel["description"] and panel["targets"]
        for target in panel.get("targets", ()):
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert label in target["expr"], f"{panel['title']}: the legend names what the query does not keep"


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24
        taken |= cells


def test_the_docs_table_matches_the_exposed_metrics(nexus: Nexus) -> None:
    assert nexus.chat(CHAT).status == 200
    table = PAGE.partition(".. metrics\n")[2].partition(".. end of metrics")[0]
    rows = re.findall(r"\* - ``(\w+)``\n     - (.+)\n     - (.+)\n", table)
    told = [(name_of(metric), ", ".join(metric.labels) or "none", metric.help.rstrip(".")) for metric in METRICS]
    assert rows == told
    found = Scraped.of(nexus)
    assert found.families.keys() == {metric.name for metric in METRICS}
    for sample in found.samples:
        assert sample.labels.keys() == SAMPLES[sample.name], sample.name


def test_the_docs_explain_outcomes_and_token_parts() -> None:
    for word in (*Outcome, *PARTS):
        assert f"``{word}``" in PAGE
