"""Runs processes on separate cores, and reads their CPU and memory from ``/proc``. Linux only.

Source: proc(5).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_CORES = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else [0]
IS_PINNED = len(_CORES) > 1
"""Whether the gateway has its own core; else it shares one with clients and vendor, and times mean little."""

LOAD_CORES = {_CORES[0]}
"""Cores for clients and vendor."""

GATEWAY_CORES = {_CORES[1] if IS_PINNED else _CORES[0]}
ALL_CORES = set(_CORES)
_PATIENCE = 60.0


def pin(process: int, cores: Set[int]) -> None:
    """Pins a process and its children to cores: all their threads, and those that they start later."""
    for member in family(process):
        for thread in os.listdir(f"/proc/{member}/task"):
            with suppress(OSError):
                os.sched_setaffinity(int(thread), cores)


class Program:
    """A program that listens on ``port``. Use as a context manager.

    Raises RuntimeError with the program's output if it exits before it listens, or TimeoutError.
    """

    def __init__(
        self, command: Sequence[str], port: int, cores: set[int], environment: Mapping[str, str] | None = None
    ) -> None:
        self.port = port
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - stop() closes it
        began = time.monotonic()
        self._process = subprocess.Popen(
            command,
            stdout=self._output,
            stderr=self._output,
            env={**os.environ, **(environment or {})},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
            start_new_session=True,
        )
        self.pid = self._process.pid
        try:
            self._wait(began + _PATIENCE)
        except BaseException:
            self.stop()
            raise

    def _wait(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                self._output.seek(0)
                raise RuntimeError(self._output.read().decode(errors="replace")[-2000:])
            # Another process may have taken the port meanwhile.
            with suppress(LookupError):
                if listener(self.port) in family(self.pid):
                    return
            time.sleep(0.005)
        raise TimeoutError("it does not listen")

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        self._output.close()


def vendor(port: int) -> Program:
    return Program([sys.executable, "-m", "tools.bench.vendor", str(port)], port, LOAD_CORES)


def family(process: int) -> Iterator[int]:
    """A process and all its living descendants."""
    yield process
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):
            with suppress(OSError):
                for child in Path(f"/proc/{process}/task/{thread}/children").read_text().split():
                    yield from family(int(child))


def cpu(process: int) -> float:
    """Seconds of CPU used by a process and its children, user and system."""
    total = 0
    for member in family(process):
        with suppress(OSError):
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / _TICK


def memory(process: int) -> float:
    """Resident memory of a process and its children, in MB."""
    return sum(_resident(member) for member in family(process)) / 1e6


def _resident(process: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def listener(port: int) -> int:
    """The id of the process that listens on a port of this machine. Raises LookupError."""
    sockets = {
        f"socket:[{fields[9]}]"
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
    }
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):
            if any(os.readlink(entry) in sockets for entry in folder.iterdir()):
                return int(folder.parent.name)
    raise LookupError(f"nobody listens at port {port}, or nobody who may be looked at")
