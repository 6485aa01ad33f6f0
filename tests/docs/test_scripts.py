"""JavaScript of the pages with the real AI SDK, against the real server; slow, for it needs Node and npm's packages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.docs.pages import SNIPPETS, Snippet
from tests.docs.test_snippets import BASE, standin
from tests.programs.kit import MOST_SECONDS, NEWEST, path_of

SCRIPTS = [one for one in SNIPPETS if one.language == "javascript" and "await " in one.text]
"""What is no piece of a program."""


@pytest.mark.slow
@pytest.mark.parametrize("snippet", SCRIPTS, ids=str)
def test_a_script_runs(snippet: Snippet, tmp_path: Path, serve: Serve) -> None:
    path_of("pi")
    nexus = serve(standin())
    (tmp_path / "node_modules").symlink_to(NEWEST)
    (tmp_path / "page.mjs").write_text(snippet.text.replace(BASE, nexus.base) + "\nconsole.log(text);\n")
    done = subprocess.run(
        ["node", "page.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "You said: Hello!"), done.stderr


def test_there_is_one() -> None:
    assert SCRIPTS
