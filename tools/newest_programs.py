"""Installs the programs that ``tests/programs`` drives, and tests their newest versions.

    python3 -m tools.newest_programs            tests the newest versions; prints them and what changed in the requests
    python3 -m tools.newest_programs --raise    pins the newest versions; then run the tests and commit
    python3 -m tools.newest_programs --install  installs the pinned versions into .programs, unless already installed

The versions are in ``tests/programs/versions.json``: all tests run ``newest``; a short set runs ``oldest``, the oldest
supported version (``tests/programs/test_oldest.py``).

To add an npm program or library: add a line ``"package": "1.2.3"`` under ``newest``, and one under ``oldest`` if an
older version is supported too; then run ``--install``. Its commands are in ``tests.programs.kit.NEWEST / ".bin"``, for
``Desk.run``; its modules are in ``NEWEST``, for scripts that Node runs.

Uses the standard library only, because ``.ci/run`` runs it before it creates an environment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ROOT / "tests/programs/versions.json"
INSTALLED = ROOT / ".programs"
FOLDERS = {"newest": INSTALLED, "oldest": INSTALLED / "oldest"}
_QUIET = ("--loglevel=error", "--no-fund", "--no-audit")
_SESSIONS = ("-k", "test_a_session and (anthropic or responses)")
"""pytest arguments that select the tests which show each program's requests unchanged."""

Versions = Mapping[str, str]


def pinned(which: str) -> Versions:
    """Pinned versions by package; ``which`` is "newest" or "oldest"."""
    found: dict[str, dict[str, str]] = json.loads(VERSIONS.read_text())
    return found[which]


def installed(folder: Path, packages: Versions) -> dict[str, str]:
    """Versions installed in ``folder`` by package, without missing packages."""
    files = {package: folder / "node_modules" / package / "package.json" for package in packages}
    return {package: json.loads(file.read_text())["version"] for package, file in files.items() if file.exists()}


def install(folder: Path, packages: Versions) -> None:
    """Installs with npm. Raises CalledProcessError if npm fails twice."""
    if installed(folder, packages) == packages:
        return
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{package}@{version}" for package, version in packages.items()]
    command = ["npm", "install", *_QUIET, "--no-save", "--prefix", str(folder), *names]
    if subprocess.run(command, check=False).returncode:
        subprocess.run(command, check=True)


def newest(packages: Versions) -> dict[str, str]:
    """The same packages with their newest versions in the registry."""
    found = {}
    for package in packages:
        viewed = subprocess.run(["npm", "view", package, "version"], check=True, stdout=subprocess.PIPE, text=True)
        found[package] = viewed.stdout.strip()
    return found


def pin(packages: Versions) -> None:
    every = json.loads(VERSIONS.read_text()) | {"newest": packages}
    VERSIONS.write_text(json.dumps(every, indent=2) + "\n")


def run_tests(folder: Path, *arguments: str, seen: Path | None = None) -> int:
    """The exit code of pytest. ``seen`` is a file for the shapes of the programs' requests, one per line."""
    variables = {"NEXUS_PROGRAMS": str(folder), "NEXUS_REQUIRE_PROGRAMS": "1"}
    variables |= {"NEXUS_PROGRAMS_SEEN": str(seen)} if seen else {}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/programs", *arguments]
    out = subprocess.DEVNULL if seen else None
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, stdout=out, check=False).returncode


def try_newest() -> int:
    """Prints what changed. Returns 1 if a test failed."""
    before = pinned("newest")
    after = newest(before)
    for package, version in after.items():
        _say(f"{package}  {before[package]}" + (f" -> {version}" if version != before[package] else ""))
    install(INSTALLED, before)
    if after == before:
        return min(1, run_tests(INSTALLED))
    with tempfile.TemporaryDirectory(prefix="newest-programs-") as name:
        folder = Path(name)
        install(folder, after)
        for line in _differences(_seen(INSTALLED, folder / "before"), _seen(folder, folder / "after")):
            _say(line)
        return min(1, run_tests(folder))


def _seen(folder: Path, file: Path) -> set[str]:
    file.touch()
    run_tests(folder, *_SESSIONS, seen=file)
    return set(file.read_text().splitlines())


def _differences(before: set[str], after: set[str]) -> list[str]:
    return [f"no more: {line}" for line in sorted(before - after)] + [f"new: {line}" for line in sorted(after - before)]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    first = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tools.newest_programs", description=first)
    parser.add_argument("--raise", dest="raises", action="store_true", help="pin the newest versions")
    parser.add_argument("--install", action="store_true", help="install the pinned versions")
    asked = parser.parse_args(arguments)
    if asked.raises:
        pin(newest(pinned("newest")))
    if asked.raises or asked.install:
        for which, folder in FOLDERS.items():
            install(folder, pinned(which))
        return 0
    return try_newest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
