"""Starts a gateway for an agent.

It ends with the launcher. It runs in its own session, so that it gets no signals from the terminal's keys.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from nexus.cli.options import CommandError
from nexus.cli.recognize import answers_as_nexus
from nexus.settings import Settings
from nexus.settings.listen import ListenAddress, url_of
from nexus.settings.usage import state_folder

LOOPBACK = "127.0.0.1"
PATIENCE = 60.0
"""Timeout in seconds for a started gateway to answer."""

STEP = 0.02
LOG_TAIL = 4_000
"""Bytes of a failed gateway's log to show."""

KEPT_LOGS = 20

_PDEATHSIG = 1


@contextmanager
def started(settings: Settings, file: Path | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Starts a gateway on a free local port and yields its URL; stops it on exit.

    Raises CommandError.
    """
    address, log = ListenAddress(LOOPBACK, _free_port()), _log_file(environ)
    command = [sys.executable, "-m", "nexus", "-l", str(address), "--log-style", "text"]
    if file is not None:
        command += ["-c", str(file.resolve())]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environ),
            start_new_session=True,
            preexec_fn=_dying_with_its_parent(),
        )
    try:
        _wait(process, lambda: answers_as_nexus(settings, address), log)
        yield url_of(address, settings.server.scheme)
    finally:
        if process.poll() is None:
            process.terminate()
        _reap(process)


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Waits for the gateway to exit. It drains its calls in flight, which no client needs any more, so after 2 s it is
    stopped at once."""
    try:
        process.wait(2.0)
    except subprocess.TimeoutExpired:
        # A second SIGTERM skips draining.
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], serves: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise CommandError(f"the gateway exited with code {process.returncode}:\n{_tail(log)}")
        if serves():
            return
        time.sleep(STEP)
    raise CommandError(f"the gateway did not answer within {PATIENCE:g} s; its log is {log}")


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as free:
        return int(free.getsockname()[1])


def _log_file(environ: Mapping[str, str]) -> Path:
    folder, prefix = state_folder(environ), "gateway-"
    try:
        if folder is None:
            raise OSError
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=".log", dir=folder)
    except OSError:
        prefix = f"nexus-{prefix}"
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=".log")
    os.close(handle)
    _forget_old(Path(name), prefix)
    return Path(name)


def _forget_old(newest: Path, prefix: str) -> None:
    # Another launcher may delete the same files, and another user's cannot be deleted.
    with suppress(OSError):
        logs = sorted(newest.parent.glob(f"{prefix}*.log"), key=lambda file: file.stat().st_mtime)
        for old in logs[:-KEPT_LOGS]:
            with suppress(OSError):
                old.unlink()


def _tail(log: Path) -> str:
    return log.read_bytes()[-LOG_TAIL:].decode("utf-8", "replace").strip()


def _dying_with_its_parent() -> Callable[[], object] | None:
    """On Linux, a hook that makes the kernel stop the gateway even if the launcher is killed; elsewhere None."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return partial(prctl, _PDEATHSIG, signal.SIGTERM)
