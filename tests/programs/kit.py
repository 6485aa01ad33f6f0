"""Finds and runs the real programs, each with an empty home, a made-up key and telemetry off.

Law: a program that is not installed is a visible skip; what it prints is kept for whoever reads a failure.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.serving import Nexus

INSTALLED = Path(__file__).parents[2] / ".programs/node_modules/.bin"
"""Where ``.ci/run`` puts them."""

MOST_SECONDS = 90
_QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_TELEMETRY": "1", "DISABLE_AUTOUPDATER": "1"}

CODEX_CONFIG = """
model = "v/m"
model_provider = "nexus"
[model_providers.nexus]
name = "nexus"
base_url = "{base}"
wire_api = "responses"
env_key = "NEXUS_KEY"
"""


@dataclass(frozen=True)
class Desk:
    """A working folder and a home, both empty."""

    work: Path
    home: Path

    def run(self, program: str, *arguments: str, **environment: str) -> str:
        """What it printed, on either stream."""
        path = INSTALLED / program
        if not path.exists():
            pytest.skip(f"{program} is not installed; .ci/run says how")
        inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        done = subprocess.run(
            [str(path), *arguments],
            cwd=self.work,
            env={**inherited, "HOME": str(self.home), "IS_SANDBOX": "1", **_QUIET, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )
        return done.stdout

    def claude(self, nexus: Nexus, *arguments: str) -> str:
        models = dict.fromkeys(("ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_HAIKU_MODEL"), "v/m")
        place = {"ANTHROPIC_BASE_URL": nexus.anthropic, "ANTHROPIC_AUTH_TOKEN": "made-up"}
        return self.run("claude", "-p", *arguments, **models, **place)

    def codex(self, nexus: Nexus, *arguments: str) -> str:
        folder = self.home / ".codex"
        folder.mkdir()
        (folder / "config.toml").write_text(CODEX_CONFIG.format(base=nexus.openai))
        flags = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
        return self.run("codex", "exec", *flags, *arguments, CODEX_HOME=str(folder), NEXUS_KEY="made-up")
