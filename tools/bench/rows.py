"""The rows of the table: what each round measures of a subject, the unit, and the goal."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from nexus.accounting.tabulate import aligned
from tools.bench.machine import memory
from tools.bench.measure import Bench
from tools.bench.subjects import BOOKS, NEXUS, TWO_WORKERS, WITH_REDIS, Kind

PACE = "stream-100-20"


@dataclass(frozen=True, slots=True)
class Row:
    """``goal`` is Nexus's maximum; ``of_floor`` its maximum as a multiple of the floor in the same run, in the same row
    or in ``beside``."""

    name: str
    goal: float | None = None
    of_floor: float | None = None
    digits: int = 2
    beside: Row | None = None


SMALL = Row("2 kB, ms of CPU per call", of_floor=1.5)
LARGE = Row("60 kB, ms of CPU per call", of_floor=1.8)
SMALL_TRANSLATED = Row("2 kB translated, ms of CPU per call", of_floor=2.0, beside=SMALL)
LARGE_TRANSLATED = Row("60 kB translated, ms of CPU per call", of_floor=2.65, beside=LARGE)
FEW = Row("20 streams, s of CPU for 10,000 deltas", of_floor=1.2)
FEW_TRANSLATED = Row("20 streams translated, s of CPU for 10,000 deltas", of_floor=1.5, beside=FEW)
MANY = Row("500 streams, s of CPU for 10,000 deltas", of_floor=1.1)
MANY_TRANSLATED = Row("500 streams translated, s of CPU for 10,000 deltas", of_floor=1.3, beside=MANY)
FIRST = Row("20 streams, added latency of first delta, ms p50", of_floor=1.5, digits=1)
BURST = Row("500 streams in 0.5 s, time to first delta, ms p50", 500, digits=0)
AGE = Row("500 streams, latency of a delta, ms p50", 150, digits=0)
GAP = Row("500 streams, time between deltas, ms p99", 150, digits=0)
IDLE = Row("memory idle, MB", of_floor=1.5, digits=0)
CONNECTION = Row("memory per idle connection, kB", 10, digits=1)
UNDER_LOAD = Row("memory with 500 streams, MB", of_floor=1.15, digits=0)
START = Row("start to first answer, s", of_floor=1.9)
LEDGER = Row("2 kB with ledger, metrics and dashboard, ms of CPU per call")
LEDGER_SHARE = Row("the same, x of what it costs without, in turns", 1.08, digits=2)
REDIS = Row("2 kB with limits in Redis, ms of CPU per call")
REDIS_ITSELF = Row("CPU of Redis for that, ms per call", digits=3)
WORKERS = Row("2 workers, clients and vendor on the same two cores: calls per second, x", 1.8, digits=2)
WORKERS_COST = Row("the same, ms of CPU per call")
ROWS = (
    *(SMALL, LARGE, SMALL_TRANSLATED, LARGE_TRANSLATED, FEW, FEW_TRANSLATED, MANY, MANY_TRANSLATED),
    *(FIRST, BURST, AGE, GAP, IDLE, CONNECTION, UNDER_LOAD, START),
    *(LEDGER, LEDGER_SHARE, REDIS, REDIS_ITSELF, WORKERS, WORKERS_COST),
)

Figures = Mapping[Row, float]


def measure(bench: Bench, kind: Kind) -> Iterator[tuple[Row, float]]:
    """Measures one subject in one round. Raises MeasurementFailed."""
    with bench.running(kind) as (subject, start):
        yield START, start
        yield IDLE, memory(subject.process)
        small = bench.whole(subject, 2000)
        yield SMALL, small.per_call
        yield LARGE, bench.whole(subject, 60_000).per_call
        if kind.translates:
            yield SMALL_TRANSLATED, bench.whole(subject, 2000, client="messages").per_call
            yield LARGE_TRANSLATED, bench.whole(subject, 60_000, client="messages").per_call
        if not kind.calls_vendor:
            return
        few, direct = bench.streams(subject, 20, PACE, rounds=2), bench.direct(20, PACE)
        yield FEW, few.per_10k
        yield FIRST, few.seen.first[0] - direct.seen.first[0]
        many = bench.streams(subject, 500, PACE, ramp=0.5)
        yield MANY, many.per_10k
        yield BURST, many.seen.first[0]
        yield AGE, many.seen.age[0]
        yield GAP, many.seen.gap[1]
        yield UNDER_LOAD, many.memory
        if kind.translates:
            yield FEW_TRANSLATED, bench.streams(subject, 20, PACE, client="messages", rounds=2).per_10k
            yield MANY_TRANSLATED, bench.streams(subject, 500, PACE, client="messages", ramp=0.5).per_10k
        if kind is NEXUS:
            with bench.running(BOOKS) as (recording, _):
                without, cost = bench.in_turns((subject, recording), 2000)
            yield LEDGER, cost
            yield LEDGER_SHARE, cost / without
        yield CONNECTION, bench.connection(subject)
    if kind is NEXUS:
        if shutil.which("redis-server"):
            with bench.running(WITH_REDIS) as (subject, _):
                counted = bench.whole(subject, 2000)
                yield REDIS, counted.per_call
                yield REDIS_ITSELF, counted.store * 1000 / counted.seen.calls
        with bench.running(TWO_WORKERS) as (subject, _):
            together = bench.whole(subject, 2000, clients=32)
            yield WORKERS, (together.seen.calls / together.seen.wall) / (small.seen.calls / small.seen.wall)
            yield WORKERS_COST, together.per_call


def medians(rounds: Sequence[Figures]) -> dict[Row, float]:
    return {row: median(values) for row in ROWS if (values := [found[row] for found in rounds if row in found])}


def table(found: Mapping[str, Figures]) -> str:
    """The rows as text, with columns for each subject, Nexus as a multiple of the floor, and the goal."""
    heads = [*found, "x floor", "goal"]
    lines = [["", *heads]]
    own, floor = found.get(NEXUS.name, {}), found.get("floor", {})
    for row in ROWS:
        cells = [f"{figures[row]:.{row.digits}f}" if row in figures else "-" for figures in found.values()]
        least = floor.get(row.beside or row)
        ratio = f"{own[row] / least:.2f}" if least and row in own else "-"
        goal = f"{row.goal:g}" if row.goal is not None else f"{row.of_floor:g} x" if row.of_floor is not None else "-"
        lines.append([row.name, *cells, ratio, goal])
    return "".join(f"{line}\n" for line in aligned(lines, heads))
