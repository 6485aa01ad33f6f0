"""Nexus as several processes, observed from outside: which are alive, which descriptors they hold, and how they end."""

import http.client
import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.server.test_process import Process
from tests.serving import wait_until
from tools.faults.processes import is_alive

_SERVES = re.compile(r"a worker is ready pid=(\d+)")


class Fleet(Process):
    """``count`` workers and their supervisor."""

    def __init__(self, folder: Path, config: str, count: int, *arguments: str) -> None:
        (folder / "nexus.toml").write_text(config)
        super().__init__(folder, "-l", "127.0.0.1:0", "--log-style", "text", *arguments)
        self._count = count

    def await_workers(self) -> list[int]:
        """The process ids of all live workers, once there are as many as configured."""
        wait_until(lambda: len(self.workers) == self._count)
        return self.workers

    @property
    def started(self) -> list[int]:
        """The processes that have started serving, in order."""
        return [int(pid) for pid in _SERVES.findall(self.output)]

    @property
    def workers(self) -> list[int]:
        return [pid for pid in self.started if is_alive(pid)]

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, path: str) -> int:
        """The status of a GET on a new connection."""
        return self._answer("GET", path)[0]

    def get(self, path: str) -> bytes:
        """The body of a GET's answer on a new connection."""
        return self._answer("GET", path)[1]

    def send(self, path: str, body: Any) -> tuple[int, bytes]:
        """A POST on a new connection."""
        return self._answer("POST", path, json.dumps(body), {"Content-Type": "application/json"})

    def _answer(self, *asked: Any) -> tuple[int, bytes]:
        with closing(self.connect()) as connection:
            connection.request(*asked)
            reply = connection.getresponse()
            return reply.status, reply.read()


def descriptors(pid: int, kind: str = "") -> int:
    """The open file descriptors; ``kind`` is the prefix of the system's name for them."""
    count = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            count += os.readlink(link).startswith(kind)
    return count


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Any]:
    """Starts workers with the given configuration text."""
    with ExitStack() as stack:

        def run(config: str, count: int = 2, *arguments: str) -> Fleet:
            started = Fleet(tmp_path, f"[server]\nworkers = {count}\n{config}", count, *arguments)
            stack.callback(_end, started)
            return started

        yield run


def _end(fleet: Fleet) -> None:
    started = fleet.started
    fleet.kill()
    for pid in started:
        if is_alive(pid):
            kill(pid)


def kill(pid: int) -> None:
    """Kills a process that may just have ended by itself."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
