"""A private, real PostgreSQL on a Unix socket, in a folder that is deleted with it."""

import getpass
import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest


def _binaries() -> Path | None:
    """Debian installs the binaries outside the PATH."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


def require() -> None:
    """Skips the test if PostgreSQL is missing; fails it where PostgreSQL is required, as in CI."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        missing = "the Python package psycopg"
    else:
        if _binaries() is not None:
            return
        missing = "PostgreSQL"
    if os.environ.get("NEXUS_REQUIRE_POSTGRES"):
        pytest.fail(f"{missing} is not installed, and NEXUS_REQUIRE_POSTGRES is set")
    pytest.skip(f"{missing} is not installed")


class PostgresServer:
    """Use as a context manager."""

    def __init__(self) -> None:
        binaries = _binaries()
        assert binaries is not None
        self._binaries = binaries
        # Short, for a socket's path is; and of the user that it has to run as, which is never root.
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        data = self._folder / "data"
        self._run("initdb", "-D", str(data), "-A", "trust", "-U", "nexus", "--no-sync")
        options = f"-c listen_addresses='' -k {self._folder} -c fsync=off"
        self._run("pg_ctl", "-D", str(data), "-o", options, "-l", str(self._folder / "log"), "-w", "-t", "120", "start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._folder)

    def fresh(self) -> str:
        """The URL of a new database."""
        name = f"test{next(self._numbers)}"
        self._run("createdb", "-h", str(self._folder), "-U", "nexus", name)
        return f"postgresql://nexus@/{name}?host={self._folder}"

    def _run(self, command: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / command), *arguments],
            user=self._user,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "USER": self._user or getpass.getuser()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if command != "pg_ctl" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
