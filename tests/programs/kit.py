"""Finds and runs the real programs, each with an empty home, a made-up key and telemetry off.

A missing program is a visible skip, or a failure with ``NEXUS_REQUIRE_PROGRAMS=1``; a failing test shows the program's
output. All traffic except loopback goes to a ``Trap``, which reports it.
"""

import json
import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from tests.peers import Peer
from tests.serving import Nexus
from tools.newest_programs import FOLDERS

_FOLDER = Path(os.environ.get("NEXUS_PROGRAMS", FOLDERS["newest"]))
NEWEST = _FOLDER / "node_modules"
OLDEST = FOLDERS["oldest"] / "node_modules"
"""The folder in which ``tools.newest_programs`` installs them; it explains how to add one."""

REQUIRED = "NEXUS_REQUIRE_PROGRAMS"
MOST_SECONDS = 90
KEY = "made-up-key"
_QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_TELEMETRY": "1", "DISABLE_AUTOUPDATER": "1"}
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")

CODEX_CONFIG = """
model = "{model}"
model_provider = "nexus"
[model_providers.nexus]
name = "nexus"
base_url = "{base}"
wire_api = "responses"
env_key = "NEXUS_KEY"
"""
_UNKNOWN = ("[claude-code:unrecognized_model]", "Claude Code doesn't recognize the model")
"""Claude Code's additional warning for unknown model names, such as those in the tests."""

# Without these it contacts github.com for plugins and chatgpt.com for telemetry.
_CODEX_QUIET = ("--disable", "plugins", "-c", "analytics.enabled=false")


class Trap(Peer):
    """A proxy that rejects every connection and records what was requested."""

    def __init__(self) -> None:
        super().__init__(self._reject)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _reject(self, sock: socket.socket) -> None:
        self.asked.append(sock.recv(4096).decode("latin-1").partition("\r\n")[0])


@dataclass(frozen=True)
class Desk:
    """A working folder and a home, both empty."""

    work: Path
    home: Path
    trap: Trap
    programs: Path = NEWEST

    @classmethod
    def in_folder(cls, folder: Path, trap: Trap, programs: Path = NEWEST) -> Self:
        desk = cls(folder / "work", folder / "home", trap, programs)
        desk.work.mkdir()
        desk.home.mkdir()
        return desk

    def run(self, program: str, arguments: Sequence[str], environment: dict[str, str]) -> str:
        """The program's output, from both streams."""
        inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        # Some require a newer Node than the system's; the pinned one is among them.
        inherited["PATH"] = f"{NEWEST / '.bin'}:{inherited['PATH']}"
        ways_out = dict.fromkeys(_PROXIES, self.trap.url) | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        done = subprocess.run(
            [str(path_of(program, self.programs)), *arguments],
            cwd=self.work,
            env={**inherited, **ways_out, **_QUIET, "HOME": str(self.home), "IS_SANDBOX": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )
        return done.stdout

    def claude(
        self,
        nexus: Nexus,
        *arguments: str,
        model: str = "v/m",
        environment: dict[str, str] | None = None,
        place: dict[str, str] | None = None,
    ) -> str:
        """``place`` is the gateway's address and the protocol to use."""
        models = dict.fromkeys(("ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_HAIKU_MODEL"), model)
        place = place or {"ANTHROPIC_BASE_URL": nexus.anthropic}
        more = {"ANTHROPIC_AUTH_TOKEN": KEY} if environment is None else environment
        said = self.run("claude", ["-p", *arguments], {**models, **place, **more})
        return "".join(line for line in said.splitlines(keepends=True) if not line.startswith(_UNKNOWN))

    def codex(
        self,
        nexus: Nexus,
        *arguments: str,
        model: str = "v/m",
        environment: dict[str, str] | None = None,
        config: str | None = None,
    ) -> str:
        """``config`` replaces the usual settings file."""
        folder = self.home / ".codex"
        folder.mkdir(exist_ok=True)
        (folder / "config.toml").write_text(config or CODEX_CONFIG.format(base=nexus.openai, model=model))
        flags = ["exec", *_CODEX_QUIET, "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        more = environment or {}
        return self.run("codex", [*flags, *arguments], {"CODEX_HOME": str(folder), "NEXUS_KEY": KEY, **more})

    def gemini(self, nexus: Nexus, *arguments: str, model: str = "v/m", key: str = KEY) -> str:
        """With a base URL, Gemini CLI chooses a sign-in method that it then rejects."""
        folder = self.home / ".gemini"
        folder.mkdir(exist_ok=True)
        settings = {
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "privacy": {"usageStatisticsEnabled": False},
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        place = {"GOOGLE_GEMINI_BASE_URL": f"{nexus.base}/llm/google", "GEMINI_API_KEY": key}
        more = {"GEMINI_CLI_TRUST_WORKSPACE": "true"}
        return self.run("gemini", ["--model", model, "--approval-mode", "yolo", *arguments], {**place, **more})


def path_of(program: str, programs: Path = NEWEST) -> Path:
    path = programs / ".bin" / program
    if not path.exists():
        said = f"{program} is not installed; python3 -m tools.newest_programs --install does that"
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(said)
        pytest.skip(said)
    return path
