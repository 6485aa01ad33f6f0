"""What a command prints when the reader closes early, when writing fails, and in encodings that lack a character."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nexus.cli import main as cli
from tests.console import ROOT

FILE = '[llm.providers."jürgen"]\ntype = "echo"\nmodels = ["日本"]\n'


def printed_to(descriptor: int, encoding: str, monkeypatch: pytest.MonkeyPatch, *command: str) -> int | str | None:
    """Exit code of a command whose stdout is this file descriptor."""
    with monkeypatch.context() as patch, open(descriptor, "w", encoding=encoding) as stdout:
        patch.setattr(sys, "stdout", stdout)
        try:
            return cli.main(command)
        except SystemExit as end:
            return end.code


COMMANDS = (("check",), ("config",), ("schema",), ("completion", "fish"), ("env", "openai"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command[0]))
def test_a_command_ends_silently_when_its_reader_closes(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    assert printed_to(writer, "utf-8", monkeypatch, *command) == 128 + 13
    assert capsys.readouterr() == ("", "")


def test_an_unwritable_stdout_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    unwritable = os.open(os.devnull, os.O_RDONLY)
    assert printed_to(unwritable, "utf-8", monkeypatch, "config") == 1
    assert capsys.readouterr().err == "nexus: stdout cannot be written: bad file descriptor\n"
    monkeypatch.setattr(sys, "stdout", None)
    for command in ("schema", "check"):
        with pytest.raises(SystemExit, match="1"):
            cli.main([command])
        assert capsys.readouterr().err.endswith("nexus: stdout cannot be written: is closed\n")


def test_nexus_starts_without_stdin_and_stderr(tmp_path: Path) -> None:
    program = "import os; from nexus.__main__ import main; main(); print(os.fstat(0).st_rdev == os.fstat(2).st_rdev)"
    closed = ["sh", "-c", 'exec "$0" -c "$1" env openai <&- 2>&-', sys.executable, program]
    run = subprocess.run(
        closed, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[1:] == ["export OPENAI_API_KEY=not-used", "True"]


def test_characters_missing_from_the_stdout_encoding_are_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nexus.toml").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    out = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    assert printed_to(out, "latin-1", monkeypatch, "check") == 0
    assert "jürgen/\\u65e5\\u672c" in (tmp_path / "out").read_text(encoding="latin-1")


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no names that are not UTF-8")
def test_settings_load_from_a_folder_with_a_non_utf_8_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "nexus.toml").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert cli.main(["check"]) == 0
