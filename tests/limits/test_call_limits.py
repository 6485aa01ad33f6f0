"""Request limits: global and per address, decided together."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nexus.limits.call_limits import CallLimits, network_of
from nexus.limits.limiter import Limits
from nexus.limits.quota import Result
from nexus.limits.refusal import LimitExceeded
from nexus.limits.store_memory import MemoryStore
from nexus.limits.store_redis import RedisStore
from nexus.settings.limits import RequestLimits
from tests.limits.kit import Clock, storage
from tests.limits.redis_server import RedisServer

BOTH = {"global": {"limit": 5, "interval": "10s"}, "per_ip": {"limit": 2, "interval": "10s"}}


def limits(clock: Clock, **table: Any) -> CallLimits:
    return CallLimits(RequestLimits.model_validate(table), Limits(MemoryStore(clock)))


class Here:
    """An event loop stand-in that runs jobs inline."""

    async def work(self, job: Callable[[], Result]) -> Result:
        return job()


def admit(calls: CallLimits, address: str) -> None:
    asyncio.run(calls.admit(address, Here()))


def test_calls_are_limited_per_address_and_globally() -> None:
    clock = Clock()
    calls = limits(clock, **BOTH)
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"):
        admit(calls, address)
    for _ in range(20):
        with pytest.raises(LimitExceeded) as caught:
            admit(calls, "192.0.2.1")
        assert caught.value.refused.demand.quota.rule == "each address"
    admit(calls, "192.0.2.3")
    clock.tick(4)
    with pytest.raises(LimitExceeded) as caught:
        admit(calls, "192.0.2.4")
    assert (caught.value.refused.demand.quota.rule, caught.value.retry_after) == ("all callers together", 6.0)
    clock.tick(6)
    admit(calls, "192.0.2.1")


def test_without_settings_nothing_is_limited() -> None:
    for table in ({}, {"enabled": False, **BOTH}):
        calls = limits(Clock(), **table)
        for _ in range(50):
            admit(calls, "192.0.2.1")


def test_limits_work_in_a_redis_cluster(redis: RedisServer) -> None:
    store = RedisStore(storage(redis))
    for table in (BOTH, {"per_ip": {"limit": 2, "interval": "10s"}}):
        calls = CallLimits(RequestLimits.model_validate(table), Limits(store))
        admit(calls, "2001:db8::1")
        admit(calls, "2001:db8::2")
        with pytest.raises(LimitExceeded):
            admit(calls, "2001:db8::3")
    assert store.redis.failures == 0
    store.close()


NETWORKS = {
    "IPv4": ("192.0.2.1", "192.0.2.1"),
    "IPv6 by its network": ("2001:db8:1:2:3:4:5:6", "2001%3Adb8%3A1%3A2%3A%3A%2F64"),
    "IPv6 with a zone": ("fe80::1%eth0", "fe80%3A%3A%2F64"),
    "IPv4 in IPv6": ("::ffff:192.0.2.1", "192.0.2.1"),
    "no address": ("unix:{x}", "unix%3A%7Bx%7D"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("address", "network"), NETWORKS.values(), ids=NETWORKS.keys())
def test_addresses_map_to_networks(address: str, network: str) -> None:
    assert network_of(address) == network
