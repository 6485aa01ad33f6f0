"""Load generator with little overhead: one thread, epoll, each connection repeats one request. Linux only.

    python -m tools.bench.load JSON

The argument is a ``Load`` as JSON; the output is a ``Seen`` as JSON.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

_STAMP = re.compile(rb"@(\d{16}):(\d{5})")
_STAMP_SIZE = 23
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_READ = 256 * 1024


@dataclass(frozen=True, slots=True)
class Load:
    """``clients`` connections start within ``ramp`` seconds and send requests until ``seconds`` are over or ``calls``
    were made. A stream must have ``deltas`` stamps; 0 means whole answers. ``body`` is the path of a file."""

    port: int
    path: str
    body: str
    clients: int
    seconds: float
    calls: int = 10**9
    headers: dict[str, str] = field(default_factory=dict)
    ramp: float = 0.0
    deltas: int = 0


@dataclass(slots=True)
class Seen:
    """Complete answers, failures by kind, and times in ms, each as p50, p99 and maximum: ``whole`` calls, to the
    ``first`` delta, ``age`` of a delta on arrival, and ``gap`` between two deltas of a stream."""

    calls: int = 0
    deltas: int = 0
    wall: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)
    whole: tuple[float, float, float] = (0, 0, 0)
    first: tuple[float, float, float] = (0, 0, 0)
    age: tuple[float, float, float] = (0, 0, 0)
    gap: tuple[float, float, float] = (0, 0, 0)

    @property
    def failed(self) -> int:
        return sum(self.failures.values())


def quantiles(values: list[float]) -> tuple[float, float, float]:
    """The median, the 99th percentile and the maximum."""
    values.sort()
    if not values:
        return (0, 0, 0)
    last = len(values) - 1
    return (values[last // 2], values[round(last * 0.99)], values[last])


class _Client:
    sock: socket.socket | None = None
    asked = 0.0
    before = 0.0
    deltas = 0
    busy = False

    def __init__(self) -> None:
        self.received = bytearray()
        self.unsent = memoryview(b"")
        self.needed = 0


class _Clients:
    def __init__(self, load: Load) -> None:
        self._load = load
        with open(load.body, "rb") as file:
            body = file.read()
        lines = {"Host": f"127.0.0.1:{load.port}", "Content-Type": "application/json", **load.headers}
        lines["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._request = f"POST {load.path} HTTP/1.1\r\n{head}\r\n".encode() + body
        self._epoll = select.epoll()
        self._by_number: dict[int, _Client] = {}
        self._asked = 0
        self._running = 0
        self.seen = Seen()
        self._whole: list[float] = []
        self._first: list[float] = []
        self._age: list[float] = []
        self._gap: list[float] = []

    def run(self) -> Seen:
        load, began = self._load, time.monotonic()
        waiting = [(began + load.ramp * i / load.clients, _Client()) for i in range(load.clients)]
        waiting.reverse()
        self._end = began + load.seconds
        # Calls that started in time may end later.
        while (waiting or self._running) and time.monotonic() < self._end + 60:
            while waiting and waiting[-1][0] <= time.monotonic():
                self._ask(waiting.pop()[1])
            wait = max(0.0, waiting[-1][0] - time.monotonic()) if waiting else 1.0
            for number, events in self._epoll.poll(wait):
                client = self._by_number[number]
                if events & select.EPOLLOUT:
                    self._send(client)
                if events & ~select.EPOLLOUT:
                    self._read(client)
        self.seen.wall = time.monotonic() - began
        if self._running:
            self._fail("unfinished", self._running)
        self.seen.whole, self.seen.first = quantiles(self._whole), quantiles(self._first)
        self.seen.age, self.seen.gap = quantiles(self._age), quantiles(self._gap)
        return self.seen

    def _fail(self, why: str, times: int = 1) -> None:
        self.seen.failures[why] = self.seen.failures.get(why, 0) + times

    def _ask(self, client: _Client) -> None:
        if time.monotonic() >= self._end or self._asked >= self._load.calls:
            return
        self._asked += 1
        self._running += 1
        client.busy, client.asked, client.deltas, client.needed = True, time.monotonic(), 0, 0
        client.received.clear()
        client.unsent = memoryview(self._request)
        if client.sock is None:
            try:
                client.sock = socket.create_connection(("127.0.0.1", self._load.port), timeout=30)
            except OSError as error:
                self._done(client, type(error).__name__)
                return
            client.sock.setblocking(False)
            client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._by_number[client.sock.fileno()] = client
            self._epoll.register(client.sock.fileno(), select.EPOLLIN)
        self._send(client)

    def _send(self, client: _Client) -> None:
        assert client.sock is not None
        try:
            client.unsent = client.unsent[client.sock.send(client.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            return  # the next read fails too
        self._epoll.modify(client.sock.fileno(), select.EPOLLIN | (select.EPOLLOUT if client.unsent else 0))

    def _read(self, client: _Client) -> None:
        assert client.sock is not None
        try:
            piece = client.sock.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._done(client, "connection closed")
        elif client.busy:
            client.received += piece
            if self._load.deltas:
                self._read_stream(client, time.monotonic())
            else:
                self._read_whole(client)

    def _read_whole(self, client: _Client) -> None:
        received = client.received
        if not client.needed:
            end = received.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(received, 0, end)
            if length is None:
                # Chunked: some gateways send whole answers so.
                if received.endswith(b"0\r\n\r\n"):
                    self._done(client, None if received.startswith(b"HTTP/1.1 200") else received[9:12].decode())
                return
            client.needed = end + 4 + int(length[1])
        if len(received) >= client.needed:
            self._done(client, None if received.startswith(b"HTTP/1.1 200") else received[9:12].decode())

    def _read_stream(self, client: _Client, now: float) -> None:
        received, end = client.received, 0
        for stamp in _STAMP.finditer(received):
            end = stamp.end()
            if int(stamp[2]) != client.deltas:
                self._fail("lost or reordered")
            self._age.append(now * 1000 - int(stamp[1]) / 1000)
            (self._gap if client.deltas else self._first).append(
                (now - (client.before if client.deltas else client.asked)) * 1000
            )
            client.before, client.deltas = now, client.deltas + 1
            self.seen.deltas += 1
        if received.startswith(b"HTTP/1.1 ") and not received.startswith(b"HTTP/1.1 200"):
            self._done(client, received[9:12].decode())
        elif received.endswith(b"0\r\n\r\n"):
            self._done(client, None if client.deltas == self._load.deltas else "short")
        elif end or len(received) > 4096:
            del received[: max(end, len(received) - _STAMP_SIZE)]

    def _done(self, client: _Client, failure: str | None) -> None:
        was_busy, client.busy = client.busy, False
        if failure is not None and client.sock is not None:
            del self._by_number[client.sock.fileno()]
            client.sock.close()
            client.sock = None
        if not was_busy:
            return
        self._running -= 1
        if failure is None:
            self.seen.calls += 1
            self._whole.append((time.monotonic() - client.asked) * 1000)
        else:
            self._fail(failure)
        self._ask(client)


def main(arguments: Sequence[str]) -> None:
    sys.stdout.write(json.dumps(asdict(_Clients(Load(**json.loads(arguments[0]))).run())))


if __name__ == "__main__":
    main(sys.argv[1:])
