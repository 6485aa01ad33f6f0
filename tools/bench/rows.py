"""The rows of the table: what is measured of a subject, the unit, and the goal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from nexus.accounting.tabulate import aligned
from tools.bench.subjects import NEXUS


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
WORKERS_COST = Row("2 kB with 2 workers, clients and vendor on their cores, ms of CPU per call")
WORKERS = Row("the same, calls per second of two cores, x those of one", 1.8, digits=2)
ROWS = (
    *(SMALL, LARGE, SMALL_TRANSLATED, LARGE_TRANSLATED, FEW, FEW_TRANSLATED, MANY, MANY_TRANSLATED),
    *(FIRST, BURST, AGE, GAP, IDLE, CONNECTION, UNDER_LOAD, START),
    *(LEDGER, LEDGER_SHARE, REDIS, REDIS_ITSELF, WORKERS_COST, WORKERS),
)

Figures = Mapping[Row, float]


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
