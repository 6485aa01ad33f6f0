"""Redis dies, stalls or comes back empty: what callers see, what is logged, and how far limits still hold."""

import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from nexus.errors import Overloaded
from nexus.limits.breaker import Breaker
from nexus.limits.quota import Granted, Refused
from nexus.limits.store_memory import MemoryStore
from nexus.limits.store_redis import RedisStore
from nexus.limits.window_table import WindowTable
from nexus.settings.limits import RedisStorage
from tests.clock import Clock
from tests.limits.conformance import granted, refused
from tests.limits.kit import demand, storage
from tests.limits.redis_server import RedisServer


@pytest.fixture
def seconds() -> Clock:
    return Clock()


def build(server: RedisServer, seconds: Clock, **settings: object) -> RedisStore:
    """Only the times at which Redis is retried are set by hand."""
    return RedisStore(storage(server, **settings), breaker=Breaker(1.0, seconds), monotonic=seconds)


@pytest.fixture
def store(mortal_redis: RedisServer, seconds: Clock) -> Iterator[RedisStore]:
    store = build(mortal_redis, seconds)
    yield store
    store.close()


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.message) for record in caplog.records if record.name == "nexus.limits"]


class TestAllow:
    def test_the_local_fallback_knows_what_was_spent(
        self, store: RedisStore, mortal_redis: RedisServer, seconds: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        granted(store.reserve([demand(60, 100, 3600)]))
        mortal_redis.kill()
        granted(store.reserve([demand(30, 100, 3600)]))
        refusal = refused(store.reserve([demand(20, 100, 3600)]))
        assert refusal.standing.remaining == 10
        assert store.redis.is_down
        assert (store.redis.failures, store.local_decisions) == (1, 2)
        assert lines(caplog) == [("ERROR", "Redis is down: limits are counted in this process only")]

    def test_after_recovery_spending_that_redis_lost_still_counts(
        self, store: RedisStore, mortal_redis: RedisServer, seconds: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        granted(store.reserve([demand(60, 100, 3600)]))
        mortal_redis.kill()
        during = granted(store.reserve([demand(30, 100, 3600)]))
        mortal_redis.start()
        refused(store.reserve([demand(20, 100, 3600)]))
        assert store.redis.is_down, "Redis has not been retried yet"
        seconds.now += 1
        granted(store.reserve([demand(5, 100, 3600)]))
        assert not store.redis.is_down
        assert refused(store.reserve([demand(20, 100, 3600)])).standing.used == 95
        store.settle(during, [10])
        granted(store.reserve([demand(20, 100, 3600)]))
        assert lines(caplog)[1:] == [("WARNING", "Redis is back")]
        seconds.now += 3601
        assert granted(store.reserve([demand(60, 100, 3600)])).standings[0].used == 95, "only Redis decides again"

    def test_calls_that_redis_refuses_after_the_outage_are_not_counted_locally(
        self, store: RedisStore, mortal_redis: RedisServer, seconds: Clock
    ) -> None:
        mortal_redis.kill()
        granted(store.reserve([demand(1, 100, 3600)]))
        mortal_redis.start()
        seconds.now += 1
        granted(store.reserve([demand(1, 100, 3600)]))
        other = build(mortal_redis, seconds)
        granted(other.reserve([demand(99, 100, 3600)]))
        other.close()
        assert refused(store.reserve([demand(101, 100, 3600)])).standing.used == 100, "what others spent is shown too"
        for _ in range(5):
            assert refused(store.reserve([demand(50, 100, 3600)])).standing.used == 100
        mortal_redis.kill()
        granted(store.reserve([demand(98, 100, 3600)]))

    def test_redis_is_retried_once_per_second(
        self, store: RedisStore, mortal_redis: RedisServer, seconds: Clock
    ) -> None:
        mortal_redis.kill()
        for _ in range(50):
            granted(store.reserve([demand(1, 100, 3600)]))
        assert store.redis.failures == 1
        seconds.now += 1
        for _ in range(50):
            granted(store.reserve([demand(1, 100, 3600)]))
        assert (store.redis.failures, store.local_decisions) == (2, 100)

    def test_a_reservation_made_before_the_outage_is_settled_during_it(
        self, store: RedisStore, mortal_redis: RedisServer, seconds: Clock
    ) -> None:
        held = granted(store.reserve([demand(50, 100, 3600)]))
        mortal_redis.kill()
        store.settle(held, [20])
        assert granted(store.reserve([demand(80, 100, 3600)])).standings[0].used == 100

    def test_after_the_outage_redis_counts_exactly_what_was_used(
        self, mortal_redis: RedisServer, seconds: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Redis executes what it received before it stalled, although nobody waits for the answers any more."""
        store = build(mortal_redis, seconds, response_timeout="100ms")
        held = [granted(store.reserve([demand(20, 100, 3600)])) for _ in range(3)]
        mortal_redis.stall()
        store.settle(held[0], [2])
        assert store.redis.is_down
        seconds.now += 1
        held.append(granted(store.reserve([demand(1, 100, 3600)])))
        assert (store.redis.failures, store.local_decisions) == (2, 1)
        held.append(granted(store.reserve([demand(4, 100, 3600)])))
        for one in held[1:]:
            store.settle(one, [2])
        seconds.now += 1
        mortal_redis.go_on()
        store.ping()
        assert not store.redis.is_down
        other = build(mortal_redis, seconds)
        assert granted(other.reserve([demand(1, 100, 3600)])).standings[0].used == 11
        for one in (store, other):
            one.close()

    def test_a_store_can_start_without_redis(self, mortal_redis: RedisServer, seconds: Clock) -> None:
        mortal_redis.kill()
        store = build(mortal_redis, seconds)
        store.ping()
        assert store.redis.is_down
        granted(store.reserve([demand(1, 1, 3600)]))
        refused(store.reserve([demand(1, 1, 3600)]))
        mortal_redis.start()
        seconds.now += 1
        store.ping()
        assert not store.redis.is_down
        store.close()

    def test_a_full_local_fallback_does_not_block_what_redis_grants(self, mortal_redis: RedisServer) -> None:
        store = RedisStore(storage(mortal_redis), local=MemoryStore(table=WindowTable(1)))
        granted(store.reserve([demand(1, 100, 3600, "a")]))
        store.settle(granted(store.reserve([demand(50, 100, 3600, "b")])), [10])
        assert granted(store.reserve([demand(90, 100, 3600, "b")])).standings[0].used == 100
        store.close()


class TestDeny:
    def test_refuses_with_503_until_redis_is_back(
        self, mortal_redis: RedisServer, seconds: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = build(mortal_redis, seconds, on_failure="deny")
        granted(store.reserve([demand(60, 100, 3600)]))
        mortal_redis.kill()
        for _ in range(3):
            with pytest.raises(Overloaded) as caught:
                store.reserve([demand(1, 100, 3600)])
        assert (caught.value.status, caught.value.retry_after) == (503, 1.0)
        assert lines(caplog) == [("ERROR", "Redis is down: limited calls are refused")]
        mortal_redis.start()
        seconds.now += 1
        granted(store.reserve([demand(40, 100, 3600)]))
        refused(store.reserve([demand(1, 100, 3600)]))
        mortal_redis.kill()
        with pytest.raises(Overloaded):
            store.reserve([demand(1, 200, 3600)])
        mortal_redis.start()
        seconds.now += 1
        assert granted(store.reserve([demand(1, 200, 3600)])).receipt.local is not None
        store.close()

    def test_a_reservation_whose_answer_was_lost_is_given_back(self, mortal_redis: RedisServer, seconds: Clock) -> None:
        store = build(mortal_redis, seconds, on_failure="deny", response_timeout="100ms")
        granted(store.reserve([demand(1, 100, 3600)]))
        mortal_redis.stall()
        with pytest.raises(Overloaded):
            store.reserve([demand(60, 100, 3600)])
        mortal_redis.go_on()
        seconds.now += 1
        store.ping()
        assert granted(store.reserve([demand(1, 100, 3600)])).standings[0].used == 2
        store.close()


def test_an_unresponsive_server_costs_one_timeout(seconds: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = RedisStorage.model_validate(
            {"type": "redis", "url": f"redis://127.0.0.1:{silent.getsockname()[1]}", "response_timeout": "50ms"}
        )
        store = RedisStore(settings, breaker=Breaker(1.0, seconds), monotonic=seconds)
        for _ in range(20):
            granted(store.reserve([demand(1, 100, 3600)]))
        assert store.redis.failures == 1
        store.close()


def test_an_invalid_host_name_counts_as_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    store = RedisStore(RedisStorage.model_validate({"type": "redis", "url": f"redis://{'x' * 70}:6380"}))
    store.ping()
    granted(store.reserve([demand(1, 100)]))
    assert store.redis.is_down and lines(caplog)[0][0] == "ERROR"
    assert vars(caplog.records[0])["fields"]["redis"] == f"{'x' * 70}:6380"
    store.close()


def test_log_lines_hide_the_password(
    mortal_redis: RedisServer, seconds: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"redis://user:hushhush-6061@127.0.0.1:{mortal_redis.port}/0"
    settings = storage(mortal_redis, url=url)
    store = RedisStore(settings, breaker=Breaker(1.0, seconds), monotonic=seconds)
    granted(store.reserve([demand(1, 100)]))
    assert store.redis.failures == 1, "this server has no password set and rejects one"
    assert "6061" not in caplog.text + repr(settings) + repr(store) + str([vars(record) for record in caplog.records])
    store.close()


def test_limits_hold_when_redis_is_killed_under_load(mortal_redis: RedisServer) -> None:
    """Redis loses all data twice; the limits of one process still hold, and no caller sees an error."""
    store = RedisStore(storage(mortal_redis), breaker=Breaker(0.02))
    grants, lock, go_on = [0, 0], threading.Lock(), threading.Event()
    seen = threading.Semaphore(0)

    def load(number: int) -> None:
        while not go_on.is_set():
            decisions = [store.reserve([demand(3, 2000, 3600, "scarce")]), store.reserve([demand(1, 10**9, 3600)])]
            assert isinstance(decisions[1], Granted)
            with lock:
                grants[0] += 3 if isinstance(decisions[0], Granted) else 0
                grants[1] += 1
            store.settle(decisions[1], [0 if number % 2 else 1])
            seen.release()

    threads = [threading.Thread(target=load, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        for _ in range(200):
            seen.acquire()
        mortal_redis.kill()
        while not store.redis.is_down:
            seen.acquire()
        for _ in range(200):
            seen.acquire()
        mortal_redis.start()
        while store.redis.is_down:
            seen.acquire()
    for _ in range(2000):
        seen.acquire()
    go_on.set()
    for thread in threads:
        thread.join()
    assert grants[0] == 1998
    assert isinstance(store.reserve([demand(3, 2000, 3600, "scarce")]), Refused)
    assert store.redis.failures >= 2
    assert store.local_decisions > 0
    store.close()
