"""A private, real redis-server: started on a free port, killed and restarted.

Nothing is stored on disk, so a restart loses all data.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools.ports import free_port

BINARY = shutil.which("redis-server")


def require() -> None:
    """Skips the test if Redis is missing; fails it if NEXUS_REQUIRE_REDIS is set, as in CI."""
    try:
        import redis  # noqa: F401
    except ImportError:
        missing = "the Python package redis"
    else:
        if BINARY is not None:
            return
        missing = "redis-server"
    if os.environ.get("NEXUS_REQUIRE_REDIS"):
        pytest.fail(f"{missing} is not installed, and NEXUS_REQUIRE_REDIS is set")
    pytest.skip(f"{missing} is not installed")


class RedisServer:
    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self._process: subprocess.Popen[bytes] | None = None
        # Some ports are too high for a cluster's node, which listens ten thousand ports higher too.
        for _ in range(5):
            self._reserved = free_port()
            self.port = self._reserved.__enter__()
            if (said := self._try()) is None:
                return
        raise AssertionError(said)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> Any:
        import redis

        return redis.Redis(port=self.port)

    def start(self) -> None:
        """Restarts the server on the same port."""
        said = self._try()
        assert said is None, said

    def _try(self) -> str | None:
        """Starts the server and waits until it accepts connections. Returns its output if it exits instead."""
        assert BINARY is not None
        self._process = subprocess.Popen(
            [BINARY, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *self.options],
            cwd=self.folder,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        seen = []
        for line in self._process.stdout:
            seen.append(line)
            if b"Ready to accept connections" in line:
                return None
        self.kill()
        return b"".join(seen).decode()

    def stall(self) -> None:
        """Suspends the server: connections stay open, but it no longer answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
