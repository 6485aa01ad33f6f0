"""Starts Nexus from a checkout on a path, from the installed package, or from a wheel."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
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


def environ(path: Path | None) -> dict[str, str]:
    """With a path, only that and the libraries; the installed package is hidden (``-S``)."""
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


@dataclass(frozen=True)
class Served:
    """A server in another process."""

    base: str
    since: float
    """The time, as in files' modification times."""

    def asked(self) -> None:
        connection = http.client.HTTPConnection(self.base.removeprefix("http://"), timeout=60)
        body = json.dumps(ASK).encode()
        # The second in chunks, which are read below Tornado's own code.
        for sent in (body, iter((body[:9], body[9:]))):
            connection.request("POST", "/llm/openai/v1/chat/completions", sent, {"Content-Type": "application/json"})
            response = connection.getresponse()
            assert (response.status, bool(response.read())) == (200, True)
        connection.close()


@contextmanager
def running(folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Served]:
    """A server in a separate process, until the end of the block."""
    since = time.time()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    with process:
        try:
            said: list[str] = []
            for line in process.stderr:
                said.append(line)
                if found := re.search(r"health: (http://127.0.0.1:\d+)/", line):
                    break
            assert found, "".join(said)
            yield Served(found[1], since)
        finally:
            process.terminate()


def serves(folder: Path, path: Path | None, *command: str, environment: dict[str, str] | None = None) -> None:
    """Starts the server, sends it a request, and stops it."""
    started = [*(command or (*python(path), "-m", "nexus")), "-l", "127.0.0.1:0"]
    with running(folder, started, environ(path) if environment is None else environment) as served:
        served.asked()
