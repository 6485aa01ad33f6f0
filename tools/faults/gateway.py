"""A gateway in its own process, with its threads, sockets and memory as the kernel counts them.

Loopback only. Linux only, because the counts come from /proc.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self

from tools.fake_upstream import FakeUpstream
from tools.raw_client import PATIENCE, RawClient, request

CONFIG = """
[server]
{more}
client_timeout = "2s"
keep_alive_timeout = "3s"
max_bytes_in_flight = "64MiB"

[llm.models.both]
targets = ["openai/gpt-4", "second/gpt-4"]
deadline = "30s"
[llm.models.patient]
targets = ["openai/gpt-4", "second/gpt-4"]
patience = "500ms"

[llm.providers.nobody]
type = "openai"
api_key = "sk-fault-injection-key"
base_url = "http://127.0.0.1:9/v1"
retries = {{ attempts = 1 }}
[llm.providers.nobody.models.gpt-4]

[llm.providers.nowhere]
type = "openai"
api_key = "sk-fault-injection-key"
base_url = "http://no-such-host.invalid/v1"
timeouts = {{ connect = "2s" }}
retries = {{ attempts = 1 }}
[llm.providers.nowhere.models.gpt-4]
"""

PROVIDER = """
[llm.providers.{name}]
type = "openai"
api_key = "sk-fault-injection-key"
base_url = "{vendor}"
timeouts = {{ connect = "2s", first_byte = "3s", idle = "3s", keep_alive = "2s" }}
retries = {{ attempts = 1 }}
[llm.providers.{name}.rate_limits.per_user]
output_token_limit = 1000000000
interval = "1h"
[llm.providers.{name}.models.gpt-4]
"""

LIMITED = ("openai/gpt-4", "second/gpt-4")
"""Models whose token reservations are counted."""

CHAT = "/llm/openai/v1/chat/completions"
MESSAGES = "/llm/anthropic/v1/messages"
TRIES = 50
RESERVED = 1_000_000
"""Output tokens that each call reserves and releases when it ends."""

_HEALTH = re.compile(r"health: http://127\.0\.0\.1:(\d+)/")


@dataclass(frozen=True, slots=True)
class Counts:
    """``rss`` in MiB; ``reserved`` is the number of calls whose reservation is not released."""

    threads: int
    sockets: int
    rss: float
    reserved: int

    def __str__(self) -> str:
        return f"{self.threads} threads, {self.sockets} sockets, {self.reserved} reserved, {self.rss:.0f} MiB"


class GatewayProcess:
    """A running ``nexus`` process. Use as a context manager."""

    def __init__(self, vendor: FakeUpstream, more: str = "") -> None:
        """``more`` are additional lines for ``[server]``."""
        self._folder = tempfile.TemporaryDirectory()
        self._file = Path(self._folder.name) / "nexus.toml"
        providers = (PROVIDER.format(name=name, vendor=vendor.base_url) for name in ("openai", "second"))
        self._file.write_text(CONFIG.format(more=more) + "".join(providers))
        self._tracebacks = 0
        self._left: dict[str, int] = {}
        self.access: list[dict[str, Any]] = []
        self.port = 0

    def __enter__(self) -> Self:
        command = (sys.executable, "-m", "nexus", "-c", str(self._file), "-l", "127.0.0.1:0", "--log-style", "json")
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        ready = threading.Event()
        self._reader = threading.Thread(target=self._read_log, args=(ready,), name="log")
        self._reader.start()
        if not ready.wait(PATIENCE):
            raise RuntimeError("the gateway did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._folder.cleanup()

    def _read_log(self, ready: threading.Event) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if (found := _HEALTH.search(line)) is not None:
                self.port = int(found[1])
                ready.set()
            self._tracebacks += "Traceback" in line
            if '"nexus.access"' in line:
                self.access.append(json.loads(line))

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self) -> int:
        """Waits for the process to end and returns its exit code."""
        return self._process.wait(PATIENCE)

    @property
    def tracebacks(self) -> int:
        return self._tracebacks

    def client(self) -> LoadClient:
        return LoadClient(self.port)

    def ask(self, document: Mapping[str, Any], path: str = CHAT) -> Seen | str:
        """What the client of a call saw; in words if it was cut off."""
        with self.client() as client:
            try:
                return client.call(document, path)
            except (OSError, HTTPException) as error:
                return f"cut: {type(error).__name__}"

    def counts(self) -> Counts:
        """The current counts. Sends small calls, whose headers say how much is reserved."""
        # First, because it opens connections, which every count must include.
        reserved = self._reserved() // RESERVED
        process = Path(f"/proc/{self._process.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        sockets = sum(_is_socket(link) for link in (process / "fd").iterdir())
        return Counts(int(status["Threads"]), sockets, int(status["VmRSS"].split()[0]) / 1024, reserved)

    def _reserved(self) -> int:
        reserved = 0
        for model in LIMITED:
            left = next(filter(None, (self._remaining(model) for _ in range(TRIES))), 0)
            reserved += max(0, self._left.setdefault(model, left) - left)
        return reserved

    def _remaining(self, model: str) -> int:
        """Remaining tokens, or 0 if a fault queued for another call hit this one."""
        with suppress(OSError, HTTPException), self.client() as client:
            reply = client.call({"model": model, "max_tokens": 1}, headers={"Connection": "close"})
            return int(reply.headers.get("x-ratelimit-remaining-tokens", "0"))
        return 0

    def settle(self, holds: Callable[[Counts], bool], seconds: float = PATIENCE) -> tuple[Counts, float]:
        """Waits until ``holds`` or ``seconds`` are over; returns the counts and the seconds waited."""
        began = time.monotonic()
        while True:
            now = self.counts()
            if holds(now) or time.monotonic() - began > seconds:
                return now, time.monotonic() - began
            time.sleep(0.1)


def _is_socket(link: Path) -> bool:
    try:
        return os.readlink(link).startswith("socket:")
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client saw."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        try:
            error = json.loads(self.body).get("error") or {}
        except (ValueError, AttributeError):
            error = {}
        words = str(error.get("message", ""))[:70]
        return f"{self.status} {words}".strip()


class LoadClient(RawClient):
    """One connection of raw bytes."""

    def reply(self, method: str = "POST") -> Seen:
        return Seen(*self.answer(method))

    def call(self, more: Mapping[str, Any], path: str = CHAT, headers: Mapping[str, str] | None = None) -> Seen:
        return self.send(request(path, body(more), headers)).reply()


def body(more: Mapping[str, Any]) -> bytes:
    document = {
        "model": "openai/gpt-4",
        "max_tokens": RESERVED,
        "messages": [{"role": "user", "content": "Hello!"}],
        **more,
    }
    return json.dumps(document).encode()


def until(holds: Callable[[], bool]) -> bool:
    """Waits up to ``PATIENCE`` for ``holds``; returns whether it became true."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
