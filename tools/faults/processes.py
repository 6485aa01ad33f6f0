"""What happens to processes: a worker or the supervisor is killed under load, a server of two is stopped under load."""

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
from tools.faults.gateway import Gateway, until
from tools.raw_client import PATIENCE, head

CALLERS = 8
AFTERWARDS = 40
"""Calls that are made before the fault, and after it."""

LOST = "lost"


class Load:
    """Calls one after the other by each of some callers, as a load balancer sends them: to whoever is ready."""

    def __init__(self, gateway: Gateway) -> None:
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
        """Or not there for the moment: what a call then meets is counted."""
        with suppress(OSError, HTTPException), self._gateway.client() as client:
            return client.send(head("/ready", method="GET")).reply("GET").status == 200
        return True

    def more(self, count: int) -> None:
        """Waits for so many further calls."""
        wanted = self.seen.total() + count
        until(lambda: self.seen.total() >= wanted)

    def end(self) -> Counter[str]:
        self._over.set()
        for caller in self._callers:
            caller.join(PATIENCE)
        return self.seen


def workers_of(gateway: Gateway) -> list[int]:
    with suppress(OSError):
        text = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text()
        return [pid for pid in map(int, text.split()) if is_alive(pid)]
    return []


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


@contextmanager
def two_under_load(vendor: FakeUpstream, more: str = "") -> Iterator[tuple[Gateway, Load]]:
    """Two workers that serve, and callers; ``more`` are lines of ``[server]``."""
    with Gateway(vendor, f"workers = 2\n{more}") as own:
        until(lambda: len(workers_of(own)) == 2)
        load = Load(own)
        load.more(AFTERWARDS)
        yield own, load


def worker_killed(gateway: Gateway, vendor: FakeUpstream) -> str:
    """Every caller had one call under way at most, half of them at the worker that died."""
    with two_under_load(vendor) as (own, load):
        victim = workers_of(own)[0]
        os.kill(victim, signal.SIGKILL)
        back = until(lambda: len(workers_of(own)) == 2 and victim not in workers_of(own))
        load.more(AFTERWARDS)
        seen = load.end()
    others = seen.total() - seen["200"] - seen[LOST]
    few = "no more than were under way" if seen[LOST] <= CALLERS else str(seen[LOST])
    return f"lost: {few}; otherwise failed: {others}; {'replaced' if back else 'not replaced'}"


def supervisor_killed(gateway: Gateway, vendor: FakeUpstream) -> str:
    with two_under_load(vendor) as (own, load):
        workers = workers_of(own)
        os.kill(own.pid, signal.SIGKILL)
        gone = until(lambda: not any(map(is_alive, workers)))
        load.end()
    return "no worker left" if gone else "workers left"


def stopped(gateway: Gateway, vendor: FakeUpstream) -> str:
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
"""Each with the beginning of what has to be seen."""
