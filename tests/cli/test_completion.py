"""Shell completion."""

import shutil
import subprocess

import pytest

from nexus.cli.completion import completion
from nexus.cli.options import Options

LINES: dict[str, tuple[list[str], str]] = {
    "commands": (["nexus", "cl"], "claude"),
    "flags": (["nexus", "check", "--listen"], "--listen-address"),
    "words of a command": (["nexus", "env", "ant"], "anthropic"),
    "flags of the smoke test": (["nexus", "test", "--cap"], "--capability"),
    "values of a flag": (["nexus", "route", "--protocol", "ant"], "anthropic"),
}


@pytest.mark.parametrize(("line", "expected"), LINES.values(), ids=LINES)
def test_bash_completes_commands_and_options(
    capsys: pytest.CaptureFixture[str], line: list[str], expected: str
) -> None:
    if (bash := shutil.which("bash")) is None:
        pytest.skip("bash is not installed")
    assert completion(Options(shell="bash")) == 0
    words = " ".join(line)
    script = (
        f"{capsys.readouterr().out}\nCOMP_WORDS=({words}); COMP_CWORD={len(line) - 1}; _nexus; echo ${{COMPREPLY[@]}}"
    )
    done = subprocess.run([bash, "--norc", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == ([expected], "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completions_of_other_shells_name_every_command(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert completion(Options(shell=shell)) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("serve", "claude", "codex", "check", "completion"))
