"""A Nexus of its own, as a process, in front of upstreams of our own: for a check with one command.

It is started as a user would start it, with a file; the file names nothing but fakes on loopback. What is started
is stopped on the way out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tools.conformance.fixture import Cloud
from tools.conformance.upstream import Upstream
from tools.fake_upstream import ACCESS_KEY, SECRET_KEY, FakeUpstream, service_account

ROOT = Path(__file__).resolve().parents[2]
START, STOP = 30.0, 10.0
MODEL = "anthropic/claude-next"
STRICT = ("anthropic", "cryptography")
"""Packages without which the clouds' fakes cannot judge."""


BASE = """
[server]
# Silence is judged without waiting for what users get: 20s and 10s.
early_ping = "3s"
ping_interval = "200ms"
drain_timeout = "1s"
[llm.providers.anthropic]
type = "anthropic"
api_key = "made-up-vendor-key"
forward_login = "127.0.0.1"
base_url = "{url}"
models.claude-next = {{}}
retries.attempts = 1
"""
BEDROCK = """
[llm.providers.bedrock]
type = "bedrock"
region = "us-east-1"
access_key_id = "{access}"
secret_access_key = "{secret}"
base_url = "{url}"
models.claude.rename = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
"""
VERTEX = """
[llm.providers.vertex]
type = "google"
project = "made-up-project"
location = "us-central1"
credentials = "{file}"
base_url = "{url}"
models.claude.rename = "claude-sonnet-4-5"
"""


class NotStarted(Exception):
    """Nexus did not come up; the text says what it said."""


@dataclass(frozen=True, slots=True)
class Local:
    url: str
    bedrock: str
    upstream: Upstream
    clouds: tuple[Cloud, ...]


@contextmanager
def running(rules: Sequence[str]) -> Iterator[Local]:
    """Raises NotStarted. Strict clouds take a second to prepare, so they are there for the rules that need them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
        upstream = stack.enter_context(Upstream("127.0.0.1", 0))
        config = BASE.format(url=upstream.url)
        clouds: tuple[Cloud, ...] = ()
        if (not rules or not {"C3", "C13"}.isdisjoint(rules)) and all(map(find_spec, STRICT)):
            more, clouds = _clouds(stack, folder)
            config += more
        (folder / "nexus.toml").write_text(config)
        origin = stack.enter_context(_process(folder))
        yield Local(f"{origin}/llm/anthropic", f"{origin}/llm/bedrock", upstream, clouds)


def _clouds(stack: ExitStack, folder: Path) -> tuple[str, tuple[Cloud, ...]]:
    bedrock, vertex = (stack.enter_context(FakeUpstream(vendor)) for vendor in ("bedrock", "vertex"))
    file = folder / "service-account.json"
    file.write_text(json.dumps(service_account(vertex.origin)))
    config = BEDROCK.format(access=ACCESS_KEY, secret=SECRET_KEY, url=bedrock.base_url)
    config += VERTEX.format(file=file, url=vertex.base_url)
    return config, (Cloud("Bedrock", "bedrock/claude", bedrock), Cloud("Vertex AI", "vertex/claude", vertex))


@contextmanager
def _process(folder: Path) -> Iterator[str]:
    """The base URL of a server that answers."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NEXUS_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "nexus", "-c", "nexus.toml", "-l", "127.0.0.1:0"],
        cwd=folder,
        env=environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    watcher = _Watcher(process)
    try:
        yield watcher.url()
    finally:
        process.terminate()
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        watcher.join()


class _Watcher:
    """Reads the log to its end, so that the server never waits for a reader."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._said: list[str] = []
        self._url = ""
        self._known = threading.Event()
        self._thread = threading.Thread(target=self._read, name="nexus-log")
        self._thread.start()

    def url(self) -> str:
        self._known.wait(START)
        if not self._url:
            raise NotStarted(" ".join(" ".join(self._said[-3:]).split()) or "Nexus said nothing")
        return self._url

    def join(self) -> None:
        self._thread.join()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _read(self) -> None:
        for line in self._process.stderr or ():
            self._said = [*self._said[-20:], line]
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                self._url = self._url or found[0]
                self._known.set()
        self._known.set()
