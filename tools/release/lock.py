"""``python -m tools.release.lock``: updates ``requirements.lock``, or reports that it is stale.

The lock pins, with hashes, the requirements of the default install, of every extra except ``dev``, and of the wheel
build, for every platform and each Python from setup.py's minimum on. Pins stay while they satisfy the requirements;
``--upgrade`` takes the newest versions.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
UNLOCKED = "dev"
"""The extra for development, which the lock leaves out."""

WANTED = "setup.py.in"
"""The name of the requirements' source in the lock's comments."""

HEADER = "# Made by `python -m tools.release.lock`: the default install with every extra, and what builds the wheel.\n"


@dataclass(frozen=True, slots=True)
class Declared:
    """The requirements in setup.py and pyproject.toml."""

    python: str
    """The oldest supported version, such as 3.11."""
    runtime: tuple[Requirement, ...]
    build: tuple[Requirement, ...]

    def __iter__(self) -> Iterator[Requirement]:
        yield from self.runtime
        yield from self.build


def declared() -> Declared:
    """The requirements that setup.py passes to setuptools."""
    with mock.patch("setuptools.setup") as called:
        file = ROOT / "setup.py"
        exec(compile(file.read_text(), str(file), "exec"), {"__file__": str(file)})
    arguments = called.call_args.kwargs
    runtime = [*arguments["install_requires"]]
    for name, needed in arguments["extras_require"].items():
        runtime += needed if name != UNLOCKED else []
    built_by = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    return Declared(
        arguments["python_requires"].removeprefix(">="),
        tuple(Requirement(text) for text in dict.fromkeys(runtime)),
        tuple(map(Requirement, built_by)),
    )


def locked(text: str) -> dict[str, list[Requirement]]:
    """Pins by package name, without hashes and comments."""
    found: dict[str, list[Requirement]] = {}
    for line in text.splitlines():
        if line and not line.startswith((" ", "#")):
            pin = Requirement(line.removesuffix("\\").strip())
            found.setdefault(canonicalize_name(pin.name), []).append(pin)
    return found


def stale(wanted: Declared, text: str) -> list[str]:
    """The requirements that the lock does not satisfy; makes no request to a registry."""
    pins = locked(text)
    problems: list[str] = []
    for need in wanted:
        versions = [next(iter(pin.specifier)).version for pin in pins.get(canonicalize_name(need.name), [])]
        if not any(need.specifier.contains(version, prereleases=True) for version in versions):
            problems.append(f"{need} is required, and the lock has {', '.join(versions) or 'none'}")
    direct = {canonicalize_name(need.name) for need in wanted}
    for name, why in _required_by(text).items():
        if f"-r {WANTED}" in why and name not in direct:
            problems.append(f"{name} is locked, and nothing requires it")
    return problems


def _required_by(text: str) -> dict[str, str]:
    """The comment that says what needs a package, by package name."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line and not line.startswith((" ", "#")):
            name = canonicalize_name(Requirement(line.removesuffix("\\").strip()).name)
        elif name and line.lstrip().startswith("#"):
            found[name] = found.get(name, "") + line
    return found


def resolve(wanted: Declared, before: str, *options: str) -> str:
    """The text of the lock file, resolved by uv from the registry."""
    if find_spec("uv") is None:
        raise SystemExit("uv is not installed: pip install -e '.[dev]'")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / LOCK.name
        file.write_text(before)
        command = [sys.executable, "-m", "uv", "pip", "compile", "-q", "--no-header", "--universal"]
        command += ["--generate-hashes", "--python-version", wanted.python, "-o", str(file), *options, WANTED]
        (Path(folder) / WANTED).write_text("".join(f"{need}\n" for need in wanted))
        done = subprocess.run(command, text=True, capture_output=True, check=False, cwd=folder)
        if done.returncode:
            raise SystemExit(done.stderr)
        return HEADER + file.read_text()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.release.lock", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where it is stale")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    options = parser.parse_args(arguments)
    wanted = declared()
    before = LOCK.read_text() if LOCK.exists() else ""
    after = resolve(wanted, before, *(["--upgrade"] if options.upgrade else []))
    if not options.check:
        LOCK.write_text(after)
        return 0
    if after != before:
        sys.stderr.write(f"{LOCK.name} is stale: python -m tools.release.lock\n")
    return int(after != before)


if __name__ == "__main__":
    sys.exit(main())
