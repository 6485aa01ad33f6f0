"""Short runs of ``tools/chaos.py`` and ``tools/soak.py``: a bad result there fails the test here."""

import sys

import pytest

from tools.faults.chaos import FAULTS, line, run
from tools.faults.soak import soak

SLOW = (
    "stalls",
    "reads nothing",
    "silent",
    "says nothing",
    "drops idle",
    "never answers",
    "98 MiB",
    "million",
    "80 MiB",
    "unknown host",
    "under load",
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts come from /proc")


@pytest.mark.slow
def test_fast_faults_end_well() -> None:
    names = [name for name in FAULTS if not any(word in name for word in SLOW)]
    rows = run(names, lambda row: None)
    assert [line(row) for row in rows if not row.good] == []
    assert len(rows) == len(names) > 15


@pytest.mark.slow
def test_slow_faults_end_well() -> None:
    rows = run([name for name in FAULTS if any(word in name for word in SLOW)], lambda row: None)
    assert [line(row) for row in rows if not row.good] == []


@pytest.mark.slow
def test_a_short_soak_leaks_nothing() -> None:
    before, after, tracebacks = soak(0.2, lambda text: None)
    assert tracebacks == 0
    assert (after.reserved, after.threads <= before.threads + 8) == (0, True)
