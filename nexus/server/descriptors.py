"""File descriptors: the limit of this process, raised as far as the system lets it.

Source: getrlimit(2). macOS refuses more than OPEN_MAX although it names no limit.
"""

from __future__ import annotations

import resource

RESERVE = 64
"""Descriptors that no call needs: listening sockets, the loop, the log, files."""

OPEN_MAX = 10_240


def raise_limit() -> int | None:
    """The number of descriptors that this process may have from now on; None where there is no such limit."""
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


def shortage(limit: int | None, workers: int) -> str | None:
    """What to say where calls need more: each has a client's connection and a vendor's."""
    needed = 2 * workers + RESERVE
    if limit is None or limit >= needed:
        return None
    return (
        f"server.worker_threads = {workers} needs about {needed} file descriptors, and this process may have {limit}: "
        "raise the hard limit (ulimit -Hn, or LimitNOFILE of systemd), or lower worker_threads"
    )
