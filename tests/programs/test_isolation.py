"""Guarantees of the program tests: only loopback is reached, and a missing program is never ignored silently.

The tests show that the trap used in every run works.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs.kit import REQUIRED, Desk, Trap

pytestmark = pytest.mark.slow

OUTSIDE = "http://gateway.invalid:8000"
PROGRAMS = {
    "claude": (
        ["-p", "Hello?"],
        {"ANTHROPIC_BASE_URL": OUTSIDE, "ANTHROPIC_AUTH_TOKEN": "made-up", "CLAUDE_CODE_MAX_RETRIES": "0"},
    ),
    "codex": (
        [
            *("exec", "--skip-git-repo-check", "--disable", "unbounded_connection_retries"),
            *("-c", 'model_provider="far"', "-c", f'model_providers.far={{name="far",base_url="{OUTSIDE}",'
              'wire_api="responses",request_max_retries=0,stream_max_retries=0}'),
            "Hello?",
        ],
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_trap_catches_other_connections(program: str, tmp_path: Path) -> None:
    arguments, environment = PROGRAMS[program]
    with Trap() as trap:
        Desk.in_folder(tmp_path, trap).run(program, arguments, environment)
        assert any("gateway.invalid" in line for line in trap.asked)


@pytest.mark.parametrize(("required", "word"), [("", "1 skipped"), ("1", "1 failed")])
def test_a_missing_program_is_a_skip_or_a_failure(required: str, word: str, tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text("from tests.programs.kit import path_of\n\ndef test_it():\n    path_of('no-such-program')\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(file)],
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": ".", REQUIRED: required},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert word in run.stdout and "no-such-program is not installed" in run.stdout
