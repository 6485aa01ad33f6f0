"""Detects by polling whether the files that were read have changed.

Only ``stat`` is called, no content is read. A file that is replaced through a symbolic link counts as changed. A change
counts once two polls in a row saw the same, so that no file is read while it is being written. File system
notifications are not an alternative: Kubernetes changes config maps and secrets by pointing a link at another folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from nexus.upstream.tls import Trust

Stamp = tuple[str, int, int, int] | None
"""The resolved path, mtime in nanoseconds, size and inode; None if the file does not exist."""

Stamps = dict[Path, Stamp]
"""Each file's stamp from just before it was read."""


def stamp(path: str | Path) -> Stamp:
    try:
        real = os.path.realpath(path)
        found = os.stat(real)
    except OSError:
        return None
    return real, found.st_mtime_ns, found.st_size, found.st_ino


EVERY = 2.0
"""Seconds between two polls."""


class Watch:
    """Watches ``files``, given with their stamps when they were read. Blocks while the file system does."""

    def __init__(self, files: Mapping[Path, Stamp]) -> None:
        self.files = dict(files)
        self._seen = self.files

    def has_changed(self) -> bool:
        now = stamps(self.files)
        is_settled, self._seen = now == self._seen, now
        return is_settled and now != self.files

    def accept(self) -> None:
        """What was seen last counts as read: the files could not be used, and trying again would not help."""
        self.files = self._seen


def trust_of(ca_file: Path | None, cert: Path | None = None, key: Path | None = None) -> Trust:
    """The TLS trust of these files, with their present stamps."""
    ca, own, its_key = (str(file) if file else None for file in (ca_file, cert, key))
    return Trust(ca, own, its_key, tuple(stamp(file) for file in (ca, own, its_key) if file))


def stamps(paths: Iterable[Path]) -> dict[Path, Stamp]:
    return {path: stamp(path) for path in paths}
