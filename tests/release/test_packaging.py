"""One import name, wherever Nexus is located or started: a checkout, an editable install, a wheel."""

import os
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from mypy.find_sources import create_source_list
from mypy.options import Options

import nexus
from nexus.settings import registry
from tests.release.conftest import Release
from tests.release.kit import CONFIG, ROOT, run, serves

pytestmark = pytest.mark.slow

TRAPS = (
    *("providers/__init__.py", "tools.py", "tests.py", "config.py"),
    *("openai.py", "anthropic.py", "requests/__init__.py", "tornado.py", "pydantic.py", "urllib3.py", "certifi.py"),
    *("tenacity.py", "boto3.py", "botocore/__init__.py", "google/__init__.py"),
    *("json.py", "logging.py", "argparse.py", "asyncio/__init__.py", "http/__init__.py", "ssl.py", "tomllib.py"),
)
SHOW = "import nexus.providers.openai as one, sys; print(one.__file__, 'providers' in sys.modules)"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder with other files that have the names of Nexus's modules."""
    folder = tmp_path / "foreign"
    for name in TRAPS:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("raise SystemExit('a stranger was imported')\n")
    (folder / "nexus.toml").write_text(CONFIG)
    return folder


def test_a_checkout_starts_in_a_foreign_folder(foreign: Path) -> None:
    done = run(foreign, "-m", "nexus", "check", path=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "demo/echo" in done.stdout
    serves(foreign, ROOT)


def test_a_checkout_starts_in_its_own_folder() -> None:
    done = run(ROOT, "-m", "nexus", "check", "-c", "config/demo.toml", path=None)
    assert done.returncode == 0, done.stderr


def test_an_editable_install_starts_in_a_foreign_folder(foreign: Path) -> None:
    shown = run(foreign.parent, "-c", SHOW, path=None)
    if shown.stdout.split() != [str(ROOT / "nexus/providers/openai/__init__.py"), "False"]:
        pytest.skip("this checkout is not installed in this environment")
    serves(foreign, None)
    serves(foreign, None, str(Path(sys.executable).with_name("nexus")))


def test_a_checkout_without_the_link_is_reported(tmp_path: Path) -> None:
    """As git creates it on Windows without developer mode: a text file that contains the link's target."""
    ignored = shutil.ignore_patterns("__pycache__", "providers")
    shutil.copytree(ROOT / "nexus", tmp_path / "nexus", symlinks=True, ignore=ignored)
    (tmp_path / "nexus/providers").write_text("../providers")
    for name in ("setup.py", "README.rst"):
        shutil.copy(ROOT / name, tmp_path)
    done = run(tmp_path, "-m", "nexus", "check", path=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "git config core.symlinks true" in done.stderr
    if find_spec("setuptools") is not None:
        built = run(tmp_path, "setup.py", "--version", path=None)
        assert built.returncode == 1 and "nexus/providers is not a link" in built.stderr


def test_a_wheel_has_one_package(release: Release) -> None:
    wheel = release.package
    assert {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")} == {"nexus"}
    ours = {path.relative_to(ROOT / "providers") for path in (ROOT / "providers").rglob("*.py")}
    assert {path.relative_to(wheel / "nexus/providers") for path in (wheel / "nexus/providers").rglob("*.py")} == ours
    for name in (
        "py.typed",
        "server/endpoints/dashboard/page.html",
        "server/endpoints/dashboard/page.py",
        "cli/nexus.toml",
    ):
        assert (wheel / "nexus" / name).exists()


def test_a_wheel_starts_in_a_foreign_folder(foreign: Path, release: Release) -> None:
    wheel = release.package
    done = run(foreign, "-m", "nexus", "check", path=wheel)
    assert (done.returncode, done.stderr) == (0, "")
    serves(foreign, wheel)
    shown = run(foreign.parent, "-c", SHOW, path=wheel).stdout.split()
    assert shown == [str(wheel / "nexus/providers/openai/__init__.py"), "False"]


def test_a_checkout_imports_providers_once_under_one_name(tmp_path: Path) -> None:
    shown = run(tmp_path, "-c", SHOW, path=ROOT).stdout.split()
    assert shown == [str(ROOT / "nexus/providers/openai/__init__.py"), "False"]


def test_no_file_is_imported_twice() -> None:
    """In this very process, whatever other tests have imported."""
    for kind in registry.kinds():
        registry.load(kind)
    names: dict[str, list[str]] = {}
    for name, module in sys.modules.items():
        file = getattr(module, "__file__", None)
        if file is not None and name != "__main__" and Path(file).resolve().is_relative_to(ROOT / "providers"):
            names.setdefault(os.path.realpath(file), []).append(name)
    assert len(names) > len(registry.kinds())
    assert [found for found in names.values() if len(found) > 1 or not found[0].startswith("nexus.providers")] == []


def test_the_type_checker_sees_providers_once_under_one_name() -> None:
    options = Options()
    sources = {source.module: source.path for source in create_source_list([str(ROOT / "nexus")], options)}
    assert sorted(name for name in sources if "providers" in name.split(".")) == sorted(
        ".".join(("nexus", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        for path in (ROOT / "providers").rglob("*.py")
    )


def test_messages_name_nexuss_own_distribution() -> None:
    """``pip install nexus`` would install an unrelated package on the machine that has all keys."""
    named = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for folder in ("nexus", "providers", "docs", "config", "tools")
        for file in (ROOT / folder).rglob("*")
        if file.suffix in (".py", ".rst", ".toml") and file.is_file()
        for line in file.read_text().splitlines()
        if re.search(r"pip install '?nexus(?!-llm-router|\w)", line)
    ]
    assert named == []
    assert f'name="{nexus.DISTRIBUTION}"' in (ROOT / "setup.py").read_text()
