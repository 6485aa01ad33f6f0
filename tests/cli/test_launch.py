"""``nexus claude`` and similar commands, with a stand-in agent: which gateway it reaches, and what remains afterwards.

The real agents are run by tests/programs.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from nexus.cli.launch import gateway
from tests.conftest import Serve
from tests.console import Command
from tests.serving import wait_until

AGENT = """\
#!{python}
import json, os, sys, time, urllib.request
base = os.environ.get("ANTHROPIC_BASE_URL") or [a for a in sys.argv if a.startswith("model_providers")][0].split('"')[3]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
reply = opener.open(base.removesuffix("/llm/anthropic").removesuffix("/llm/openai/v1") + "/health")
said = {{"argv": sys.argv[1:], "env": dict(os.environ), "health": reply.status, "session": os.getsid(0)}}
with open(os.environ["SAID"], "w") as file:
    json.dump(said, file)
os.rename(os.environ["SAID"], os.environ["SAID"] + ".json")
try:
    while "wait" in sys.argv:
        time.sleep(0.05)
except KeyboardInterrupt:
    sys.exit(42)
sys.exit(int(sys.argv[-1]) if sys.argv[-1].isdigit() else 0)
"""

DEMO = '[llm.providers.demo]\ntype = "echo"\nmodels.echo = {}\nmodels.haiku = {}\n'


class Desk:
    """A home folder, a project folder and the stand-in agent on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.home, self.work, programs = folder / "home", folder / "work", folder / "bin"
        for made in (self.home, self.work, programs):
            made.mkdir()
        for name in ("claude", "codex"):
            (programs / name).write_text(AGENT.format(python=sys.executable))
            (programs / name).chmod(0o755)
        self.environ = {
            "HOME": str(self.home),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "SAID": str(folder / "said"),
            "XDG_STATE_HOME": str(folder / "state"),
            "ANTHROPIC_API_KEY": "sk-ant-hushhush-of-the-vendor",
            "CLAUDE_CODE_USE_FOUNDRY": "1",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        self.logs = folder / "state" / "nexus"

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "nexus", *arguments],
            cwd=self.work,
            # Port 0, because a gateway that the developer runs at the default address would be used.
            env={"NEXUS_LISTEN_ADDRESS": "127.0.0.1:0"} | self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **environ: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **environ)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    @property
    def said(self) -> dict[str, Any]:
        """What the stand-in agent recorded."""
        file = Path(self.environ["SAID"] + ".json")
        wait_until(file.exists)
        said: dict[str, Any] = json.loads(file.read_text())
        return said

    def gateway(self) -> int:
        """The PID of the gateway that was started for the agent, found by its port."""
        port = self.said["env"]["ANTHROPIC_BASE_URL"].split(":")[2].split("/")[0]
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and f"127.0.0.1:{port}".encode() in _command(folder):
                return int(folder.name)
        raise AssertionError("no gateway runs")


def _command(folder: Path) -> bytes:
    try:
        return (folder / "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def is_gone(process: int) -> bool:
    return not _command(Path(f"/proc/{process}"))


def test_an_agent_gets_its_own_gateway(desk: Desk) -> None:
    (desk.work / "nexus.toml").write_text(DEMO)
    code, _, err = desk.run("claude", "-m", "demo/echo", "--", "-p", "hi", "7")
    assert code == 7
    assert "nexus: claude through http://127.0.0.1:" in err
    assert "(nexus.toml)" in err
    said = desk.said
    assert said["argv"] == ["-p", "hi", "7"]
    assert said["health"] == 200
    environ = said["env"]
    assert (environ["ANTHROPIC_MODEL"], environ["ANTHROPIC_DEFAULT_HAIKU_MODEL"]) == ("demo/echo", "demo/echo")
    assert environ["ANTHROPIC_AUTH_TOKEN"] == "not-used"
    assert "ANTHROPIC_API_KEY" not in environ, "Claude Code would ask which of the two credentials to use"
    assert "CLAUDE_CODE_USE_FOUNDRY" not in environ, "Claude Code would call Microsoft"
    assert [file.suffix for file in desk.logs.iterdir() if file.name.startswith("gateway-")] == [".log"]


@pytest.mark.slow
def test_codex_is_started_with_its_settings(desk: Desk) -> None:
    code, _, _ = desk.run("codex", "--", "exec", "hi")
    argv = desk.said["argv"]
    assert code == 0
    assert argv[:2] == ["-c", "model_provider=nexus"]
    assert argv[4:] == ["-m", "demo/echo", "exec", "hi"]


@pytest.mark.slow
def test_models_are_chosen_by_their_names(desk: Desk) -> None:
    (desk.work / "nexus.toml").write_text(DEMO)
    assert desk.run("claude")[0] == 0
    environ = desk.said["env"]
    assert (environ["ANTHROPIC_MODEL"], environ["ANTHROPIC_DEFAULT_HAIKU_MODEL"]) == ("demo/echo", "demo/haiku")


@pytest.mark.slow
def test_a_running_gateway_is_reused(desk: Desk, serve: Serve) -> None:
    nexus = serve(DEMO)
    (desk.work / "nexus.toml").write_text(DEMO)
    assert desk.run("claude", NEXUS_LISTEN_ADDRESS=f"127.0.0.1:{nexus.port}")[0] == 0
    assert desk.said["env"]["ANTHROPIC_BASE_URL"] == nexus.anthropic
    assert not list(desk.logs.glob("gateway-*"))


OTHERS = {
    "without the model, such as the demo of before": DEMO.replace("providers.demo", "providers.other"),
    "that requires a key": DEMO + '[server.keys.other]\nkey = "nx-hushhush-of-another-gateway-0123456789abcdef"\n',
}


@pytest.mark.slow
@pytest.mark.parametrize("others", OTHERS.values(), ids=OTHERS)
def test_a_running_gateway_with_other_settings_is_left_alone(others: str, desk: Desk, serve: Serve) -> None:
    nexus = serve(others)
    (desk.work / "nexus.toml").write_text(DEMO)
    assert desk.run("claude", "-m", "demo/echo", NEXUS_LISTEN_ADDRESS=f"127.0.0.1:{nexus.port}")[0] == 0
    assert desk.said["env"]["ANTHROPIC_BASE_URL"] != nexus.anthropic


@pytest.mark.slow
def test_settings_in_the_project_folder_of_others_are_ignored(desk: Desk) -> None:
    """Its nexus.toml could send the user's keys anywhere."""
    mine = desk.home / ".config" / "nexus" / "nexus.toml"
    mine.parent.mkdir(parents=True)
    mine.write_text(DEMO)
    (desk.work / "nexus.toml").write_text(DEMO.replace("demo", "theirs"))
    assert desk.run("claude")[0] == 0
    assert desk.said["env"]["ANTHROPIC_MODEL"] == "demo/echo"


@pytest.mark.slow
def test_the_gateway_is_excluded_from_environment_proxies(desk: Desk) -> None:
    assert desk.run("claude", HTTPS_PROXY="http://127.0.0.1:9", NO_PROXY="example.org")[0] == 0
    assert desk.said["env"]["NO_PROXY"] == "example.org,127.0.0.1,localhost"


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
class TestSignals:
    def test_ctrl_c_goes_to_the_agent(self, desk: Desk) -> None:
        launcher = desk.start("claude", "--", "wait")
        gateway = desk.gateway()
        assert os.getsid(gateway) != desk.said["session"]
        os.killpg(launcher.pid, signal.SIGINT)
        launcher.communicate(timeout=120)
        assert launcher.returncode == 42
        wait_until(lambda: is_gone(gateway))

    def test_sigterm_to_the_launcher_stops_the_agent(self, desk: Desk) -> None:
        launcher = desk.start("claude", "--", "wait")
        gateway = desk.gateway()
        launcher.terminate()
        launcher.communicate(timeout=120)
        assert launcher.returncode == 128 + signal.SIGTERM
        wait_until(lambda: is_gone(gateway))

    def test_a_killed_launcher_leaves_no_gateway(self, desk: Desk) -> None:
        launcher = desk.start("claude", "--", "wait")
        gateway = desk.gateway()
        os.killpg(launcher.pid, signal.SIGKILL)
        launcher.communicate(timeout=120)
        wait_until(lambda: is_gone(gateway))


KEYS = DEMO + '[server.keys.me]\nkey = "{{ env.MINE }}"\n'

REFUSED: dict[str, tuple[str, list[str], str]] = {
    "no such model": (DEMO, ["claude", "-m", "demo/ecko"], "does not exist; did you mean 'demo/echo'?"),
    "no key": (KEYS, ["claude"], "requires a key: set NEXUS_KEY to yours"),
    "no protocol": (DEMO + "[llm.protocols.openai]\nenabled = false\n", ["codex"], "disable llm.protocols.openai"),
    "variables for Codex, which would call OpenAI": (DEMO, ["env", "codex"], "'anthropic'); run nexus codex"),
    "words of the agent's": (DEMO, ["claude", "-p", "hi"], "arguments for claude go after --"),
    "a model without its flag": (DEMO, ["claude", "demo/echo"], "demo/echo; did you mean -m demo/echo?"),
    "a flag of the agent's": (DEMO, ["claude", "--resume"], "--resume; arguments for claude go after --\n"),
}


@pytest.mark.parametrize(("settings", "words", "message"), REFUSED.values(), ids=REFUSED)
def test_unusable_settings_are_reported(
    desk: Desk, command: Command, settings: str, words: list[str], message: str
) -> None:
    (desk.work / "nexus.toml").write_text(settings)
    ran = command(desk.work, *words, **desk.environ, MINE="nx-hushhush-0123456789abcdefghijklmnopqrstuvwxyz")
    assert (ran.returncode != 0, ran.stdout) == (True, "")
    assert message in ran.stderr
    assert "hushhush" not in ran.stderr


def test_a_missing_agent_is_reported_with_the_install_command(desk: Desk, command: Command) -> None:
    ran = command(desk.work, "claude", **{**desk.environ, "PATH": "/nowhere"})
    assert ran.returncode == 1
    assert "nexus claude: the program claude is not on the PATH; npm install" in ran.stderr


def test_an_agent_that_cannot_be_started_is_reported(
    desk: Desk, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = desk.work / "bin" / "claude"
    program.parent.mkdir()
    program.write_text("no program")
    program.chmod(0o755)
    monkeypatch.setattr("nexus.cli.launch.agent.served_at", lambda *_: "http://127.0.0.1:1")
    ran = command(desk.work, "claude", **{**desk.environ, "PATH": str(program.parent)})
    assert ran.returncode == 1
    assert f"nexus claude: {program} cannot be started: exec format error" in ran.stderr


@pytest.mark.parametrize("place", [".claude/local", ".local/bin"])
def test_claude_code_is_found_where_its_installers_put_it(
    desk: Desk, command: Command, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    program = desk.home / place / "claude"
    program.parent.mkdir(parents=True)
    program.write_text("")
    program.chmod(0o755)
    ran: list[str] = []

    def run(words: list[str], environ: dict[str, str]) -> int:
        ran.extend(words)
        return 0

    monkeypatch.setattr("nexus.cli.launch.agent.served_at", lambda *_: "http://127.0.0.1:1")
    monkeypatch.setattr("nexus.cli.launch.agent._run", run)
    assert command(desk.work, "claude", **{**desk.environ, "PATH": "/nowhere"}).returncode == 0
    assert ran == [str(program)]


@pytest.mark.slow
def test_a_gateway_that_fails_to_start_is_reported(desk: Desk) -> None:
    (desk.work / "nexus.toml").write_text(DEMO + '[server.tls]\ncertificate = "nexus.toml"\nkey = "nexus.toml"\n')
    code, out, err = desk.run("claude")
    assert (code, out) == (1, "")
    assert "nexus claude: the gateway exited with code 1:\n" in err


def test_only_its_own_old_logs_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home folder, logs are in the folder for temporary files, which all programs and users share."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(gateway, "KEPT_LOGS", 1)
    others, unremovable = tmp_path / "api-gateway-1.log", tmp_path / "nexus-gateway-1.log"
    others.touch()
    unremovable.mkdir()
    for one in (others, unremovable):
        os.utime(one, (0, 0))
    old = gateway._log_file({})
    os.utime(old, (1, 1))
    newest = gateway._log_file({})
    assert set(tmp_path.iterdir()) == {others, unremovable, newest}


ENV: dict[str, set[str]] = {
    "claude": {
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_MODEL",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL",
        "CLAUDE_CODE_AUTO_MODE_SERVER",
    },
    "openai": {"OPENAI_BASE_URL", "OPENAI_API_KEY"},
    "anthropic": {"ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"},
}


@pytest.mark.slow
@pytest.mark.parametrize(("client", "names"), ENV.items(), ids=ENV)
def test_a_shell_can_evaluate_the_output_of_env(desk: Desk, client: str, names: set[str]) -> None:
    code, out, _ = desk.run("env", client, NEXUS_LISTEN_ADDRESS="127.0.0.1:8000")
    assert code == 0
    before = {"CLAUDE_CODE_USE_FOUNDRY": "1"}
    shown = subprocess.run(["sh", "-c", f"{out}\nenv"], env=before, capture_output=True, text=True, check=True).stdout
    found = dict(line.partition("=")[::2] for line in shown.splitlines())
    assert names <= found.keys() and ("CLAUDE_CODE_USE_FOUNDRY" in found) == (client != "claude")
    assert {found[name].partition("/llm/")[0] for name in names if name.endswith("URL")} == {"http://127.0.0.1:8000"}
