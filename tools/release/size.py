"""``python -m tools.release.size WHEEL[EXTRAS]``: the installed size of a wheel, package by package.

Counts the bytes of all files that pip installs, including compiled ones, without pip and setuptools themselves.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

MOST = 95_000_000
"""Maximum size of a default install, in bytes."""

NOT_OURS = frozenset({"pip", "setuptools"})


class NotInstalled(Exception):
    """pip failed; the message is its output."""


def installed(what: str, folder: Path, python: str = sys.executable, *, oldest: Sequence[str] = ()) -> Path:
    """Installs a wheel, or any other pip requirement, into a new environment in ``folder``; returns its Python.
    ``oldest`` are requirements of it that get the oldest version that they allow.

    Raises:
        NotInstalled: The registry is unreachable, or requirements conflict.
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    made = folder / "bin" / "python"
    install = [str(made), "-m", "pip", "install", "-q", "--disable-pip-version-check", what]
    if oldest:
        uv = [sys.executable, "-m", "uv", "pip", "install", "-q", "--resolution", "lowest-direct"]
        install = [*uv, "--python", str(made), what, *oldest]
    for command in ([python, "-m", "venv", str(folder)], install):
        done = subprocess.run(command, env=plain, text=True, capture_output=True, check=False)
        if done.returncode:
            raise NotInstalled(done.stderr)
    return made


def weights(environment: Path) -> Mapping[str, int]:
    """Bytes of each distribution in an environment, largest first."""
    [packages] = environment.glob("lib/python*/site-packages")
    found = {
        distribution.metadata["Name"]: _bytes(distribution)
        for distribution in distributions(path=[str(packages)])
        if distribution.metadata["Name"] not in NOT_OURS
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _bytes(distribution: Distribution) -> int:
    paths = {Path(str(distribution.locate_file(file))) for file in distribution.files or ()}
    return sum(path.stat().st_size for path in paths if path.is_file())


def main(arguments: list[str]) -> int:
    [what] = arguments
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            installed(str(Path(what).absolute()), folder)
        except NotInstalled as error:
            sys.stderr.write(f"{error}\n")
            return 1
        found = weights(folder)
    for package, size in found.items():
        sys.stdout.write(f"{size / 1e6:7.2f} MB  {package}\n")
    sys.stdout.write(f"{sum(found.values()) / 1e6:7.2f} MB  in all, of at most {MOST / 1e6:.0f}\n")
    return int(sum(found.values()) > MOST)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
