"""Windows in the supervisor: conformance, over a socket; what happens when the supervisor does not answer; no sum lost
between processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from nexus.errors import Overloaded
from nexus.limits.quota import Granted, Store
from nexus.limits.store_memory import MemoryStore
from nexus.limits.store_remote import RemoteStore, services
from nexus.processes.hub import Hub
from nexus.processes.link import Link, connected
from nexus.processes.poller import Poller
from tests.limits.conformance import StoreConformance, granted
from tests.limits.kit import Clock, demand
from tests.processes.kit import Served


class TestRemoteStore(StoreConformance):
    @pytest.fixture
    def store(self, clock: Clock) -> Iterator[Store]:
        served = Served(services(MemoryStore(clock)))
        link = served.link()
        with served:
            yield RemoteStore(link)


def test_one_that_does_not_answer() -> None:
    served = Served(services(MemoryStore()))
    store = RemoteStore(served.link(seconds=0.05))
    with served:
        served.stop()
        with pytest.raises(Overloaded, match="limits cannot be checked at the moment"):
            store.reserve([demand(1, 10)])
        store.ping()


def test_one_that_is_full_says_so() -> None:
    served = Served(services(MemoryStore(max_keys=1)))
    store = RemoteStore(served.link())
    with served:
        granted(store.reserve([demand(1, 10)]))
        with pytest.raises(Overloaded, match="too many callers"):
            store.reserve([demand(1, 10, key="other")])


def test_a_settlement_that_gets_lost_is_told(caplog: pytest.LogCaptureFixture) -> None:
    served = Served(services(MemoryStore()))
    store = RemoteStore(served.link(seconds=0.05))
    with served:
        held = granted(store.reserve([demand(5, 10)]))
        served.stop()
        served.hub.close()
        store.settle(held, [0])
    assert "a reservation stays counted" in caplog.text


PROCESSES = 4
TRIES = 150
LIMIT = 400


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_hammered_by_processes_the_sum_is_exact() -> None:
    """Each tries more than its share, and gives some of it back."""
    with closing(Poller()) as poller:
        hub = Hub(services(MemoryStore()), poller)
        children: dict[int, int] = {}
        for _ in range(PROCESSES):
            own, theirs = zip(*connected(1), strict=True)
            reads, writes = os.pipe()
            if (child := os.fork()) == 0:
                os.write(writes, str(_hammer(Link(theirs))).encode())
                os._exit(0)
            os.close(writes)
            theirs[0].close()
            hub.add(own[0])
            children[child] = reads
        while len(hub):
            poller.wait(60)
    taken = 0
    for child, reads in children.items():
        os.waitpid(child, 0)
        taken += int(os.read(reads, 100))
        os.close(reads)
    assert taken == LIMIT


def _hammer(link: Link) -> int:
    """How many were granted and kept; every third one is given back at once."""
    store, taken = RemoteStore(link), 0
    for number in range(TRIES):
        decision = store.reserve([demand(1, LIMIT, 3600)])
        if isinstance(decision, Granted) and number % 3 == 0:
            store.settle(decision, [0])
        elif isinstance(decision, Granted):
            taken += 1
    return taken
