"""One import name, wherever Nexus lies and wherever it is started: a checkout, an editable install, a wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TRAPS = (
    "providers/__init__.py",
    "openai.py",
    "requests.py",
    "tornado/__init__.py",
    "pydantic.py",
    "tools.py",
    "tests.py",
)
CONFIG = '[llm.providers.demo]\ntype = "echo"\nmodels.echo = {}\n'
SHOW = "import nexus.providers.openai as one, sys; print(one.__file__, 'providers' in sys.modules)"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder with files of its own that are called like what Nexus imports."""
    folder = tmp_path / "foreign"
    for name in TRAPS:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("raise SystemExit('a stranger was imported')\n")
    (folder / "nexus.toml").write_text(CONFIG)
    return folder


def run(folder: Path, *arguments: str, path: Path | None) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if path is not None:
        environ["PYTHONPATH"] = str(path)
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)


def test_a_checkout_starts_in_a_foreign_folder(foreign: Path) -> None:
    done = run(foreign, "-m", "nexus", "check", path=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "demo/echo" in done.stdout


def test_a_checkout_starts_in_its_own_folder() -> None:
    done = run(ROOT, "-m", "nexus", "check", "-c", "config/demo.toml", path=None)
    assert done.returncode == 0, done.stderr


def test_the_installed_command_starts_in_a_foreign_folder(foreign: Path) -> None:
    command = Path(sys.executable).with_name("nexus")
    if not command.exists():
        pytest.skip("nexus is not installed into this environment")
    done = subprocess.run([command, "check"], cwd=foreign, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source, unpacked."""
    if find_spec("setuptools") is None or find_spec("wheel") is None:
        pytest.skip("setuptools and wheel are not there to build with")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.rst", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("nexus", "providers"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    build = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(folder), str(source)]
    done = run(folder, *build, path=None)
    assert done.returncode == 0, done.stderr
    [file] = folder.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_a_wheel_has_one_package(wheel: Path) -> None:
    assert {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")} == {"nexus"}
    ours = {path.relative_to(ROOT / "providers") for path in (ROOT / "providers").rglob("*.py")}
    assert {path.relative_to(wheel / "nexus/providers") for path in (wheel / "nexus/providers").rglob("*.py")} == ours
    assert (wheel / "nexus/py.typed").exists()


def test_a_wheel_starts_in_a_foreign_folder(foreign: Path, wheel: Path) -> None:
    done = run(foreign, "-m", "nexus", "check", path=wheel)
    assert (done.returncode, done.stderr) == (0, "")
    (foreign / "show.py").write_text(SHOW)
    shown = run(foreign.parent, "-c", SHOW, path=wheel).stdout.split()
    assert shown == [str(wheel / "nexus/providers/openai/__init__.py"), "False"]


def test_a_checkout_imports_providers_once_under_one_name(tmp_path: Path) -> None:
    shown = run(tmp_path, "-c", SHOW, path=ROOT).stdout.split()
    assert shown == [str(ROOT / "nexus/providers/openai/__init__.py"), "False"]
