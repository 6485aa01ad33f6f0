"""``-n``: every test runs once in some process, and a process that dies is an error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.console import ROOT

SUITE = {
    "conftest.py": 'pytest_plugins = "tests.parallel"\n',
    "test_one.py": "def test_pass(): pass\ndef test_fail(): print('some output'); assert 0\n",
    "test_two.py": "import pytest\ndef test_skip(): pytest.skip('no reason')\n",
    "test_three.py": "import os\ndef test_folder(tmp_path): os.environ.get('DIES') and os._exit(9)\n",
}


@pytest.mark.parametrize(
    ("environ", "shown"),
    [
        ({}, ("some output", "1 failed, 2 passed, 1 skipped")),
        ({"DIES": "yes"}, ("a worker ended with status 9", "INTERNALERROR")),
    ],
    ids=["failure", "death"],
)
def test_results_of_all_processes_are_reported(tmp_path: Path, environ: dict[str, str], shown: tuple[str, ...]) -> None:
    for name, text in SUITE.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "state").mkdir()
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", "-n", "2", str(tmp_path)]
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state"), **environ}
    done = subprocess.run(command, cwd=tmp_path, env=given, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert all(text in done.stdout for text in shown), done.stdout + done.stderr
