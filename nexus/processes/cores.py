"""The number of workers for ``server.workers = "auto"``: one per core that this process may use.

Source: sched_getaffinity(2); cpu.max of control groups version 2, cpu.cfs_quota_us of version 1.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Literal

_SYSTEM = Path("/")
_VERSION_2 = "sys/fs/cgroup/cpu.max"
_QUOTA = "sys/fs/cgroup/cpu/cpu.cfs_quota_us"
_PERIOD = "sys/fs/cgroup/cpu/cpu.cfs_period_us"


def worker_count(workers: int | Literal["auto"], root: Path = _SYSTEM) -> int:
    """Returns the number of workers, at least 1."""
    if workers != "auto":
        return workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = _share(root)
    return cores if share is None else max(1, min(cores, math.ceil(share)))


def _share(root: Path) -> float | None:
    """Returns the container's CPU quota in cores; None if it has none."""
    quota, _, period = _text(root / _VERSION_2).partition(" ")
    if not quota:
        quota, period = _text(root / _QUOTA), _text(root / _PERIOD)
    if not (quota.isdecimal() and period.isdecimal() and int(period)):
        return None
    return int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
