"""Windows in this process: conformance, and bounded memory without losing current spending."""

import pytest

from nexus.limits.quota import Refused, Store
from nexus.limits.store_memory import MemoryStore
from tests.limits.conformance import FullStoreConformance, StoreConformance, granted
from tests.limits.kit import Clock, demand


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self, clock: Clock) -> Store:
        return MemoryStore(clock)


def test_idle_windows_are_dropped() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    for number in range(1000):
        granted(store.reserve([demand(1, 10, 60, f"k{number}")]))
    assert len(store) == 1000
    clock.tick(61)
    for _ in range(1000):
        granted(store.reserve([demand(0, 10, 60, "k")]))
    assert len(store) == 1


def test_long_windows_do_not_keep_short_ones_alive() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    for number in range(100):
        granted(store.reserve([demand(1, 10, 3600, f"long{number}"), demand(1, 10, 1, f"short{number}")]))
    clock.tick(2)
    for _ in range(220):
        granted(store.reserve([demand(0, 10, 60, "k")]))
    assert len(store) == 101


class TestFull(FullStoreConformance):
    @pytest.fixture
    def few(self, clock: Clock) -> Store:
        return MemoryStore(clock, max_keys=10)


def test_a_refused_new_key_leaves_no_window() -> None:
    store = MemoryStore(Clock())
    assert isinstance(store.reserve([demand(11, 10)]), Refused)
    assert len(store) == 0


def test_real_time_is_monotonic_and_in_microseconds() -> None:
    store = MemoryStore()
    granted(store.reserve([demand(10, 10, 3600)]))
    refusal = store.reserve([demand(1, 10, 3600)])
    assert isinstance(refusal, Refused)
    assert refusal.wait is not None
    assert 3590 * 10**6 < refusal.wait <= 3600 * 10**6
