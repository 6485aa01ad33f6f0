"""Runs the command line in this process, for tests that do not need a separate one, and Python in a separate one."""

import os
import subprocess
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from nexus.cli import main as cli
from tests.leaks import LEAKS

ROOT = Path(__file__).parents[1]

Command = Callable[..., "CompletedProcess[str]"]
"""Of a folder, arguments and, by name, all of the environment."""


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs ``nexus`` in a folder without serving; its output is checked for secrets like that of a process."""
    server = types.ModuleType("nexus.server.process.run")
    server.serve = lambda *_: pytest.fail("it would serve")  # type: ignore[attr-defined]

    def run(folder: Path, *arguments: str, **environ: str) -> CompletedProcess[str]:
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            patch.setitem(sys.modules, server.__name__, server)
            _only(patch, environ)
            capsys.readouterr()
            try:
                code = cli.main(arguments)
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
        out, err = capsys.readouterr()
        for stream, text in (("stdout", out), ("stderr", err)):
            LEAKS.check("console", stream, text)
        return CompletedProcess(arguments, code, out, err)

    return run


def python(program: str, folder: Path, *arguments: str) -> CompletedProcess[str]:
    """Runs a program in a process and a folder, with only the path of Nexus in its environment."""
    command, environ = [sys.executable, "-c", program, *arguments], {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)


def _only(patch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    for name in os.environ:
        patch.delenv(name)
    for name, value in environ.items():
        patch.setenv(name, value)
