"""Whether a file is still the one that was read.

Nothing is read here. A file that is replaced through a link, as in Kubernetes, is another one.
"""

from __future__ import annotations

import os
from pathlib import Path

Stamp = tuple[str, int, int, int] | None
"""The true path, the time of the last change in nanoseconds, the size and the inode; None where there is none."""

Stamps = dict[Path, Stamp]
"""Of each file what it was just before it was read."""


def stamp(path: str | Path) -> Stamp:
    try:
        real = os.path.realpath(path)
        found = os.stat(real)
    except OSError:
        return None
    return real, found.st_mtime_ns, found.st_size, found.st_ino
