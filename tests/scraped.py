"""Reading ``/metrics`` in tests."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from prometheus_client.parser import text_string_to_metric_families as read_text

from tests.serving import Nexus


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    labels: dict[str, str]
    value: float


class Scraped:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family.type for family in read_text(text)}
        self.samples = [Sample(one.name, one.labels, one.value) for family in read_text(text) for one in family.samples]

    @classmethod
    def of(cls, nexus: Nexus, headers: Mapping[str, str] | None = None) -> Self:
        reply = nexus.request("GET", "/metrics", headers=headers)
        assert reply.status == 200, reply.body
        return cls(reply.body.decode())

    def find(self, name: str, **labels: str) -> Iterator[Sample]:
        """Samples of a metric, named with or without ``nexus_``, that have these labels."""
        for sample in self.samples:
            if sample.name in (name, f"nexus_{name}") and labels.items() <= sample.labels.items():
                yield sample

    def sum(self, name: str, **labels: str) -> float:
        return sum(sample.value for sample in self.find(name, **labels))

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """Non-zero sums by the values of a label."""
        found: dict[str, float] = {}
        for sample in self.find(name, **labels):
            found[sample.labels[label]] = found.get(sample.labels[label], 0) + sample.value
        return {value: total for value, total in found.items() if total}
