"""How many processes "auto" starts, given a container's CPU limits."""

import os
from pathlib import Path

import pytest

from nexus.processes.cores import worker_count

BOUNDS = {
    "no container": ({}, 8),
    "version 2": ({"cpu.max": "250000 100000"}, 3),
    "version 2, less than a core": ({"cpu.max": "50000 100000"}, 1),
    "version 2, unbounded": ({"cpu.max": "max 100000"}, 8),
    "version 1": ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
    "version 1, unbounded": ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
    "more than the machine has": ({"cpu.max": "6400000 100000"}, 8),
    "nonsense": ({"cpu.max": "\xb2 0"}, 8),
}


@pytest.mark.parametrize(("files", "expected"), BOUNDS.values(), ids=BOUNDS.keys())
def test_auto_follows_container_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for name, text in files.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert worker_count("auto", tmp_path) == expected


def test_a_configured_number_is_used() -> None:
    assert worker_count(3) == 3
