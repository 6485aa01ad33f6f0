"""The artefacts of the last commit, built once."""

import shutil
import tarfile
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.release.kit import ROOT
from tools.release import artefacts


@dataclass(frozen=True)
class Release:
    sdist: Path
    wheel: Path
    source: Path
    """The sdist unpacked."""
    package: Path
    """The wheel unpacked."""


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    if find_spec("setuptools") is None:
        pytest.skip("setuptools is not installed")
    folder = tmp_path_factory.mktemp("release")
    sdist, wheel = artefacts.build(folder / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "source", filter="data")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "package")
    [source] = (folder / "source").iterdir()
    return Release(sdist, wheel, source, folder / "package")
