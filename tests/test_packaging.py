"""One import name, wherever Nexus lies and wherever it is started: a checkout, an editable install, a wheel."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from mypy.find_sources import create_source_list
from mypy.options import Options

import nexus
from nexus import registry

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
TRAPS = (
    *("providers/__init__.py", "tools.py", "tests.py", "config.py"),
    *("openai.py", "anthropic.py", "requests/__init__.py", "tornado.py", "pydantic.py", "urllib3.py", "certifi.py"),
    *("tenacity.py", "boto3.py", "botocore/__init__.py", "google/__init__.py"),
    *("json.py", "logging.py", "argparse.py", "asyncio/__init__.py", "http/__init__.py", "ssl.py", "tomllib.py"),
)
CONFIG = """
[llm.providers.demo]
type = "echo"
models.echo = {}
[llm.providers.openai]
type = "openai"
api_key = "none"
models.m = {}
[llm.providers.anthropic]
type = "anthropic"
api_key = "none"
models.m = {}
[llm.providers.google]
type = "google"
api_key = "none"
models.m = {}
[llm.providers.bedrock]
type = "bedrock"
region = "us-east-1"
models.m = {}
"""
ASK = {"model": "demo/echo", "messages": [{"role": "user", "content": "Hi"}]}
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


def environ(path: Path | None) -> dict[str, str]:
    """With a path, that and the libraries; what is installed in place of it is not seen (``-S``)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "NEXUS_"))}
    libraries = [folder for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")]
    return kept if path is None else {**kept, "PYTHONPATH": os.pathsep.join([str(path), *libraries])}


def python(path: Path | None) -> list[str]:
    return [sys.executable] if path is None else [sys.executable, "-S"]


def run(folder: Path, *arguments: str, path: Path | None) -> subprocess.CompletedProcess[str]:
    command = [*python(path), *arguments]
    return subprocess.run(
        command, cwd=folder, env=environ(path), capture_output=True, text=True, timeout=120, check=False
    )


def serves(folder: Path, path: Path | None, *command: str) -> None:
    """Starts the server there, asks it something, and stops it."""
    process = subprocess.Popen(
        [*(command or (*python(path), "-m", "nexus")), "-l", "127.0.0.1:0"],
        cwd=folder,
        env=environ(path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process:
        try:
            said: list[str] = []
            for line in process.stderr:
                said.append(line)
                if found := re.search(r"health: http://127.0.0.1:(\d+)/", line):
                    break
            assert found, "".join(said)
            connection = http.client.HTTPConnection("127.0.0.1", int(found.group(1)), timeout=60)
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/llm/openai/v1/chat/completions", json.dumps(ASK), headers)
            assert connection.getresponse().status == 200
            connection.close()
        finally:
            process.terminate()


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
        pytest.skip("this source is not installed into this environment")
    serves(foreign, None)
    serves(foreign, None, str(Path(sys.executable).with_name("nexus")))


def test_a_checkout_without_the_link_says_so(tmp_path: Path) -> None:
    """As git makes it on Windows without developer mode: a text file that holds the link's target."""
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


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what was built of this source: ``wheel``, and ``sdist`` unpacked."""
    if find_spec("setuptools") is None or find_spec("wheel") is None:
        pytest.skip("setuptools and wheel are not there to build with")
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.rst", "CHANGELOG.rst", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("nexus", "providers", "config", "docs"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    done = run(source, "setup.py", "-q", "sdist", "-d", str(folder), path=None)
    assert done.returncode == 0, done.stderr
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder / "unpacked", filter="data")
    [sdist] = (folder / "unpacked").iterdir()
    sdist.rename(folder / "sdist")
    make_wheel(source, folder / "wheel")
    return folder


def make_wheel(source: Path, target: Path) -> None:
    """The wheel's files below ``target``."""
    made = target.with_name(f"{target.name}-made")
    command = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(made), str(source)]
    done = run(source.parent, *command, path=None)
    assert done.returncode == 0, done.stderr
    [file] = made.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(target)


@pytest.fixture
def wheel(build: Path) -> Path:
    return build / "wheel"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_sdist_builds_the_same_wheel(build: Path) -> None:
    make_wheel(build / "sdist", build / "again")
    assert files_of(build / "again") == files_of(build / "wheel")
    assert {"nexus/server/dashboard/page.html", "nexus/server/dashboard/page.py"} <= files_of(build / "wheel").keys()


def test_an_sdist_has_what_readme_speaks_of(build: Path) -> None:
    ours = {f"{path.parent.name}/{path.name}" for folder in ("config", "docs") for path in (ROOT / folder).iterdir()}
    ours -= {"docs/settings.rst", "docs/nexus.schema.json"}  # Sphinx makes them.
    assert ours | {"CHANGELOG.rst", "LICENSE", "nexus/py.typed"} <= files_of(build / "sdist").keys()
    assert not [path for path in (build / "sdist").rglob("*") if path.is_symlink()]


def test_a_wheel_has_one_package(wheel: Path) -> None:
    assert {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")} == {"nexus"}
    ours = {path.relative_to(ROOT / "providers") for path in (ROOT / "providers").rglob("*.py")}
    assert {path.relative_to(wheel / "nexus/providers") for path in (wheel / "nexus/providers").rglob("*.py")} == ours
    assert (wheel / "nexus/py.typed").exists()


def test_a_wheel_starts_in_a_foreign_folder(foreign: Path, wheel: Path) -> None:
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


def test_messages_name_the_distribution_that_is_ours() -> None:
    """``pip install nexus`` would fetch a stranger's code onto the machine that has all keys."""
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
