"""The versions of the programs: pinned in one file, exact, and compared without the contents of requests."""

import json
import re
import time
from pathlib import Path

import pytest

from tests.programs.shapes import FILE, keep, shape
from tools import newest_programs
from tools.fake_upstream import SeenRequest


@pytest.mark.parametrize("which", newest_programs.FOLDERS)
def test_versions_are_exact(which: str) -> None:
    versions = newest_programs.pinned(which)
    assert {"@anthropic-ai/claude-code", "@openai/codex"} <= set(versions)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", version) for version in versions.values())
    assert set(versions) <= set(newest_programs.pinned("newest"))


def test_installed_versions_are_not_reinstalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "node_modules/@a/b/package.json"
    package.parent.mkdir(parents=True)
    package.write_text('{"version": "1.2.3"}')
    monkeypatch.setenv("PATH", "")  # without npm
    newest_programs.install(tmp_path, {"@a/b": "1.2.3"})
    with pytest.raises(FileNotFoundError):
        newest_programs.install(tmp_path, {"@a/b": "1.2.4"})


def test_raising_the_newest_keeps_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "versions.json"
    file.write_text('{"newest": {"a": "1.0.0"}, "oldest": {"a": "0.9.0"}}')
    monkeypatch.setattr(newest_programs, "VERSIONS", file)
    newest_programs.pin({"a": "1.1.0"})
    assert json.loads(file.read_text()) == {"newest": {"a": "1.1.0"}, "oldest": {"a": "0.9.0"}}


def test_a_request_shape_has_names_but_no_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {
        "thinking": {"display": "updates"},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hush"}]}],
        "tools": [{"name": "Read", "input_schema": {"properties": {"path": {}}}}],
    }
    headers = [("anthropic-beta", "effort-1,updates-2")]
    request = SeenRequest("POST", "/v1/messages?beta=true", headers, b"", body, time.monotonic(), 1)
    assert list(shape(request)) == [
        "POST /v1/messages",
        "anthropic-beta: effort-1",
        "anthropic-beta: updates-2",
        "thinking",
        "thinking.display",
        "messages",
        "messages[user].role",
        "messages[user].content",
        "messages[user].content[text].type",
        "messages[user].content[text].text",
        "tools",
        "tools[Read].name",
        "tools[Read].input_schema",
    ]
    monkeypatch.setenv(FILE, str(tmp_path / "seen"))
    keep([request])
    assert (tmp_path / "seen").read_text().splitlines() == sorted(shape(request))
