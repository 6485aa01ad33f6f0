"""The real server on a real port and its own thread, for tests that talk to it like a client.

None of our code is replaced; a test may inspect ``server`` and ``runtime``, but calls go through the socket.
"""

import asyncio
import http.client
import json
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

from nexus.accounting.database import migrate
from nexus.accounting.record import CallRecord
from nexus.accounting.sqlite import SqliteDatabase
from nexus.accounting.state import file_of
from nexus.auth.credentials import OWN, SHARED
from nexus.server.process.running import Running, start
from nexus.server.runtime import Runtime
from nexus.server.server import Server
from nexus.server.sockets.listeners import Listeners
from nexus.server.sockets.listening import base_url, bind
from nexus.settings import ListenAddress, Settings, load, secrets
from tests.secrets import is_known

KEY = "sk-hushhush-house-0123456789"
ALICE, BOB = "nx-hushhusha1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6", "nx-hushhushz9y8x7w6v5u4t3s2r1q0p9o8n7m6l5k4"
"""Gateway keys of two callers."""

OPENAI = """
[llm.providers.openai]
type = "openai"
api_key = "{key}"
base_url = "{base_url}"
[llm.providers.openai.models.gpt-4]
[llm.providers.openai.models.smart]
rename = "gpt-4"
"""

ANTHROPIC = """
[llm.providers.anthropic]
type = "anthropic"
api_key = "{key}"
base_url = "{base_url}"
[llm.providers.anthropic.models.claude]
rename = "claude-sonnet-4-5"
"""


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def openai_config(url: str, more: str = "") -> str:
    return OPENAI.format(key=KEY, base_url=url) + more


def anthropic_config(url: str, more: str = "") -> str:
    return ANTHROPIC.format(key=KEY, base_url=url) + more


@dataclass
class Reply:
    """The reply that a plain HTTP client got; ``whole`` is true if the body ended properly."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Nexus:
    """A running server; use as a context manager."""

    settings: Settings
    base: str = ""
    running: Running | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _stop: asyncio.Event | None = None
    _ready: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, toml: str, folder: Path) -> Self:
        """A server with its state in a folder. Retries are immediate unless the text sets a delay."""
        file = folder / "nexus.toml"
        file.write_text(toml)
        settings = load(file, {"XDG_STATE_HOME": str(folder / "state")})
        for provider in settings.llm.providers.values():
            if "base_delay" not in provider.retries.model_fields_set:
                vars(provider)["retries"] = provider.retries.model_copy(update={"base_delay": 0.001})
        if settings.usage.store is None:
            _lay_tables(file_of(settings.origin.store))
        return cls(settings)

    @property
    def openai(self) -> str:
        return f"{self.base}/llm/openai/v1"

    @property
    def anthropic(self) -> str:
        return f"{self.base}/llm/anthropic"

    @property
    def port(self) -> int:
        return int(self.base.rpartition(":")[2])

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None
        return self._loop

    @property
    def server(self) -> Server:
        assert self.running is not None
        return self.running.server

    @property
    def runtime(self) -> Runtime:
        assert self.running is not None
        return self.running.runtime

    def records(self) -> list[CallRecord]:
        """The records of the calls from now on."""
        found: list[CallRecord] = []
        self.server.consumers = (*self.server.consumers, found.append)
        return found

    def __enter__(self) -> Self:
        known = all(map(is_known, secrets(self.settings)))
        assert known, "a secret of the settings would not be recognised if it leaked; see tests/secrets.py"
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="nexus-under-test")
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None and self._stop is not None
        if self._thread.is_alive():
            # A test may have stopped it already.
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        assert not self._thread.is_alive(), "the server did not stop"

    async def _main(self) -> None:
        sockets = bind(ListenAddress("127.0.0.1", 0))
        self.base = base_url(sockets[0])
        self.running = start(self.settings, Listeners(sockets))
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._stop.wait()
        await self.running.stop()

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        may_be_cut: bool = False,
    ) -> Reply:
        """Raises IncompleteRead for a truncated body, unless that is allowed."""
        for name in CARRIERS & {name.lower() for name in headers or {}}:
            shown = next(value for key, value in (headers or {}).items() if key.lower() == name)
            assert is_known(shown.rpartition(" ")[2]), f"the secret in {name} would not be recognised if it leaked"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            response = connection.getresponse()
            given = rest(response) if may_be_cut else (response.read(), True)
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, *given)
        finally:
            connection.close()

    def post(
        self, path: str, body: Any, headers: Mapping[str, str] | None = None, *, may_be_cut: bool = False
    ) -> Reply:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **(headers or {})}
        return self.request("POST", path, raw, given, may_be_cut=may_be_cut)

    def chat(self, body: Mapping[str, Any] | bytes, headers: Mapping[str, str] | None = None) -> Reply:
        return self.post(PATHS["chat"], body, headers)

    def messages(self, body: Mapping[str, Any] | bytes, headers: Mapping[str, str] | None = None) -> Reply:
        return self.post(PATHS["messages"], body, headers)


def _lay_tables(file: Path | None) -> None:
    """Copies tables into the default store if it has none, because creating them takes a fifth of a server's start."""
    if file is not None and not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(0o600)
        file.write_bytes(_tables())


@cache
def _tables() -> bytes:
    with tempfile.TemporaryDirectory(prefix="nexus-tables-") as folder:
        file = Path(folder) / "usage.sqlite3"
        database = SqliteDatabase(file)
        migrate(database)
        database.close()
        return file.read_bytes()


def rest(response: http.client.HTTPResponse) -> tuple[bytes, bool]:
    """The rest of the body, and whether it ended properly."""
    try:
        return response.read(), True
    except http.client.IncompleteRead as cut:
        return cut.partial, False


def wait_until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Polls for a state that no event announces; fails after a timeout."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.002)


CARRIERS = frozenset({*OWN, *SHARED, "x-provider-api-key"})
"""The headers that a secret of a client comes in."""

PATHS = {
    "chat": "/llm/openai/v1/chat/completions",
    "responses": "/llm/openai/v1/responses",
    "messages": "/llm/anthropic/v1/messages",
}
"""By the client's dialect."""

HELLO = [{"role": "user", "content": "Hello!"}]
BODIES: dict[str, dict[str, Any]] = {
    "chat": {"messages": HELLO},
    "responses": {"input": "Hello!"},
    "messages": {"messages": HELLO, "max_tokens": 64},
}
"""By the client's dialect, without a model."""

BEGINS = {"chat": b'"role":"assistant"', "responses": b"event: response.created", "messages": b"event: message_start"}
ENDS = {"chat": b"data: [DONE]", "responses": b"event: response.completed", "messages": b"event: message_stop"}
"""What a stream begins and ends with, by the client's dialect."""

CHAT = {"model": "openai/gpt-4", "messages": HELLO}
MESSAGES = {"model": "anthropic/claude", "max_tokens": 64, "messages": HELLO}
