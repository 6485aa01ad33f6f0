"""Fixtures: one Redis for reading and writing, another for whoever wants to kill it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.limits.redis_server import RedisServer, require


@pytest.fixture(scope="session")
def _shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    require()
    # A cluster of one node refuses any script whose keys do not share a slot.
    server = RedisServer(tmp_path_factory.mktemp("redis"), "--cluster-enabled", "yes")
    client = server.client()
    client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
    while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
        continue
    client.close()
    yield server
    server.kill()


@pytest.fixture
def redis(_shared_redis: RedisServer) -> RedisServer:
    """Empty."""
    client = _shared_redis.client()
    client.flushall()
    client.close()
    return _shared_redis


@pytest.fixture
def mortal_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One's own, for killing."""
    require()
    server = RedisServer(tmp_path_factory.mktemp("mortal"))
    yield server
    server.kill()
