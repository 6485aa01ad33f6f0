"""Several worker processes share connections, limits and stored answers; one may die, and none outlives its
supervisor.
"""

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import openai
import pytest

from tests.peers import Peer
from tests.server.fleet import Fleet, descriptors, fleet, kill
from tests.server.test_owned_ids import KEYS, Vendor, sent
from tests.server.test_process import CHAT_PATH, STREAM, Start, finish, start
from tests.serving import ALICE, CHAT, KEY, anthropic_config, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream
from tools.faults.processes import children_of, is_alive

__all__ = ["fleet", "start"]

pytestmark = pytest.mark.slow

ECHO = '[llm.providers.e]\ntype = "echo"\n[llm.providers.e.models.m]\n'
MODELS = "/llm/openai/v1/models"

Run = Callable[..., Fleet]


def begun(go: threading.Event) -> Behaviour:
    """A stream whose first events arrive immediately, and the rest when the test allows it."""
    at_once = threading.Event()
    at_once.set()
    return Behaviour(steps=(at_once, at_once, go))


def gone(pids: list[int]) -> bool:
    return not any(map(is_alive, pids))


def test_the_first_line_is_printed_once_and_all_workers_have_one_parent(fleet: Run) -> None:
    nexus = fleet(ECHO, 3)
    workers = nexus.await_workers()
    assert nexus.output.count("INFO  Nexus ") == 1
    assert sorted(children_of(nexus.pid)) == sorted(workers)
    assert nexus.ask("/ready") == nexus.ask("/health") == 200


def test_one_worker_needs_no_supervisor(start: Start) -> None:
    nexus = start("[server]\nworkers = 1\n" + ECHO)
    assert nexus.port
    assert children_of(nexus.pid) == []


class TestShares:
    def test_connections_that_stay_open_are_shared(self, fleet: Run) -> None:
        """Connections are opened as soon as the port is open, when one worker may start before the other."""
        nexus = fleet(ECHO, 2)
        with ExitStack() as stack:
            for _ in range(16):
                connection = nexus.connect()
                stack.callback(connection.close)
                connection.request("GET", "/health")
                assert connection.getresponse().read()
            counts = [descriptors(pid, "socket:") for pid in nexus.await_workers()]
            idle = min(counts) - 8
            assert sum(counts) == 16 + 2 * idle
            assert max(counts) - min(counts) <= 2

    def test_limits_in_memory_are_exact_across_workers(self, fleet: Run) -> None:
        limit = 40
        nexus = fleet(f'[server.rate_limits.global]\nlimit = {limit}\ninterval = "1h"\n{ECHO}', 4)
        nexus.await_workers()
        with ThreadPoolExecutor(16) as pool:
            statuses = Counter(pool.map(lambda _: nexus.ask(MODELS), range(3 * limit)))
        assert statuses == {200: limit, 429: 2 * limit}

    def test_token_limits_are_exact_across_workers(self, fleet: Run, openai_upstream: FakeUpstream) -> None:
        """Each call reserves 1000 tokens while it runs and has used 10 at its end."""
        limits = '[llm.providers.openai.rate_limits.per_user]\noutput_token_limit = 1000\ninterval = "1h"\n'
        nexus = fleet(openai_config(openai_upstream.base_url) + limits, 4)
        nexus.await_workers()
        openai_upstream.default = Behaviour(output_tokens=10)
        with ThreadPoolExecutor(8) as pool:
            done = Counter(pool.map(lambda _: nexus.send(CHAT_PATH, {**CHAT, "max_tokens": 10})[0], range(150)))
        assert done == {200: 100, 429: 50}

    def test_ids_of_files_are_known_to_all_workers(self, fleet: Run, openai_upstream: FakeUpstream) -> None:
        """Also in memory, which several processes keep in a shared file."""
        config = openai_config(openai_upstream.base_url).replace(
            'type = "openai"', 'type = "openai"\nendpoints = ["files", "batches"]'
        )
        nexus = fleet(f'[usage]\nstore = "memory"\n{config}', 3)
        nexus.await_workers()
        base = f"http://127.0.0.1:{nexus.port}/llm/openai/v1"
        with ThreadPoolExecutor(4) as pool, openai.OpenAI(base_url=base, api_key="unused", max_retries=0) as client:
            made = [client.files.create(file=b"x", purpose="user_data").id for _ in range(3)]
            asked = [id for id in made for _ in range(8)]
            assert set(pool.map(lambda id: nexus.ask(f"/llm/openai/v1/files/{id}"), asked)) == {200}
            assert [one.id for one in client.files.list()] == made[::-1]

    def test_budgets_are_exact_across_workers_and_charges_are_recorded(
        self, fleet: Run, openai_upstream: FakeUpstream
    ) -> None:
        """Each call costs ten tokens, of a thousand; all workers write into one ledger."""
        budget = '[budgets.people]\nper = "user"\nlimit_usd = "0.001"\nperiod = "month"\n'
        price = "price = { input = 0, output = 1 }\n"
        nexus = fleet(openai_config(openai_upstream.base_url).replace('rename = "gpt-4"', price) + budget, 4)
        nexus.await_workers()
        openai_upstream.default = Behaviour(output_tokens=10)
        body = {**CHAT, "model": "openai/smart", "max_tokens": 10}
        with ThreadPoolExecutor(8) as pool:
            done = Counter(pool.map(lambda _: nexus.send(CHAT_PATH, body)[0], range(150)))
        assert done == {200: 100, 429: 50}
        wait_until(lambda: json.loads(nexus.get("/usage/v1/report?by=model"))["total"]["cost_usd"] == 0.001, 30)

    def test_concurrency_limits_are_shared(self, fleet: Run, openai_upstream: FakeUpstream) -> None:
        room = openai_config(openai_upstream.base_url).replace("api_key", "max_concurrency = 3\napi_key")
        nexus = fleet(room, 4)
        nexus.await_workers()
        go = threading.Event()
        openai_upstream.default = Behaviour(hold=go)
        with ThreadPoolExecutor(11) as pool:
            running = []
            for number in range(3):
                running.append(pool.submit(nexus.send, CHAT_PATH, CHAT))
                openai_upstream.wait_for_requests(number + 1)
            refused = Counter(pool.map(lambda _: nexus.send(CHAT_PATH, CHAT)[0], range(8)))
            go.set()
            assert [call.result()[0] for call in running] == [200] * 3
        assert refused == {503: 8}
        assert nexus.send(CHAT_PATH, CHAT)[0] == 200

    def test_a_stored_answer_is_found_by_every_worker(self, fleet: Run, anthropic_upstream: FakeUpstream) -> None:
        nexus = fleet(anthropic_config(anthropic_upstream.base_url), 4)
        nexus.await_workers()
        status, body = nexus.send("/llm/openai/v1/responses", {"model": "anthropic/claude", "input": "Look."})
        assert status == 200
        kept = json.loads(body)["id"]
        with ExitStack() as stack:
            # Connections open at the same time are at different workers.
            connections = [nexus.connect() for _ in range(8)]
            for connection in connections:
                stack.callback(connection.close)
                connection.request("GET", f"/llm/openai/v1/responses/{kept}")
                assert json.loads(connection.getresponse().read())["id"] == kept

    def test_every_worker_knows_which_provider_gave_an_id(self, fleet: Run) -> None:
        with Peer(Vendor()) as peer, ExitStack() as stack:
            more = f'type = "openai"\napi_key = "{KEY}"\nbase_url = "{peer.url}"\nresponses = true\nmodels.m = {{}}\n'
            nexus = fleet(f"{KEYS}[llm.providers.v]\n{more}[llm.providers.w]\n{more}", 4)
            nexus.await_workers()
            connections = [nexus.connect() for _ in range(8)]
            for connection in connections:
                stack.callback(connection.close)
            headers = {**sent(ALICE), "Content-Type": "application/json"}
            body = json.dumps({"model": "w/m", "input": "x"})
            connections[0].request("POST", "/llm/openai/v1/responses", body, headers)
            id = json.loads(connections[0].getresponse().read())["id"]
            for connection in connections:
                connection.request("GET", f"/llm/openai/v1/responses/{id}", headers=sent(ALICE))
                reply = connection.getresponse()
                assert reply.read() and (reply.status, reply.getheader("x-nexus-route")) == (200, "w/*")


class TestWorkerDeaths:
    def test_a_killed_worker_only_loses_its_own_calls(self, fleet: Run, openai_upstream: FakeUpstream) -> None:
        nexus = fleet(openai_config(openai_upstream.base_url))
        nexus.await_workers()
        go = threading.Event()
        openai_upstream.default = begun(go)
        streams = [nexus.post(CHAT_PATH, STREAM) for _ in range(8)]
        victim = nexus.workers[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: nexus.said(f"a worker exited: its calls are lost; starting another one pid={victim}"))
        assert nexus.ask("/ready") == 200
        go.set()
        whole = [finish(stream).endswith(b"data: [DONE]\n\n") for stream in streams]
        assert 2 <= sum(whole) <= 6
        assert len(nexus.await_workers()) == 2
        openai_upstream.default = Behaviour()
        assert nexus.send(CHAT_PATH, CHAT)[0] == 200

    def test_limits_outlive_a_worker(self, fleet: Run) -> None:
        nexus = fleet(f'[server.rate_limits.global]\nlimit = 4\ninterval = "1h"\n{ECHO}')
        nexus.await_workers()
        assert [nexus.ask(MODELS) for _ in range(3)] == [200, 200, 200]
        for pid in nexus.workers:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(nexus.started) == 4)
        assert [nexus.ask(MODELS) for _ in range(2)] == [200, 429]

    def test_a_stopped_worker_finishes_its_calls_first(self, fleet: Run, openai_upstream: FakeUpstream) -> None:
        nexus = fleet('drain_delay = "1h"\n' + openai_config(openai_upstream.base_url))
        nexus.await_workers()
        go = threading.Event()
        openai_upstream.default = Behaviour(hold=go)
        with ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(nexus.send, CHAT_PATH, CHAT) for _ in range(8)]
            openai_upstream.wait_for_requests(8)
            victim = nexus.workers[0]
            os.kill(victim, signal.SIGTERM)
            wait_until(lambda: nexus.said("stopping calls="))
            assert nexus.ask("/ready") == 200
            go.set()
            assert [call.result()[0] for call in calls] == [200] * 8
        wait_until(lambda: not is_alive(victim))
        assert len(nexus.await_workers()) == 2

    def test_workers_that_keep_dying_end_the_supervisor(self, fleet: Run) -> None:
        nexus = fleet(ECHO)
        killed: set[int] = set()

        def kill_all() -> bool:
            for pid in children_of(nexus.pid):
                if pid not in killed and is_alive(pid):
                    killed.add(pid)
                    kill(pid)
            return nexus.said("giving up")

        wait_until(kill_all)
        assert nexus.wait() == 1
        assert 10 <= len(killed) <= 30

    def test_the_supervisor_releases_the_resources_of_dead_workers(self, fleet: Run) -> None:
        nexus = fleet(ECHO)
        nexus.await_workers()
        before = descriptors(nexus.pid)
        for _ in range(3):
            started = len(nexus.started)
            os.kill(nexus.workers[0], signal.SIGKILL)
            wait_until(lambda started=started: len(nexus.started) > started)  # type: ignore[misc]
        wait_until(lambda: descriptors(nexus.pid) == before)


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_calls_in_flight_finish_first(
        self, fleet: Run, openai_upstream: FakeUpstream, number: signal.Signals
    ) -> None:
        nexus = fleet(openai_config(openai_upstream.base_url))
        workers = nexus.await_workers()
        go = threading.Event()
        openai_upstream.default = begun(go)
        streams = [nexus.post(CHAT_PATH, STREAM) for _ in range(4)]
        nexus.signal(number)
        wait_until(lambda: nexus.output.count("stopping calls=") == 2)
        with pytest.raises(OSError):
            nexus.ask("/health")
        go.set()
        assert all(finish(stream).endswith(b"data: [DONE]\n\n") for stream in streams)
        assert nexus.wait() == 0
        assert gone(workers)

    def test_a_signal_to_every_process_is_one_signal(self, fleet: Run, openai_upstream: FakeUpstream) -> None:
        """As sent by a terminal, or by a supervisor that signals the whole group."""
        nexus = fleet(openai_config(openai_upstream.base_url))
        workers = nexus.await_workers()
        go = threading.Event()
        openai_upstream.default = begun(go)
        streams = [nexus.post(CHAT_PATH, STREAM) for _ in range(4)]
        for number in (signal.SIGINT, signal.SIGTERM):
            for pid in workers:
                os.kill(pid, number)
        nexus.signal(signal.SIGTERM)
        wait_until(lambda: nexus.output.count("stopping calls=") == 2)
        go.set()
        assert all(finish(stream).endswith(b"data: [DONE]\n\n") for stream in streams)
        assert nexus.wait() == 0

    def test_during_the_delay_it_listens_and_ready_fails(self, fleet: Run) -> None:
        nexus = fleet('drain_delay = "1h"\n[server.health]\nlisten = "127.0.0.1:0"\n' + ECHO)
        nexus.await_workers()
        assert nexus.ask("/ready") == 200
        nexus.signal(signal.SIGTERM)
        wait_until(lambda: nexus.output.count("draining: still listening") == 2)
        assert (nexus.ask("/ready"), nexus.ask("/health")) == (503, 200)
        nexus.signal(signal.SIGTERM)
        assert nexus.wait() == 128 + signal.SIGTERM


def test_a_unix_socket_exists_to_the_end_and_is_then_removed(fleet: Run, tmp_path: Path) -> None:
    nexus = fleet(ECHO, 2, "-l", "unix:nexus.sock")
    victim = nexus.await_workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(nexus.started) == 3)
    assert (tmp_path / "nexus.sock").exists()
    nexus.signal(signal.SIGTERM)
    assert nexus.wait() == 0
    assert not (tmp_path / "nexus.sock").exists()


def test_a_cooldown_applies_to_all_workers(
    fleet: Run, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream
) -> None:
    """The vendor tells one worker to wait; then every worker goes to the next target immediately."""
    both = openai_config(openai_upstream.base_url) + anthropic_config(anthropic_upstream.base_url)
    nexus = fleet(both + '[llm.models.virtual]\ntargets = ["openai/gpt-4", "anthropic/claude"]\n', 6)
    nexus.await_workers()
    openai_upstream.default = Behaviour(status=429, headers=(("retry-after", "60"),))
    assert nexus.send(CHAT_PATH, {**CHAT, "model": "virtual"})[0] == 200
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: nexus.send(CHAT_PATH, {**CHAT, "model": "virtual"})[0], range(36)))
    assert answers == [200] * 36
    # One more if a worker had not received the cooldown yet; without sharing it would be one for each worker.
    assert 1 <= len(openai_upstream.requests) <= 2
