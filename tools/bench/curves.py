"""Curves of cost by body size, and by number of concurrent streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tools.bench.measure import Bench
from tools.bench.plots import plot
from tools.bench.subjects import FLOOR, NEXUS, PACE, Kind

SIZES = (1000, 4000, 16_000, 64_000, 256_000, 1_000_000, 5_000_000)
STREAMS = (1, 10, 20, 50, 100, 200, 500, 1000)
"""Numbers of concurrent streams, each of 100 deltas at 50 per second; a few hundred already saturate one core."""

SHORTEST = 0.1
"""Minimum wait to plot, in ms: a delta that arrives with the one before has none, and the axis is logarithmic."""

FEW = 8
"""Concurrent clients for each body size."""

Lines = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Curves:
    """Points by line name. ``sizes``: ms of CPU per call, by bytes. ``streams``: seconds of CPU per 10,000 deltas, by
    number of streams. ``waits``: ms that clients wait, by number of streams."""

    sizes: Lines = field(default_factory=dict)
    streams: Lines = field(default_factory=dict)
    waits: Lines = field(default_factory=dict)

    def plots(self) -> Mapping[str, str]:
        """SVG text by file name."""
        return {
            "sizes.svg": plot("What a call costs", "bytes of the request", "ms of CPU", self.sizes),
            "streams.svg": plot("What streams cost", "streams at once", "s of CPU, 10,000 deltas", self.streams),
            "waits.svg": plot("What clients of Nexus wait for", "streams at once", "ms", self.waits),
        }


def draw(bench: Bench) -> Curves:
    """Measures every point once, for Nexus and the floor. Raises MeasurementFailed."""
    curves = Curves()
    for kind in (NEXUS, FLOOR):
        with bench.running(kind) as (subject, _):
            for name, client in _lines(kind):
                for size in SIZES:
                    taken = bench.whole(subject, size, client=client, clients=FEW)
                    curves.sizes.setdefault(name, []).append((size, taken.per_call))
                for count in STREAMS:
                    # More rounds for few streams, because the kernel counts CPU in ticks of 10 ms.
                    rounds = max(1, FEW // count)
                    taken = bench.streams(subject, count, PACE, client=client, ramp=1.0, rounds=rounds)
                    curves.streams.setdefault(name, []).append((count, taken.per_10k))
                    if name == kind.name and kind is NEXUS:
                        waits = {"first delta, p50": taken.seen.first[0], "gap, p99": taken.seen.gap[1]}
                        for wait, value in {**waits, "age of a delta, p50": taken.seen.age[0]}.items():
                            curves.waits.setdefault(wait, []).append((count, max(value, SHORTEST)))
    return curves


def _lines(kind: Kind) -> Iterator[tuple[str, str]]:
    yield kind.name, "chat"
    if kind.translates:
        yield f"{kind.name}, translated", "messages"
