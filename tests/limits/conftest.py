"""Fixtures: a shared Redis, and a private one that tests may kill."""

from collections.abc import Iterator

import pytest

from tests.limits.redis_server import RedisServer, require


@pytest.fixture(scope="session")
def _shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    require()
    # A single-node cluster rejects scripts whose keys are in different slots.
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
    """The shared Redis, emptied."""
    client = _shared_redis.client()
    client.flushall()
    client.close()
    return _shared_redis


@pytest.fixture
def mortal_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A private Redis that the test may kill."""
    require()
    server = RedisServer(tmp_path_factory.mktemp("mortal"))
    yield server
    server.kill()
