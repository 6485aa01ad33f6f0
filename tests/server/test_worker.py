"""A worker with a blocked loop does not outlive its supervisor, because a separate thread watches for that."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nexus.processes.frames import pack

ROOT = Path(__file__).parents[2]

HANGS = """
import asyncio, socket, sys, time
from nexus.server.process import worker
from nexus.server.process.worker import _Supervised
worker._LAST = 0.1

async def main():
    control = socket.socket(fileno=int(sys.argv[1]))
    commands = {"fail": lambda: 1 / 0, "hello": lambda: print("heard", flush=True)}
    _Supervised(control, asyncio.get_running_loop(), commands, lambda: None).start()
    while True:
        time.sleep(1)

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_worker_with_a_blocked_loop_ends_with_its_supervisor() -> None:
    own, theirs = socket.socketpair()
    with subprocess.Popen(
        [sys.executable, "-c", HANGS, str(theirs.fileno())],
        env={"PYTHONPATH": str(ROOT)},
        pass_fds=[theirs.fileno()],
        stdout=subprocess.PIPE,
    ) as process:
        theirs.close()
        own.sendall(pack(("fail",)) + pack(("hello",)))
        assert process.stdout is not None
        assert process.stdout.readline() == b"heard\n"
        assert process.poll() is None
        own.close()
        assert process.wait(60) == 1
