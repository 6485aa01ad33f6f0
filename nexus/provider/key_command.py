"""Runs the program that prints a provider's key.

Uses no shell, never logs or reports the program's output, and limits its time and output.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence

from pydantic import SecretStr

from nexus.errors import UpstreamError
from nexus.renewal import PHASE, Grant

LIMIT = 10.0
"""Timeout in seconds."""

LARGEST = 64 * 1024
"""Maximum output in bytes."""


class KeyCommand:
    """Fetches a key from a program. ``fetch`` blocks, and raises UpstreamError."""

    def __init__(self, provider: str, command: Sequence[str], refresh: float, *, limit: float = LIMIT) -> None:
        self._provider = provider
        self._command = command
        self._refresh = refresh
        self._limit = limit

    def fetch(self) -> Grant[SecretStr]:
        key = self._run()
        return Grant(SecretStr(key), expires=float("inf"), fetched=time.time(), refresh=self._refresh)

    def _run(self) -> str:
        deadline = time.monotonic() + self._limit
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise self._failure(f"cannot be started: {(error.strerror or type(error).__name__).lower()}") from None
        except ValueError:
            raise self._failure("cannot be started") from None
        output = _output(process, deadline)
        if output is None:
            _kill(process)
            raise self._failure(f"took longer than {self._limit:g} s")
        if len(output) > LARGEST:
            _kill(process)
            raise self._failure(f"printed more than {LARGEST} bytes")
        try:
            status = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _kill(process)
            raise self._failure(f"took longer than {self._limit:g} s") from None
        if status != 0:
            raise self._failure(f"ended with the status {status}")
        return self._read(output)

    def _read(self, data: bytes) -> str:
        key = data.decode("utf-8-sig", "replace").strip()
        if not key:
            raise self._failure("printed nothing")
        if not (key.isascii() and key.isprintable()):
            raise self._failure("printed more than one line, or characters that are not allowed in an HTTP header")
        return key

    def _failure(self, words: str) -> UpstreamError:
        error = UpstreamError(f"{self._provider}: api_key_command {words}", provider=self._provider)
        return error.at(PHASE, f"api_key_command {words}")


def _output(process: subprocess.Popen[bytes], deadline: float) -> bytes | None:
    """What a program prints until it closes its output, or a byte more than LARGEST; None if it takes too long, for
    example because another process keeps the pipe open."""
    pipe = process.stdout
    assert pipe is not None
    data = b""
    with pipe, selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while len(data) <= LARGEST:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return None
            piece = os.read(pipe.fileno(), LARGEST + 1 - len(data))
            if not piece:
                break
            data += piece
    return data


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except OSError:
        process.kill()
    process.wait()
