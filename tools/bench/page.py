"""The measured part of ``docs/performance.rst``: the table, the plots, and figures derived from them."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tools.bench.curves import Curves
from tools.bench.rows import (
    FEW,
    FEW_TRANSLATED,
    LARGE,
    LARGE_TRANSLATED,
    MANY,
    MANY_TRANSLATED,
    SMALL,
    SMALL_TRANSLATED,
    Figures,
    Row,
    table,
)
from tools.bench.subjects import NEXUS

FOLDER = Path(__file__).parents[2] / "docs/performance"
TOKENS = 50
"""Deltas per second of a stream, as with fast models."""

SHARE = 0.7
"""Share of a core to plan with; the rest is for bursts."""

_CARRIED = (
    ("calls per second, 2 kB, passed", SMALL),
    ("calls per second, 2 kB, translated", SMALL_TRANSLATED),
    ("calls per second, 60 kB, passed", LARGE),
    ("calls per second, 60 kB, translated", LARGE_TRANSLATED),
)
_STREAMED = (
    ("streams, few at once, passed", FEW),
    ("streams, few at once, translated", FEW_TRANSLATED),
    ("streams, hundreds at once, passed", MANY),
    ("streams, hundreds at once, translated", MANY_TRANSLATED),
)


def carried(figures: Figures) -> dict[str, tuple[float, float]]:
    """Capacity of one core by kind of load: at most, and with room for bursts."""
    whole = {text: 1000 / figures[row] for text, row in _CARRIED if figures.get(row)}
    streams = {
        f"{text}, {TOKENS} deltas per second": _streams(figures, row) for text, row in _STREAMED if figures.get(row)
    }
    return {text: (most, most * SHARE) for text, most in {**whole, **streams}.items()}


def _streams(figures: Figures, row: Row) -> float:
    return 10_000 / figures[row] / TOKENS


def measured(found: Mapping[str, Figures], now: datetime, load: float) -> str:
    """The text for the page to include; ``load`` is the load average before the run."""
    lines = "".join(f"    {line}\n" for line in table(found).splitlines())
    cores = carried(found[NEXUS.name])
    rows = "".join(f'   "{text}", {most:.0f}, {planned:.0f}\n' for text, (most, planned) in cores.items())
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return (
        f"Measured on {now:%Y-%m-%d}: {machine}, load average {load:.1f} before the run.\n\n"
        f"::\n\n{lines}\n"
        ".. csv-table:: Capacity of one core\n"
        f'   :header: "", "maximum", "planned ({SHARE:.0%})"\n\n'
        f"{rows}"
    )


def write_page(found: Mapping[str, Figures], curves: Curves, load: float) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "measured.txt").write_text(measured(found, datetime.now(UTC), load))
    for name, drawn in curves.plots().items():
        (FOLDER / name).write_text(drawn)
