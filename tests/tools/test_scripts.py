"""Scripts in tools/ run by their path from any folder, as documented in their docstrings."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"

COMMANDS = {
    "smoke_test.py": ("--help", "--client-key-env"),
    "claude_code_conformance.py": ("--help", "--nexus"),
    "chaos.py": ("--list", "a stop under load"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "argument", "words"), [(name, *rest) for name, rest in COMMANDS.items()])
def test_each_script_runs_by_its_path(tmp_path: Path, name: str, argument: str, words: str) -> None:
    done = subprocess.run(
        [sys.executable, TOOLS / name, argument], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
