"""The wheel in a fresh environment, for a user with an empty home: its size, and that it serves every vendor.

Without a reachable package registry this is a visible skip, or a failure with ``NEXUS_REQUIRE_REGISTRY=1``.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.release.conftest import Release
from tests.release.kit import CONFIG, serves
from tools.release.lock import LOCK, declared
from tools.release.size import MOST, NotInstalled, installed, weights

pytestmark = pytest.mark.slow

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
VENDORS = """
import importlib, nexus.settings.registry as registry
for kind in registry.kinds():
    registry.load(kind)
for name in ("boto3", "google.auth", "google.oauth2.service_account", "cryptography"):
    importlib.import_module(name)
print(*registry.kinds())
"""


def fresh(what: str, folder: Path, python: str = sys.executable, *, oldest: Sequence[str] = ()) -> Path:
    try:
        return installed(what, folder, python, oldest=oldest)
    except NotInstalled as error:
        if os.environ.get("NEXUS_REQUIRE_REGISTRY"):
            raise
        pytest.skip(f"no registry is reachable: {error}")


def newcomer(folder: Path) -> dict[str, str]:
    """The environment of a user with an empty home."""
    home = folder / "home"
    home.mkdir()
    return {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def test_a_default_install_is_small_and_serves_all_vendors(release: Release, tmp_path: Path) -> None:
    python = fresh(str(release.wheel), tmp_path / "installed")
    weight = weights(tmp_path / "installed")
    assert 0 < sum(weight.values()) < MOST, weight
    environment = newcomer(tmp_path)
    command = [str(python), "-c", VENDORS]
    kinds = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)
    assert {"openai", "anthropic", "google", "bedrock"} <= set(kinds.stdout.split()), kinds.stderr
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "nexus.toml").write_text(CONFIG)
    serves(elsewhere, None, str(python), "-m", "nexus", environment=environment)
    serves(elsewhere, None, str(python.with_name("nexus")), environment=environment)


@pytest.mark.skipif(find_spec("uv") is None, reason="uv is not installed")
def test_it_serves_with_the_oldest_packages_that_it_allows(release: Release, tmp_path: Path) -> None:
    python = fresh(str(release.wheel), tmp_path / "installed", oldest=[str(need) for need in declared().runtime])
    (tmp_path / "nexus.toml").write_text(CONFIG)
    serves(tmp_path, None, str(python), "-m", "nexus", environment=newcomer(tmp_path))


def interpreter(version: str) -> str | None:
    """An interpreter of a version, pyenv's first, because a shim on the path may be disabled."""
    kept = Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
    return next(map(str, sorted(kept)), None) or shutil.which(f"python{version}")


@pytest.mark.parametrize("version", VERSIONS)
def test_it_serves_with_every_python(version: str, release: Release, tmp_path: Path) -> None:
    """With exactly the packages of the lock file."""
    if (python := interpreter(version)) is None:
        pytest.skip(f"Python {version} is not installed")
    made = fresh(f"-r{LOCK}", tmp_path / "installed", python)
    command = [str(made), "-m", "pip", "install", "-q", "--no-deps", str(release.wheel)]
    subprocess.run(command, cwd=tmp_path, check=True)
    (tmp_path / "nexus.toml").write_text(CONFIG)
    serves(tmp_path, None, str(made), "-m", "nexus", environment=newcomer(tmp_path))


def test_classifiers_name_these_versions() -> None:
    setup = (LOCK.parent / "setup.py").read_text()
    assert [version for version in VERSIONS if f'"Programming Language :: Python :: {version}"' not in setup] == []
