"""The systemd unit: valid according to systemd, and consistent with Nexus."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nexus.settings.usage import state_folder
from tests.deploy.kit import DEPLOY, MARGIN, loaded, stops_within

UNIT = DEPLOY / "nexus.service"
ECHO = '[llm.providers.e]\ntype = "echo"\n[llm.providers.e.models.m]\n'
MOST_EXPOSED = 20
"""Tenths of systemd's own scale, which ends at 10.0; it calls less than 2.0 OK."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def test_it_gives_time_to_stop(tmp_path: Path) -> None:
    found = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert found is not None
    assert int(found[1]) >= stops_within(loaded(ECHO, tmp_path, {})) + MARGIN


def test_it_waits_until_nexus_serves_and_only_signals_the_supervisor() -> None:
    text = UNIT.read_text()
    for line in ("Type=notify-reload", "KillMode=mixed", "NotifyAccess=main"):
        assert f"\n{line}\n" in text


def test_usage_is_stored_in_the_only_writable_folder() -> None:
    text = UNIT.read_text()
    assert "\nStateDirectory=nexus\n" in text and "XDG_STATE_HOME=/var/lib " in text
    assert state_folder({"XDG_STATE_HOME": "/var/lib"}) == Path("/var/lib/nexus")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """With a program that exists on this machine."""
    unit = tmp_path / "nexus.service"
    unit.write_text(UNIT.read_text().replace("/opt/nexus/bin/nexus", sys.executable))
    return unit


@needs_systemd
def test_systemd_accepts_it(unit: Path) -> None:
    run = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    unknown = [line for line in run.stderr.splitlines() if "notify-reload" not in line]
    assert not [line for line in unknown if "nexus.service" in line], "a setting is not known"


@needs_systemd
def test_it_has_little_access_to_the_system(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(unit)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unrecognized option" in run.stderr:
        pytest.skip("this version of systemd cannot verify files")
    assert run.returncode == 0, run.stdout
