"""All response stores behave the same: what they keep, find, evict when full, and expire."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from nexus.errors import Overloaded
from nexus.response_store import remote
from nexus.response_store.local import LocalStore
from nexus.response_store.redis_store import RedisResponseStore
from nexus.response_store.script import OVERHEAD
from nexus.response_store.store import Bounds, ResponseStore, StoreOwner
from nexus.response_store.vendor_ids import VendorIds
from nexus.settings.limits import RedisStorage
from tests.limits import redis_server
from tests.processes.kit import Served
from tests.threads import at_once

SIZE = 1000 - OVERHEAD
"""Of data that takes 1000 bytes."""


@dataclass
class Clock:
    now: float = 1000.0

    def seconds(self) -> float:
        return self.now

    def milliseconds(self) -> int:
        return int(self.now * 1000)


@dataclass
class Kit:
    make: Callable[[Bounds, Clock], ResponseStore]
    clock: Clock = field(default_factory=Clock)

    def store(self, most: int = 10_000, each: int = 10_000, seconds: float = 60) -> ResponseStore:
        return self.make(Bounds(most, each, seconds), self.clock)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis_server.RedisServer]:
    redis_server.require()
    server = redis_server.RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture(params=["local", "remote", "redis"])
def kit(request: pytest.FixtureRequest) -> Iterator[Kit]:
    if request.param == "local":
        yield Kit(lambda bounds, clock: LocalStore(bounds, clock.seconds))
        return
    if request.param == "remote":
        with ExitStack() as stack:
            yield Kit(lambda bounds, clock: _remote(stack, bounds, clock))
        return
    server: redis_server.RedisServer = request.getfixturevalue("redis")
    server.client().flushall()
    made: list[RedisResponseStore] = []

    def make(bounds: Bounds, clock: Clock) -> ResponseStore:
        made.append(RedisResponseStore(RedisStorage(type="redis", url=server.url), bounds, clock=clock.milliseconds))
        return made[-1]

    yield Kit(make)
    for store in made:
        store.close()


def _remote(stack: ExitStack, bounds: Bounds, clock: Clock) -> ResponseStore:
    served = Served(remote.services(LocalStore(bounds, clock.seconds), "answers"))
    link = served.link()
    stack.enter_context(served)
    return remote.RemoteStore(link, bounds, "answers")


def held(store: ResponseStore, *keys: str) -> set[str]:
    return set(store.find(keys))


def test_stored_answers_are_found_by_name(kit: Kit) -> None:
    store = kit.store()
    store.keep("a", "p", b"\x00one")
    store.keep("b", "p", b"two")
    assert store.find(["a", "b", "c"]) == {"a": b"\x00one", "b": b"two"}


def test_storing_a_name_again_replaces_the_answer_and_counts_once(kit: Kit) -> None:
    store = kit.store(each=2500)
    for data in (b"x" * SIZE, b"y" * SIZE, b"z" * SIZE):
        store.keep("a", "p", data)
    store.keep("b", "p", b"x" * SIZE)
    assert store.find(["a", "b"]) == {"a": b"z" * SIZE, "b": b"x" * SIZE}


def test_deleted_answers_are_gone(kit: Kit) -> None:
    store = kit.store()
    store.keep("a", "p", b"one")
    assert (store.forget("a"), store.forget("a"), store.find(["a"])) == (True, False, {})


def test_an_unused_answer_expires(kit: Kit) -> None:
    store = kit.store(seconds=60)
    store.keep("used", "p", b"1")
    store.keep("unused", "p", b"2")
    kit.clock.now += 59
    assert held(store, "used") == {"used"}
    kit.clock.now += 2
    assert held(store, "used", "unused") == {"used"}
    kit.clock.now += 60
    assert held(store, "used") == set()


def test_a_full_account_evicts_its_own_least_recently_used_answer(kit: Kit) -> None:
    store = kit.store(most=10_000, each=3000)
    store.keep("other", "q", b"x" * SIZE)
    for name in ("a", "b", "c"):
        kit.clock.now += 1
        store.keep(name, "p", b"x" * SIZE)
    kit.clock.now += 1
    assert held(store, "a") == {"a"}
    kit.clock.now += 1
    store.keep("d", "p", b"x" * SIZE)
    assert held(store, "other", "a", "b", "c", "d") == {"other", "a", "c", "d"}


def test_the_total_size_is_bounded(kit: Kit) -> None:
    store = kit.store(most=3000, each=2000)
    for name in ("a", "b", "c", "d"):
        kit.clock.now += 1
        store.keep(name, name, b"x" * SIZE)
    assert held(store, "a", "b", "c", "d") == {"b", "c", "d"}


def test_an_answer_too_large_for_its_account_is_not_stored_and_evicts_nothing(kit: Kit) -> None:
    store = kit.store(most=5000, each=2000)
    store.keep("a", "p", b"x" * SIZE)
    store.keep("big", "p", b"x" * 2000)
    assert held(store, "a", "big") == {"a"}


def test_a_flood_stays_within_bounds_and_expires_completely(kit: Kit) -> None:
    store = kit.store(most=20_000, each=4000)
    for number in range(300):
        kit.clock.now += 0.01
        store.keep(f"a{number}", f"p{number % 40}", b"x" * (number % 700))
    names = [f"a{number}" for number in range(300)]
    left = store.find(names)
    assert 0 < sum(len(data) + OVERHEAD for data in left.values()) <= 20_000
    kit.clock.now += 61
    assert store.find(names) == {}
    if isinstance(store, LocalStore):
        assert (store.size, len(store._entries), store._payers, store._sums) == (0, 0, {}, {})


def test_a_time_to_live_that_is_lowered_holds_for_every_answer() -> None:
    clock = Clock()
    store = LocalStore(Bounds(10_000, 10_000, 600), clock.seconds)
    store.keep("earlier", "p", b"1")
    store.bounds = Bounds(10_000, 10_000, 60)
    store.keep("later", "p", b"2")
    clock.now += 59
    assert held(store, "later") == {"later"}
    clock.now += 2
    assert held(store, "earlier", "later") == {"later"}


def test_threads_can_use_one_store_concurrently() -> None:
    store = LocalStore(Bounds(50_000, 5_000, 60))

    def work(name: str) -> None:
        for number in range(500):
            store.keep(f"{name}{number % 20}", name, b"x" * (number % 900))
            store.find([f"{name}{number % 7}"])
            store.forget(f"{name}{number % 11}")

    at_once(partial(work, f"p{number}") for number in range(8))
    assert store.size <= 50_000 and all(size <= 5_000 for size in store._sums.values())
    assert store.size == sum(store._sums.values()) == sum(entry.size for entry in store._entries.values())


def test_two_processes_share_answers_in_redis(redis: redis_server.RedisServer) -> None:
    redis.client().flushall()
    storage, bounds = RedisStorage(type="redis", url=redis.url), Bounds(10_000, 10_000, 60)
    one, other = RedisResponseStore(storage, bounds), RedisResponseStore(storage, bounds)
    one.keep("a", "p", b"one")
    assert other.find(["a"]) == {"a": b"one"} and other.forget("a") and one.find(["a"]) == {}
    one.keep("a", "p", b"one")
    assert all(redis.client().pttl(key) > 0 for key in redis.client().scan_iter())
    one.close()
    other.close()


@pytest.mark.slow
def test_while_redis_is_down_storing_is_skipped_and_finding_is_refused(tmp_path: Path) -> None:
    redis_server.require()
    server = redis_server.RedisServer(tmp_path)
    store = RedisResponseStore(RedisStorage(type="redis", url=server.url), Bounds(10_000, 10_000, 60))
    store.keep("a", "p", b"one")
    server.kill()
    store.keep("b", "p", b"two")
    with pytest.raises(Overloaded):
        store.find(["a"])
    store.close()


def test_partially_lost_redis_data_is_repaired(redis: redis_server.RedisServer) -> None:
    clock = Clock()
    for part in ("order", "sizes", "sums", "of:p"):
        redis.client().flushall()
        store = RedisResponseStore(
            RedisStorage(type="redis", url=redis.url), Bounds(3000, 2000, 60), clock=clock.milliseconds
        )
        store.keep("a", "p", b"x" * SIZE)
        redis.client().delete(f"nexus:{{answers}}:{part}")
        for name in ("b", "c", "d"):
            clock.now += 1
            store.keep(name, "p", b"x" * SIZE)
        assert held(store, "c", "d") >= {"d"}
        store.close()


def test_owners_cannot_forge_each_others_keys() -> None:
    alice, bob = StoreOwner("key:alice", "key:alice"), StoreOwner("key:bob", "key:bob")
    assert alice.key("resp_1") != bob.key("resp_1")
    assert StoreOwner("", "address 1").key("resp_1") == StoreOwner("", "address 2").key("resp_1")
    assert StoreOwner("", "address 1").account != StoreOwner("", "address 2").account


def test_the_usage_owed_for_an_answer_is_taken_once_and_is_no_other_answers() -> None:
    ids = VendorIds(LocalStore(Bounds(10_000, 10_000, 60)), StoreOwner("alice", "alice"), serves_unknown=False)
    for answer in ("resp_1", "resp_2"):
        ids.owe("openai", answer, answer.encode())
    assert ids.owed("azure", "resp_1") is None
    assert [ids.owed("openai", answer) for answer in ("resp_1", "resp_1", "resp_2")] == [b"resp_1", None, b"resp_2"]
