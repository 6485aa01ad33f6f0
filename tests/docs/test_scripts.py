"""Runs the pages' JavaScript with the real AI SDK against the real server; slow: needs Node and npm packages."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.docs.pages import all_snippets
from tests.docs.test_snippets import BASE, standin
from tests.programs.kit import MOST_SECONDS, NEWEST, path_of


@pytest.mark.slow
def test_scripts_run(tmp_path: Path, serve: Serve) -> None:
    """Runs every complete script; fragments are skipped."""
    path_of("pi")
    nexus = serve(standin() + '[llm.providers.google]\ntype = "echo"\nmodels = ["gemini-3.8-flash"]\n')
    (tmp_path / "node_modules").symlink_to(NEWEST)
    scripts = [one for one in all_snippets() if one.language == "javascript" and "await " in one.text]
    assert scripts
    for script in scripts:
        (tmp_path / "page.mjs").write_text(script.text.replace(BASE, nexus.base) + "\nconsole.log(text);\n")
        done = subprocess.run(
            ["node", "page.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
        )
        assert (done.returncode, done.stdout.strip()) == (0, "You said: Hello!"), f"{script}: {done.stderr}"
