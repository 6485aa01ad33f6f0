"""Redis with the running server: several servers share one limit, and what callers see while Redis is down.

The intervals at which Nexus tries to reconnect are real here; tests wait for the reconnection, not for a fixed time.
"""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from nexus.limits.store_redis import RedisStore
from tests.conftest import Serve
from tests.limits.redis_server import RedisServer, require
from tests.scraped import Scraped
from tests.server.test_process import CHAT_PATH
from tests.serving import CHAT, MESSAGES, Nexus, Reply, anthropic_config, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

SMART = {**CHAT, "model": "openai/smart"}
ALICE = {"X-Client-Id": "alice"}
READERS = '[server.client_identification.group_id]\nhttp_header = "X-Group-Id"\n[usage]\nreaders = ["ops"]\n'
READER = {"X-Client-Id": "olga", "X-Group-Id": "ops"}
PLENTY = 10**9

SERVER = """
[server.client_identification]
enabled = true
client_id.http_header = "X-Client-Id"
[server.rate_limits.storage]
type = "redis"
url = "{url}"
response_timeout = "{patience}"
on_failure = "{on_failure}"
"""
LIMIT = '[llm.providers.{where}.rate_limits.per_user]\n{what} = {limit}\ninterval = "1h"\n'


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A separate Redis that tests may kill."""
    require()
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    with suppress(AssertionError):
        server.go_on()
    server.kill()


def toml(redis: RedisServer, *vendors: str, patience: str = "30s", on_failure: str = "allow", url: str = "") -> str:
    head = SERVER.format(url=url or redis.url, patience=patience, on_failure=on_failure)
    return head + "".join(vendors)


def requests(limit: int, where: str = "openai") -> str:
    return LIMIT.format(where=where, what="request_limit", limit=limit)


def store_of(nexus: Nexus) -> RedisStore:
    store = nexus.server.kept.limits.store
    assert isinstance(store, RedisStore)
    return store


def is_quiet(nexus: Nexus) -> bool:
    """Nothing is reserved and no worker is busy."""
    server = nexus.server
    return not (server.kept.limits.open or server.workers.busy or server.calls)


def connected(redis: RedisServer) -> int:
    """The number of Nexus's open connections to it."""
    with closing(redis.client()) as client:
        return sum(entry["name"] == "nexus" for entry in client.client_list())


def many(count: int, call: Callable[[int], Reply]) -> Counter[int]:
    """The statuses of concurrent calls."""
    with ThreadPoolExecutor(16) as pool:
        return Counter(reply.status for reply in pool.map(call, range(count)))


class TestSharedLimit:
    def test_two_servers_never_exceed_the_limit(
        self, redis: RedisServer, serve: Serve, openai_upstream: FakeUpstream
    ) -> None:
        config = toml(redis, openai_config(openai_upstream.base_url, requests(25)))
        houses = [serve(config), serve(config)]
        seen = many(60, lambda number: houses[number % 2].chat(CHAT, ALICE))
        assert seen == {200: 25, 429: 35}
        assert len(openai_upstream.requests) == 25
        assert houses[0].chat(CHAT, {"X-Client-Id": "bob"}).status == 200
        wait_until(lambda: all(map(is_quiet, houses)))

    def test_one_servers_usage_counts_at_the_other(
        self, redis: RedisServer, serve: Serve, openai_upstream: FakeUpstream
    ) -> None:
        """Each call reserves an estimate of a few tokens and uses a hundred."""
        limit = LIMIT.format(where="openai", what="input_token_limit", limit=1000)
        config = toml(redis, openai_config(openai_upstream.base_url, limit))
        houses = [serve(config), serve(config)]
        openai_upstream.default = Behaviour(input_tokens=100)
        replies = [houses[number % 2].chat(CHAT, ALICE) for number in range(12)]
        assert [reply.status for reply in replies] == [200] * 10 + [429] * 2
        assert replies[9].headers["x-ratelimit-limit-tokens"] == "1000"
        assert "x-nexus-route" in replies[9].headers and "x-nexus-route" not in replies[10].headers
        assert (replies[10].headers["x-nexus-limit"], int(replies[10].headers["retry-after"]) > 3000) == ("own", True)


class TestRedisDown:
    def test_killed_and_restarted_under_load(
        self, redis: RedisServer, serve: Serve, openai_upstream: FakeUpstream
    ) -> None:
        """No caller sees an error, and the scarce model keeps its limit although Redis loses all data twice."""
        limits = requests(PLENTY) + requests(40, "openai.models.smart")
        nexus = serve(toml(redis, openai_config(openai_upstream.base_url, limits)))
        store, over, seen, lock = store_of(nexus), threading.Event(), Counter[tuple[str, int]](), threading.Lock()

        def load() -> None:
            while not over.is_set():
                for body in (CHAT, SMART):
                    reply = nexus.chat(body, ALICE)
                    with lock:
                        seen[str(body["model"]), reply.status] += 1

        def more(calls: int) -> None:
            enough = seen.total() + calls
            wait_until(lambda: seen.total() >= enough, 60)

        threads = [threading.Thread(target=load) for _ in range(6)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(2):
                more(20)
                redis.kill()
                wait_until(lambda: store.redis.is_down, 60)
                more(40)
                redis.start()
                wait_until(lambda: not store.redis.is_down, 60)
            more(60)
        finally:
            over.set()
            for thread in threads:
                thread.join(60)
        assert {key: seen[key] for key in seen if key[1] != 200} == {("openai/smart", 429): seen["openai/smart", 429]}
        assert seen["openai/smart", 200] == 40
        assert store.local_decisions > 0
        wait_until(lambda: is_quiet(nexus))
        nexus.chat(CHAT, ALICE)
        assert connected(redis) > 0, "it counts in Redis again"

    def test_deny_returns_503_in_each_dialect_until_redis_is_back(
        self, redis: RedisServer, serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream
    ) -> None:
        vendors = (
            openai_config(openai_upstream.base_url, requests(PLENTY)),
            anthropic_config(anthropic_upstream.base_url, requests(PLENTY, "anthropic")),
        )
        overall = '[server.rate_limits.global]\nlimit = 1000\ninterval = "60s"\n'
        nexus = serve(toml(redis, READERS, overall, *vendors, on_failure="deny"))
        assert nexus.chat(CHAT, ALICE).status == 200
        redis.kill()
        refused = nexus.chat(CHAT, ALICE)
        assert Scraped.of(nexus, READER).sum("limits_without_redis") == 1
        assert (refused.status, refused.headers["x-nexus-error"]) == (503, "overloaded")
        assert refused.json["error"]["message"] == "limits are temporarily unavailable; retry in a moment"
        assert refused.headers["retry-after"] == "1"
        other = nexus.messages(MESSAGES, ALICE)
        assert (other.status, other.headers["x-nexus-error"], other.json["type"]) == (503, "overloaded", "error")
        assert other.json["error"]["type"] == "overloaded_error"
        streamed = nexus.chat({**CHAT, "stream": True}, ALICE)
        assert (streamed.status, streamed.headers["content-type"]) == (503, "application/json")
        assert len(openai_upstream.requests) == 1 and not anthropic_upstream.requests
        assert nexus.request("GET", "/health").status == 200
        wait_until(lambda: is_quiet(nexus))
        redis.start()
        wait_until(lambda: nexus.chat(CHAT, ALICE).status == 200, 60)
        assert Scraped.of(nexus, READER).sum("limits_without_redis") == 0
        assert nexus.messages(MESSAGES, ALICE).status == 200

    def test_calls_without_limits_need_no_redis(
        self, redis: RedisServer, serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream
    ) -> None:
        vendors = (
            openai_config(openai_upstream.base_url, requests(PLENTY)),
            anthropic_config(anthropic_upstream.base_url),
        )
        nexus = serve("[server.metrics]\nenabled = false\n" + toml(redis, *vendors, on_failure="deny"))
        redis.kill()
        assert nexus.chat(CHAT, ALICE).status == 503
        assert nexus.messages(MESSAGES, ALICE).status == 200
        redis.start()
        wait_until(lambda: not store_of(nexus).is_cut_off, 60)
        assert connected(redis) > 0, "noticed without a call"


class TestRedisStalled:
    def test_the_loop_is_not_blocked(self, redis: RedisServer, serve: Serve, openai_upstream: FakeUpstream) -> None:
        nexus = serve(toml(redis, openai_config(openai_upstream.base_url, requests(PLENTY))))
        wait_until(lambda: is_quiet(nexus))
        redis.stall()
        with ThreadPoolExecutor(3) as pool:
            waiting = [pool.submit(nexus.chat, CHAT, ALICE) for _ in range(3)]
            wait_until(lambda: nexus.server.workers.busy == 3)
            for _ in range(5):
                assert nexus.request("GET", "/health").status == 200
                assert nexus.request("GET", "/llm/openai/v1/models", headers=ALICE).status == 200
            assert not any(call.done() for call in waiting)
            assert openai_upstream.requests == []
            redis.go_on()
            assert [call.result(60).status for call in waiting] == [200] * 3
        wait_until(lambda: is_quiet(nexus))

    def test_calls_continue_after_the_timeout(
        self, redis: RedisServer, serve: Serve, openai_upstream: FakeUpstream
    ) -> None:
        nexus = serve(toml(redis, openai_config(openai_upstream.base_url, requests(3)), patience="50ms"))
        store = store_of(nexus)
        wait_until(lambda: is_quiet(nexus))
        redis.stall()
        replies = [nexus.chat(CHAT, ALICE) for _ in range(4)]
        assert [reply.status for reply in replies] == [200, 200, 200, 429], "the local window decides"
        assert store.redis.is_down
        redis.go_on()
        wait_until(lambda: nexus.chat(CHAT, {"X-Client-Id": "bob"}).status > 0 and not store.redis.is_down, 60)

    def test_a_client_that_disconnects_meanwhile_leaves_nothing_reserved(
        self, redis: RedisServer, serve: Serve, openai_upstream: FakeUpstream
    ) -> None:
        nexus = serve(toml(redis, openai_config(openai_upstream.base_url, requests(1))))
        wait_until(lambda: is_quiet(nexus))
        redis.stall()
        with socket.create_connection(("127.0.0.1", nexus.port), timeout=60) as sock:
            body = b'{"model": "openai/gpt-4", "messages": [{"role": "user", "content": "Hi"}]}'
            head = (
                f"POST {CHAT_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"X-Client-Id: alice\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            sock.sendall(head.encode() + body)
            wait_until(lambda: nexus.server.workers.busy == 1)
        call = next(iter(nexus.server.calls.values())).call
        wait_until(lambda: call.cancel.reason is not None)
        redis.go_on()
        wait_until(lambda: is_quiet(nexus))
        assert openai_upstream.requests == []


def test_stopping_the_server_releases_everything(
    redis: RedisServer, no_leak: None, tmp_path: Path, openai_upstream: FakeUpstream
) -> None:
    before = set(threading.enumerate())
    with Nexus.of(toml(redis, openai_config(openai_upstream.base_url, requests(PLENTY))), tmp_path) as nexus:
        assert many(30, lambda number: nexus.chat(CHAT, ALICE)) == {200: 30}
        assert connected(redis) > 0
    wait_until(lambda: connected(redis) == 0)

    def left() -> set[str]:
        fresh = set(threading.enumerate()) - before
        return {thread.name for thread in fresh if thread.name.startswith("nexus")}

    wait_until(lambda: not left())
