"""Windows in Redis: conformance, the same decisions as in memory, and the data stored on the server."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.limits import redis_client
from nexus.limits.breaker import Breaker
from nexus.limits.quota import SECOND, Demand, Granted, Receipt, Refused, Store
from nexus.limits.store_memory import MemoryStore
from nexus.limits.store_redis import RedisStore
from tests.limits.conformance import StoreConformance, granted, refused
from tests.limits.kit import PROFILE, Clock, demand, quota, storage
from tests.limits.redis_server import RedisServer
from tests.threads import at_once


class TestRedisStore(StoreConformance):
    @pytest.fixture
    def store(self, redis: RedisServer, clock: Clock) -> Iterator[Store]:
        store = RedisStore(storage(redis), clock=clock)
        yield store
        store.close()
        assert store.redis.failures == 0


@pytest.fixture
def store(redis: RedisServer) -> Iterator[RedisStore]:
    store = RedisStore(storage(redis))
    yield store
    store.close()


GAME = st.lists(
    st.tuples(
        st.sampled_from(("reserve", "reserve", "reserve", "settle")),
        st.integers(0, 700),
        st.integers(0, 60),
        st.integers(0, 60),
        st.integers(0, 100),
    ),
    max_size=40,
)


class TestSameDecisions:
    """Memory and Redis give the same answers, to the microsecond."""

    numbers = iter(range(10**9))

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def both(self, redis: RedisServer, clock: Clock) -> Iterator[tuple[RedisStore, Clock]]:
        store = RedisStore(storage(redis), clock=clock)
        yield store, clock
        store.close()

    def test_memory_and_redis_decide_alike(self, both: tuple[RedisStore, Clock]) -> None:
        there, clock = both

        @PROFILE
        @given(st.integers(1, 2_000), st.integers(1, 3_000), st.integers(1, 100), GAME)
        def play(first: int, second: int, limit: int, moves: list[tuple[str, int, int, int, int]]) -> None:
            name = f"game{next(self.numbers)}"
            here = MemoryStore(clock)
            running: list[tuple[Granted, Granted]] = []
            for move, pause, one, two, pick in moves:
                clock.now += pause
                if move == "settle" and running:
                    mine, theirs = running.pop(pick % len(running))
                    here.settle(mine, [one, two])
                    there.settle(theirs, [one, two])
                    continue
                demands = [
                    Demand(demand(one, limit, first / SECOND, f"{name}a").quota, one),
                    Demand(demand(two, limit, second / SECOND, f"{name}b").quota, two),
                ]
                mine_decided, theirs_decided = here.reserve(demands), there.reserve(demands)
                if isinstance(mine_decided, Granted) and isinstance(theirs_decided, Granted):
                    assert mine_decided.standings == theirs_decided.standings
                    running.append((mine_decided, theirs_decided))
                else:
                    assert mine_decided == theirs_decided

        play()


def test_the_time_of_the_redis_server_is_used(store: RedisStore) -> None:
    granted(store.reserve([demand(10, 10, 3600)]))
    wait = refused(store.reserve([demand(1, 10, 3600)])).wait
    assert wait is not None
    assert 3590 * SECOND < wait <= 3600 * SECOND


def test_a_clock_that_jumps_back_frees_nothing(redis: RedisServer) -> None:
    clock = Clock()
    store = RedisStore(storage(redis), clock=clock)
    held = granted(store.reserve([demand(60, 100)]))
    clock.tick(-300)
    second = granted(store.reserve([demand(40, 100)]))
    refused(store.reserve([demand(1, 100)]))
    store.settle(held, [70])
    store.settle(second, [30])
    assert refused(store.reserve([demand(1, 100)])).standing.used == 100
    store.close()


def test_keys_expire_on_the_server(redis: RedisServer, store: RedisStore) -> None:
    held = granted(store.reserve([demand(1, 10, 60, "a"), demand(1, 10, 0.01, "b")]))
    client = redis.client()
    keys = {key: client.pttl(key) for key in client.keys("*")}
    [reservation] = keys.keys() - {b"nexus:{t}:a", b"nexus:{t}:b"}
    assert reservation.startswith(b"nexus:{t}:reserved:")
    assert 86_000_000 < keys[reservation] <= 86_400_000
    assert 60_000 < keys[b"nexus:{t}:a"] <= 62_000
    assert 0 < keys[b"nexus:{t}:b"] <= 1_011
    client.delete(*keys)
    store.settle(held, [5, 0])
    assert client.keys("*") == [b"nexus:{t}:a"]
    assert 60_000 < client.pttl("nexus:{t}:a") <= 62_000
    client.close()


def test_a_window_has_a_bounded_size_on_the_server(redis: RedisServer) -> None:
    clock = Clock()
    store = RedisStore(storage(redis), clock=clock)
    for _ in range(300):
        clock.tick(0.7)
        granted(store.reserve([demand(1, 10**6)]))
    client = redis.client()
    assert client.hlen("nexus:{t}:k") <= 62
    client.close()
    store.close()


def test_scripts_flushed_from_the_server_are_sent_again(redis: RedisServer, store: RedisStore) -> None:
    held = granted(store.reserve([demand(10, 10)]))
    client = redis.client()
    client.script_flush()
    refused(store.reserve([demand(1, 10)]))
    client.script_flush()
    store.settle(held, [9])
    granted(store.reserve([demand(1, 10)]))
    assert store.redis.failures == 0
    client.close()


def test_a_connection_that_redis_closed_at_rest_is_replaced(
    redis: RedisServer, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "TEST_AFTER", 0.0)
    store.ping()
    client = redis.client()
    assert client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    client.close()
    granted(store.reserve([demand(1, 10)]))
    assert store.redis.failures == 0


def test_a_refund_of_spending_that_redis_lost_gives_nothing_back(redis: RedisServer, store: RedisStore) -> None:
    """The hash and the bucket exist again, but with an amount that another process booked."""
    old = granted(store.reserve([demand(90, 100, 3600)]))
    client = redis.client()
    client.flushall()
    client.close()
    other = RedisStore(storage(redis))
    granted(other.reserve([demand(100, 100, 3600)]))
    store.settle(old, [0])
    assert refused(store.reserve([demand(1, 100, 3600)])).standing.used == 100
    other.close()


def test_spending_that_redis_lost_still_counts_in_the_process_that_booked_it(
    redis: RedisServer, store: RedisStore
) -> None:
    held = granted(store.reserve([demand(60, 100, 3600), demand(1, 1000, 3600, "other")]))
    client = redis.client()
    client.flushall()
    client.close()
    assert refused(store.reserve([demand(50, 100, 3600), demand(1, 1000, 3600, "other")])).standing.used == 60
    store.settle(held, [50, 1])
    granted(store.reserve([demand(50, 100, 3600), demand(1, 1000, 3600, "other")]))
    refused(store.reserve([demand(1, 100, 3600)]))


def test_two_concurrent_first_calls_are_not_taken_for_data_loss(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are booked locally before Redis gets either."""
    asked, run = threading.Barrier(2), store.redis.run

    def together(*arguments: Any) -> Any:
        asked.wait(60)
        return run(*arguments)

    def reserve() -> None:
        for turn in range(20):
            granted(store.reserve([demand(1, 10, key=f"key {turn}")]))

    monkeypatch.setattr(store.redis, "run", together)
    at_once([reserve] * 2)
    assert store._losses == 0


def test_keys_in_different_slots_are_reserved_in_turn_and_given_back(redis: RedisServer, store: RedisStore) -> None:
    """The server is a cluster node, which runs no script across several slots."""
    here, there = demand(6, 10), Demand(quota(10, tag="elsewhere"), 6)
    held = granted(store.reserve([here, there]))
    assert [standing.used for standing in held.standings] == [6, 6]
    assert refused(store.reserve([demand(1, 10), there])).demand.quota.key == there.quota.key
    store.settle(held, [2, 3])
    both = granted(store.reserve([demand(1, 10), Demand(quota(10, tag="elsewhere"), 1)]))
    assert [standing.used for standing in both.standings] == [3, 4]
    assert store.redis.failures == 0


def test_keys_in_different_slots_that_were_decided_without_redis_are_settled_in_turn(redis: RedisServer) -> None:
    breaker = Breaker(0.0)
    store = RedisStore(storage(redis), breaker=breaker)
    breaker.failed()
    held = [demand(6, 10), Demand(quota(10, tag="elsewhere"), 6)]
    alone = store._without_redis(held, Receipt(name="alone"), maybe_reserved=False)
    store.settle(granted(alone), [2, 3])
    store.ping()
    assert [refused(store.reserve([replace(one, amount=10)])).standing.used for one in held] == [2, 3]
    store.close()


def test_limits_of_one_caller_are_decided_in_one_step(redis: RedisServer, store: RedisStore) -> None:
    granted(store.reserve([demand(1, 10, key="a"), demand(1, 10, key="b")]))
    assert not store._splits


def test_ping_writes_nothing(redis: RedisServer, store: RedisStore) -> None:
    store.ping()
    assert not store.redis.is_down
    with closing(redis.client()) as client:
        assert client.keys() == [], "a ping books nothing"


PROCESSES, THREADS, TRIES = 4, 16, 12


def hammer(url: str, results: multiprocessing.queues.Queue[tuple[int, int]]) -> None:
    """One process: many threads reserve and settle. Reports the amount held and the number of Redis failures."""
    from nexus.settings.limits import RedisStorage

    settings = RedisStorage.model_validate({"type": "redis", "url": url, "response_timeout": "30s"})
    store, lock, held = RedisStore(settings), threading.Lock(), 0

    def take() -> None:
        nonlocal held
        for number in range(TRIES):
            decision = store.reserve([demand(7, 3001, 3600), demand(1, 10**6, 3600, "other")])
            if isinstance(decision, Granted):
                spent = 7 if number % 3 else 2
                store.settle(decision, [spent, 1])
                with lock:
                    held += spent

    at_once([take] * THREADS)
    results.put((held, store.redis.failures))
    store.close()


def test_many_processes_and_threads_share_one_quota_exactly(redis: RedisServer, store: RedisStore) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.queues.Queue[tuple[int, int]] = context.Queue()
    workers = [context.Process(target=hammer, args=(redis.url, results)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    outcomes = [results.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    held, failures = sum(one for one, _ in outcomes), sum(two for _, two in outcomes)
    assert failures == 0
    decision = store.reserve([demand(3002, 3001, 3600)])
    assert isinstance(decision, Refused)
    assert decision.standing.used == held <= 3001
    assert held > 3001 - 7
    results.close()
