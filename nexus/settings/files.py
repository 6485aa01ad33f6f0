"""Whether files are still those that were read: looked at every now and then.

Nothing is read here. A file that is replaced through a link, as in Kubernetes, is another one. A change counts once two
looks in a row have seen the same, so that no file is read while it is written. No notifications of the system:
configuration maps and secrets of Kubernetes change by a link to another folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from nexus.upstream.tls import Trust

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


EVERY = 2.0
"""Seconds between two looks."""


class Watch:
    """``files`` are those that were read, as they were then. Blocks as long as the file system does."""

    def __init__(self, files: Mapping[Path, Stamp]) -> None:
        self.files = dict(files)
        self._seen = self.files

    def has_changed(self) -> bool:
        now = stamps(self.files)
        is_settled, self._seen = now == self._seen, now
        return is_settled and now != self.files


def trust_of(ca_file: Path | None, cert: Path | None = None, key: Path | None = None) -> Trust:
    """What the files say as they are now."""
    ca, own, its_key = (str(file) if file else None for file in (ca_file, cert, key))
    return Trust(ca, own, its_key, tuple(stamp(file) for file in (ca, own, its_key) if file))


def stamps(paths: Iterable[Path]) -> dict[Path, Stamp]:
    return {path: stamp(path) for path in paths}
