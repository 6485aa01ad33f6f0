"""README's quickstart in an empty home; slow, because it installs Nexus and runs the real Claude Code."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.programs.kit import path_of
from tools import newcomer
from tools.fake_upstream import FakeUpstream

README = (ROOT / "README.rst").read_text()


@pytest.mark.slow
def test_from_clone_to_an_answer_of_claude_code(capsys: pytest.CaptureFixture[str]) -> None:
    path_of("claude")
    assert newcomer.main([]) == 0, capsys.readouterr().out
    seen = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", capsys.readouterr().out)
    # The output shown in README appears exactly; Claude Code may print more.
    (recorded,) = re.findall(r"console\n\n((?:    .*\n)+)", README)
    shown = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", re.sub(r"^    ", "", recorded, flags=re.MULTILINE))
    assert [line for line in shown.splitlines() if line not in seen.splitlines()] == []


def test_readme_has_every_quickstart_command() -> None:
    ways = (("pip install . &&",), ("curl", "demo/echo"), ("activate",), ("nexus init",), ("nexus claude", " -p "))
    for words in (*ways, ("nexus test",)):
        assert newcomer.command(README, *words)


def test_a_command_missing_from_readme_is_reported() -> None:
    with pytest.raises(newcomer.Stumbled, match="README has no command"):
        newcomer.command(README, "no such command")


def test_output_of_a_failed_command_is_shown(tmp_path: Path) -> None:
    with FakeUpstream("gemini") as vendor, pytest.raises(newcomer.Stumbled, match="exit code 3\nsaid"):
        newcomer.Newcomer(tmp_path, vendor, newcomer.free_address()).shell("echo said; exit 3", tmp_path)
