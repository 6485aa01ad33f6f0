"""A cluster of several nodes: each key is counted on the node that holds it, and slots may move."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from nexus.errors import Overloaded
from nexus.limits.breaker import Breaker
from nexus.limits.quota import Demand
from nexus.limits.redis_client import slot_of
from nexus.limits.store_keys import spending_tag
from nexus.limits.store_redis import RedisStore
from tests.limits.conformance import granted, refused
from tests.limits.kit import quota, storage
from tests.limits.redis_server import RedisServer, require
from tests.serving import wait_until

HALF = 8192


@pytest.fixture
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    """Two nodes with half of the slots each."""
    require()
    servers = [RedisServer(tmp_path_factory.mktemp("node"), "--cluster-enabled", "yes") for _ in range(2)]
    first, second = servers
    command(first, "ADDSLOTSRANGE", 0, HALF - 1)
    command(second, "ADDSLOTSRANGE", HALF, 2 * HALF - 1)
    command(second, "MEET", "127.0.0.1", first.port)
    wait_until(lambda: all(b"cluster_state:ok" in command(server, "INFO") for server in servers), 30)
    for server in servers:
        with closing(server.client()) as client:
            # A node keeps serving its own keys when other nodes are down.
            client.config_set("cluster-require-full-coverage", "no")
    yield servers
    for server in servers:
        server.kill()


def command(server: RedisServer, *words: object) -> Any:
    with closing(server.client()) as client:
        return client.execute_command("CLUSTER", *words)


def keys_at(server: RedisServer) -> set[str]:
    with closing(server.client()) as client:
        return {str(key, "ascii") for key in client.keys("*")}


def demands(user: int, amount: int = 1, limit: int = 3) -> list[Demand]:
    """Demands of one caller, all in one slot."""
    tag = spending_tag(f"user{user}", "vendor")[1:-1]
    return [Demand(quota(limit, 3600, key, tag=tag), amount) for key in ("a", "b")]


def test_each_key_is_counted_on_its_own_node(nodes: list[RedisServer]) -> None:
    stores = [RedisStore(storage(node)) for node in nodes]
    for user in range(40):
        for number in range(3):
            decision = granted(stores[(user + number) % 2].reserve(demands(user)))
            stores[user % 2].settle(decision, [1, 1])
        assert refused(stores[0].reserve(demands(user))).standing.used == 3
    for store in stores:
        store.close()
    assert [store.redis.failures for store in stores] == [0, 0]
    low, high = map(keys_at, nodes)
    assert len(low) + len(high) == 80 and low and high, "no reservation is left"
    assert all(slot_of(key) < HALF for key in low) and all(slot_of(key) >= HALF for key in high)


def test_a_moved_slot_is_followed(nodes: list[RedisServer]) -> None:
    store = RedisStore(storage(nodes[0]))
    user = next(user for user in range(100) if slot_of(demands(user)[0].quota.key) < HALF)
    slot = slot_of(demands(user)[0].quota.key)
    granted(store.reserve(demands(user)))
    target = command(nodes[1], "MYID")
    with closing(nodes[0].client()) as client:
        client.flushall()
    for node in reversed(nodes):
        command(node, "SETSLOT", slot, "NODE", target)
    granted(store.reserve(demands(user)))
    assert store.redis.failures == 0
    assert keys_at(nodes[1]) and not keys_at(nodes[0])
    store.close()


def test_a_migrating_slot_is_asked_for_at_its_target(nodes: list[RedisServer]) -> None:
    """With one key: Redis rejects several keys while some have not been migrated yet."""
    redis, key = RedisStore(storage(nodes[0])).redis, next(f"k{n}" for n in range(100) if slot_of(f"k{n}") < HALF)
    slot, (source, target) = slot_of(key), (command(node, "MYID") for node in nodes)
    command(nodes[1], "SETSLOT", slot, "IMPORTING", source)
    command(nodes[0], "SETSLOT", slot, "MIGRATING", target)
    assert [redis.run("return redis.call('INCR', KEYS[1])", [key], []) for _ in range(3)] == [1, 2, 3]
    assert (keys_at(nodes[0]), keys_at(nodes[1])) == (set(), {key})
    redis.close()


def test_callers_in_a_migrating_slot_are_counted_here_until_it_has_moved(nodes: list[RedisServer]) -> None:
    """Redis rejects decisions with several keys meanwhile (TRYAGAIN), but is not down: others are not refused."""
    store = RedisStore(storage(nodes[0], on_failure="deny"))
    moving = next(user for user in range(100) if slot_of(demands(user)[0].quota.key) < HALF)
    other = next(user for user in range(100) if slot_of(demands(user)[0].quota.key) >= HALF)
    slot, (source, target) = slot_of(demands(moving)[0].quota.key), (command(node, "MYID") for node in nodes)
    first = granted(store.reserve(demands(moving)))
    command(nodes[1], "SETSLOT", slot, "IMPORTING", source)
    command(nodes[0], "SETSLOT", slot, "MIGRATING", target)
    with pytest.raises(Overloaded):
        store.reserve(demands(moving))
    store.settle(first, [2, 2])
    assert not store.is_cut_off
    store.settle(granted(store.reserve(demands(other))), [2, 2])
    with closing(nodes[0].client()) as client:
        client.migrate("127.0.0.1", nodes[1].port, client.keys("*"), 0, 5000)
    for node in reversed(nodes):
        command(node, "SETSLOT", slot, "NODE", target)
    store.close()
    again = RedisStore(storage(nodes[0]))
    used = [refused(again.reserve(demands(user, amount=3))).standing.used for user in (moving, other)]
    assert used == [2, 2], "what was settled meanwhile counts"
    again.close()


def test_the_configured_node_may_be_down(nodes: list[RedisServer]) -> None:
    """A store that has already discovered the other nodes keeps using them."""
    store = RedisStore(storage(nodes[0]), breaker=Breaker(0.0))
    users = {slot_of(demands(user)[0].quota.key) < HALF: user for user in range(100)}
    for user in users.values():
        granted(store.reserve(demands(user)))
    nodes[0].kill()
    granted(store.reserve(demands(users[True])))
    assert store.redis.failures == 1, "the keys of the killed node are unreachable"
    granted(store.reserve(demands(users[False])))
    assert store.redis.failures == 1, "the keys of the other node are still reachable"
    store.close()
