"""Metrics in the format that Prometheus requests.

The only module that uses ``prometheus_client``, and it imports it at the first request, because the import takes longer
than the rest of a start.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from nexus.dataclasses import dataclass
from nexus.telemetry.metrics.catalog import METRICS, Metric

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric as Exposed

Values = Mapping[tuple[str, ...], int]
"""By label values."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """A request for metrics. ``accept`` and ``accept_encoding`` are its headers; ``names`` are the samples to return,
    all if empty.
    """

    accept: str = ""
    accept_encoding: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exposition:
    body: bytes
    content_type: str
    encoding: str | None


def render(sums: Mapping[str, Sequence[int]], now: Mapping[Metric, Values], scrape: Scrape) -> Exposition:
    """``sums`` are the rows by name, ``now`` additional current values. Any thread."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder, gzip_accepted

    registry = CollectorRegistry(auto_describe=True)
    registry.register(_Collector(sums, now))
    encoder, content_type = choose_encoder(scrape.accept)
    body = encoder(registry.restricted_registry(scrape.names) if scrape.names else registry)
    if gzip_accepted(scrape.accept_encoding):
        return Exposition(gzip.compress(body, 1), content_type, "gzip")
    return Exposition(body, content_type, None)


class _Collector:
    def __init__(self, sums: Mapping[str, Sequence[int]], now: Mapping[Metric, Values]) -> None:
        self._rows: dict[str, dict[tuple[str, ...], Sequence[int]]] = defaultdict(dict)
        for text, row in sums.items():
            name, *labels = json.loads(text)
            self._rows[name][tuple(labels)] = row
        for metric, values in now.items():
            self._rows[metric.name].update({labels: (value,) for labels, value in values.items()})

    def collect(self) -> Iterator[Exposed]:
        for metric in METRICS:
            yield _family(metric, self._rows.get(metric.name, {}))


def _family(metric: Metric, rows: Mapping[tuple[str, ...], Sequence[int]]) -> Exposed:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, row in sorted(rows.items()):
            histogram.add_metric(labels, list(_buckets(metric, row)), row[-1] / metric.unit)
        return histogram
    made = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = made(metric.name, metric.help, labels=metric.labels)
    for labels, row in sorted(rows.items()):
        family.add_metric(labels, row[0] / metric.unit)
    return family


def _buckets(metric: Metric, row: Sequence[int]) -> Iterable[tuple[str, float]]:
    """The cumulative count for each bound."""
    bounds = [*map(str, metric.bounds), "+Inf"]
    return zip(bounds, itertools.accumulate(row[:-1]), strict=True)
