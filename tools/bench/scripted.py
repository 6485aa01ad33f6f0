"""Counts the function calls of a gateway in this process, whose client and vendor run step by step in one thread.

Law: the thread of client and vendor is not counted, all others are.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Self
from urllib.parse import urlsplit

from nexus.cli.smoke.site import LocalServer
from nexus.settings import load
from tools.bench.answers import ANSWERS, LAST_CHUNK, chunk, head
from tools.bench.bodies import body
from tools.bench.nexus_toml import HEADERS, PATHS, config

DELTAS = 100
SIZE = 2000
MOMENT = 0.001
"""Seconds after which a runnable thread has run."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Lane:
    """A client's dialect, a vendor's dialect, and whether the answer is streamed."""

    client: str
    vendor: str
    stream: bool

    @property
    def name(self) -> str:
        return f"{self.client}-{self.vendor}" + ("-stream" if self.stream else "")


_PAIRS = (
    ("chat", "chat"),
    ("messages", "messages"),
    ("responses", "responses"),
    ("messages", "chat"),
    ("chat", "messages"),
    ("responses", "chat"),
    ("responses", "messages"),
    ("messages", "responses"),
    ("chat", "gemini"),
    ("messages", "gemini"),
    ("chat", "converse"),
    ("messages", "converse"),
)
LANES = tuple(Lane(client, vendor, stream) for client, vendor in _PAIRS for stream in (False, True))


class _Calls:
    """Counts calls of Python and C functions in every thread that starts while it is installed."""

    def __init__(self) -> None:
        self._counts: dict[int, Counter[Any]] = {}
        self._events = 0

    @property
    def is_quiet(self) -> bool:
        """Whether all threads wait: nothing was called for ``MOMENT``."""
        before = self._events
        time.sleep(MOMENT)
        return self._events == before

    def install(self) -> None:
        threading.setprofile(self._begin)

    def remove(self) -> None:
        threading.setprofile(None)

    def _begin(self, frame: FrameType, event: str, argument: Any) -> None:
        """Handles the first event of a thread: installs a counter for it."""
        counts = self._counts.setdefault(threading.get_ident(), Counter())

        def profile(frame: FrameType, event: str, argument: Any) -> None:
            self._events += 1
            if event == "call":
                counts[frame.f_code] += 1
            elif event == "c_call":
                counts[argument.__qualname__] += 1

        sys.setprofile(profile)

    def take(self) -> Counter[str]:
        """Calls by function since the last ``take``."""
        found: Counter[str] = Counter()
        for counts in list(self._counts.values()):
            for function, calls in list(counts.items()):
                name = (
                    function if isinstance(function, str) else f"{_short(function.co_filename)}:{function.co_qualname}"
                )
                found[name] += calls
            counts.clear()
        return found


def _short(path: str) -> str:
    return "/".join(Path(path).parts[-2:])


class CountedGateway:
    """Nexus on its own thread. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._calls = _Calls()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        dialects = tuple(ANSWERS)
        file = folder / "nexus.toml"
        file.write_text(config(0, f"http://127.0.0.1:{self._listener.getsockname()[1]}", dialects=dialects))
        self._nexus = LocalServer(load(file, {"XDG_STATE_HOME": str(folder)}))
        self._vendors: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._calls.install()
        self._nexus.__enter__()
        self._client = socket.create_connection(("127.0.0.1", urlsplit(self._nexus.url).port or 0))
        self._client.settimeout(60)
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._client, self._listener, *self._vendors):
            sock.close()
        self._nexus.__exit__()
        self._calls.remove()

    def answer(self, lane: Lane) -> Counter[str]:
        """Makes one call; returns all function calls from its first byte until the gateway is idle again."""
        self._settle()
        self._calls.take()
        asked = body(lane.client, SIZE, f"{lane.vendor}/whole", stream=lane.stream)
        lines = {"Host": "bench", "Content-Type": "application/json", **HEADERS, "Content-Length": str(len(asked))}
        fields = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._client.sendall(f"POST {PATHS[lane.client]} HTTP/1.1\r\n{fields}\r\n".encode() + asked)
        vendor, answers = self._asked_vendor(), ANSWERS[lane.vendor]
        if lane.stream:
            self._stream(lane, vendor)
        else:
            vendor.sendall(head(lane.vendor, stream=False) + answers.whole)
            self._received(b"200", whole=True)
        self._settle()
        return self._calls.take()

    def _stream(self, lane: Lane, vendor: socket.socket) -> None:
        answers = ANSWERS[lane.vendor]
        opening = chunk(answers.opening) if answers.opening else b""
        for number in range(DELTAS):
            word = f"word-{number:05}"
            piece = chunk(answers.delta(f"{word} "))
            vendor.sendall(piece if number else head(lane.vendor, stream=True) + opening + piece)
            self._received(word.encode())
            self._wait_for_quiet()
        vendor.sendall(chunk(answers.closing) + LAST_CHUNK)
        self._received(LAST_CHUNK)

    def _asked_vendor(self) -> socket.socket:
        """The connection on which the vendor received a request, which is read."""
        deadline = time.monotonic() + 60
        self._listener.settimeout(0.001)
        while time.monotonic() < deadline:
            for vendor in self._vendors:
                if _read_request(vendor):
                    return vendor
            try:
                vendor, _ = self._listener.accept()
            except TimeoutError:
                continue
            vendor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            vendor.settimeout(0.0)
            self._vendors.append(vendor)
        raise TimeoutError("the vendor was not asked")

    def _received(self, mark: bytes, *, whole: bool = False) -> None:
        """Reads as the client until ``mark`` arrives, or to the end of the answer if ``whole``."""
        received = b""
        while True:
            piece = self._client.recv(65536)
            if not piece:
                raise ConnectionError(f"the gateway closed the connection: {received[-500:]!r}")
            received += piece
            if mark not in received:
                continue
            if not whole or _is_whole(received):
                return

    def _settle(self) -> None:
        """Waits until nothing is in flight."""
        server = self._nexus.running.server
        while server.calls or server.workers.busy:
            self._wait_for_quiet()
        self._wait_for_quiet()

    def _wait_for_quiet(self) -> None:
        deadline = time.monotonic() + 60
        while not self._calls.is_quiet:
            if time.monotonic() > deadline:
                raise TimeoutError("a call does not end")


def _is_whole(received: bytes) -> bool:
    end = received.find(b"\r\n\r\n")
    length = _LENGTH.search(received, 0, end)
    if length is None:
        return received.endswith(LAST_CHUNK)
    return len(received) >= end + 4 + int(length[1])


def _read_request(vendor: socket.socket) -> bytes:
    """A whole request, or b"" if none has arrived."""
    vendor.settimeout(0.0)
    try:
        received = vendor.recv(65536)
    except BlockingIOError:
        return b""
    vendor.settimeout(60)
    while received and not _is_whole(received):
        received += vendor.recv(65536)
    return received
