"""Process faults: a worker or the supervisor is killed, or a server with two workers is stopped, under load."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

from tools.fake_upstream import FakeUpstream
from tools.faults.gateway import GatewayProcess, until
from tools.raw_client import PATIENCE, head

CALLERS = 8
AFTERWARDS = 40
"""Calls before the fault, and again after it."""

LOST = "lost"


class Load:
    """Several callers, each with one call at a time, as behind a load balancer: only while the gateway is ready."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.seen: Counter[str] = Counter()
        self._callers = [threading.Thread(target=self._run, name="caller") for _ in range(CALLERS)]
        for caller in self._callers:
            caller.start()

    def _run(self) -> None:
        while not self._over.is_set() and self._is_ready():
            try:
                with self._gateway.client() as client:
                    seen = str(client.call({}).status)
            except (OSError, HTTPException):
                seen = LOST
            with self._lock:
                self.seen[seen] += 1

    def _is_ready(self) -> bool:
        """Whether to call: True also if the gateway cannot be asked, because the failed call is then counted."""
        with suppress(OSError, HTTPException), self._gateway.client() as client:
            return client.send(head("/ready", method="GET")).reply("GET").status == 200
        return True

    def more(self, count: int) -> None:
        """Waits for ``count`` more calls."""
        wanted = self.seen.total() + count
        until(lambda: self.seen.total() >= wanted)

    def end(self) -> Counter[str]:
        self._over.set()
        for caller in self._callers:
            caller.join(PATIENCE)
        return self.seen


def workers_of(gateway: GatewayProcess) -> list[int]:
    return [pid for pid in children_of(gateway.pid) if is_alive(pid)]


def children_of(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    with suppress(OSError):
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


@contextmanager
def two_under_load(vendor: FakeUpstream, more: str = "") -> Iterator[tuple[GatewayProcess, Load]]:
    """A gateway with two ready workers, under load; ``more`` are additional lines for ``[server]``."""
    with GatewayProcess(vendor, f"workers = 2\n{more}") as own:
        until(lambda: len(workers_of(own)) == 2)
        load = Load(own)
        load.more(AFTERWARDS)
        yield own, load


def worker_killed(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
    """At most one call per caller may be lost: each has at most one in flight."""
    with two_under_load(vendor) as (own, load):
        victim = workers_of(own)[0]
        os.kill(victim, signal.SIGKILL)
        back = until(lambda: len(workers_of(own)) == 2 and victim not in workers_of(own))
        load.more(AFTERWARDS)
        seen = load.end()
    others = seen.total() - seen["200"] - seen[LOST]
    few = "no more than were under way" if seen[LOST] <= CALLERS else str(seen[LOST])
    return f"lost: {few}; otherwise failed: {others}; {'replaced' if back else 'not replaced'}"


def supervisor_killed(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
    with two_under_load(vendor) as (own, load):
        workers = workers_of(own)
        os.kill(own.pid, signal.SIGKILL)
        gone = until(lambda: not any(map(is_alive, workers)))
        load.end()
    return "no worker left" if gone else "workers left"


def stopped(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
    with two_under_load(vendor, 'drain_delay = "1s"') as (own, load):
        os.kill(own.pid, signal.SIGTERM)
        code = own.wait()
        seen = load.end()
    return f"{seen.total() - seen['200']} lost or failed, exit code {code}"


FAULTS = {
    "a worker is killed under load": (
        worker_killed,
        "lost: no more than were under way; otherwise failed: 0; replaced",
    ),
    "the supervisor is killed under load": (supervisor_killed, "no worker left"),
    "a stop under load": (stopped, "0 lost or failed, exit code 0"),
}
"""Each fault by name, with the expected beginning of what is seen."""
