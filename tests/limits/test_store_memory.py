"""Windows in memory: conformance; bounded memory without losing current spending; no spending is lost between
processes that share it, even if one of them dies."""

import os
import signal
import threading
from collections.abc import Callable

import pytest

from nexus.errors import Overloaded
from nexus.limits.quota import Granted, Refused, Store
from nexus.limits.store_memory import MemoryStore
from nexus.limits.window_table import NEAR, WindowTable
from nexus.processes import lock
from tests.limits.conformance import FullStoreConformance, StoreConformance, granted
from tests.limits.kit import Clock, demand

PLACES = 1 << 10


def shared(places: int = PLACES) -> WindowTable:
    return WindowTable(places, lock.Lock())


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self, clock: Clock) -> Store:
        return MemoryStore(clock)


class TestShared(StoreConformance):
    @pytest.fixture
    def store(self, clock: Clock) -> Store:
        return MemoryStore(clock, shared())


class TestFull(FullStoreConformance):
    @pytest.fixture
    def few(self, clock: Clock) -> Store:
        return MemoryStore(clock, WindowTable(10))


def test_a_new_key_does_not_take_the_slot_of_another_key_in_the_same_decision() -> None:
    """The window of the other key has expired, so its slot would be free."""
    clock = Clock()
    for number in range(10):
        store = MemoryStore(clock, WindowTable(2))
        granted(store.reserve([demand(5, 10, 60, "known")]))
        clock.tick(60)
        both = [demand(1, 10, 60, f"new{number}"), demand(2, 10, 60, "known")]
        granted(store.reserve(both))
        assert [standing.used for standing in granted(store.reserve(both)).standings] == [2, 4]


def test_a_refused_new_key_takes_no_slot() -> None:
    windows = WindowTable(1)
    store = MemoryStore(Clock(), windows)
    assert isinstance(store.reserve([demand(11, 10, key="greedy")]), Refused)
    granted(store.reserve([demand(1, 10)]))


def test_keys_never_share_a_window_while_they_come_and_go() -> None:
    """More keys than slots, but most expire before the next ones come; each is stored near its hash position."""
    clock, spent = Clock(), dict[str, int]()
    store = MemoryStore(clock, WindowTable(4 * NEAR))
    for number in range(20 * NEAR):
        key = f"k{number % (9 * NEAR)}"
        clock.tick(0.5)
        used = granted(store.reserve([demand(1, 10, 45, key)])).standings[0].used
        assert used == 1, key
        spent[key] = used


def test_spending_is_restored_once_by_the_first_process() -> None:
    windows, clock = shared(), Clock()
    stores = [MemoryStore(clock, windows) for _ in range(3)]
    earlier = [demand(7, 10, 3600, f"k{number}") for number in range(250)]
    granted(stores[0].reserve([demand(1, 10, 3600, "k3")]))
    for store in stores:
        store.restore(earlier)
    for number, used in ((0, 8), (3, 8), (249, 8)):
        assert granted(stores[1].reserve([demand(1, 10, 3600, f"k{number}")])).standings[0].used == used
    clock.tick(3600)
    stores[0].restore(earlier[:1])
    assert granted(stores[1].reserve([demand(1, 10, 3600, "k0")])).standings[0].used == 8, "in a new interval again"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_calls_are_refused_while_a_stopped_process_holds_the_lock(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Callers do not wait forever for a stopped process; what they settle is counted later."""
    monkeypatch.setattr(lock, "SECONDS", 0.01)
    windows = shared()
    store = MemoryStore(table=windows)
    held = granted(store.reserve([demand(5, 10)]))
    child, die = _in_another_process(lambda: windows.lock.acquire())
    with pytest.raises(Overloaded, match="another worker process"):
        store.reserve([demand(1, 10)])
    store.settle(held, [0])
    assert "changes wait for the next holder of their lock" in caplog.text
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(die)
    assert granted(store.reserve([demand(1, 10)])).standings[0].used == 1, "the death of the process released the lock"


def _in_another_process(job: Callable[[], object]) -> tuple[int, int]:
    """Forks a process that runs the job and lives until it is killed or the other end of its pipe is closed."""
    done, tells = os.pipe()
    waits, die = os.pipe()
    if (child := os.fork()) == 0:
        job()
        os.close(die)
        os.write(tells, b"x")
        os.read(waits, 1)
        os._exit(0)
    os.read(done, 1)
    for end in (done, tells, waits):
        os.close(end)
    return child, die


PROCESSES = 4
TRIES = 150
LIMIT = 400


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("threads", [1, 3])
def test_processes_under_load_grant_exactly_the_limit(threads: int) -> None:
    """Each process reserves more than its share and gives some of it back."""
    windows = shared()
    children: dict[int, int] = {}
    for _ in range(PROCESSES):
        reads, writes = os.pipe()
        if (child := os.fork()) == 0:
            os.write(writes, str(_hammer(MemoryStore(table=windows), threads)).encode())
            os._exit(0)
        os.close(writes)
        children[child] = reads
    taken = 0
    for child, reads in children.items():
        taken += int(os.read(reads, 100))
        os.close(reads)
        os.waitpid(child, 0)
    assert taken == LIMIT


def _hammer(store: MemoryStore, threads: int) -> int:
    """Returns how many grants were kept; every third one is given back at once."""
    taken: list[int] = []

    def hammer() -> None:
        for number in range(TRIES):
            decision = store.reserve([demand(1, LIMIT, 3600)])
            if isinstance(decision, Granted) and number % 3 == 0:
                store.settle(decision, [0])
            elif isinstance(decision, Granted):
                taken.append(1)

    running = [threading.Thread(target=hammer) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return len(taken)


def test_real_time_is_monotonic_and_in_microseconds() -> None:
    store = MemoryStore()
    granted(store.reserve([demand(10, 10, 3600)]))
    refusal = store.reserve([demand(1, 10, 3600)])
    assert isinstance(refusal, Refused)
    assert refusal.wait is not None
    assert 3590 * 10**6 < refusal.wait <= 3600 * 10**6
