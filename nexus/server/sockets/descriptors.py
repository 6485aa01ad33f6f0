"""Raises this process's limit of open file descriptors as far as the system allows.

Source: getrlimit(2). macOS rejects more than OPEN_MAX, although it reports no limit.
"""

from __future__ import annotations

import resource

RESERVE = 64
"""Descriptors for everything besides calls: listening sockets, the loop, the log, files."""

OPEN_MAX = 10_240


def raise_limit() -> int | None:
    """Raises the soft limit; returns the new limit, or None if there is none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    wanted = OPEN_MAX if hard == resource.RLIM_INFINITY else hard
    if soft >= wanted:
        return soft
    for limit in (wanted, min(wanted, OPEN_MAX)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except (ValueError, OSError):
            continue
        return limit
    return soft


def shortage(limit: int | None, threads: int) -> str | None:
    """Returns a warning if calls may need more descriptors than ``limit``; each needs two, for client and vendor."""
    needed = 2 * threads + RESERVE
    if limit is None or limit >= needed:
        return None
    return (
        f"server.worker_threads = {threads} needs about {needed} file descriptors, and the limit is {limit}: "
        "raise the hard limit (ulimit -Hn, or LimitNOFILE of systemd), or lower worker_threads"
    )
