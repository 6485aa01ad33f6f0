"""A changed configuration is applied without a failed call; an invalid one changes nothing."""

import asyncio
import gc
import http.client
import itertools
import logging
import os
import resource
import signal
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from nexus.limits.store_memory import MemoryStore
from nexus.server.process.reload import Reloader
from nexus.server.process.source import Source
from nexus.settings import load
from nexus.settings.files import Watch
from tests.peers import write_certificate
from tests.server.fleet import Fleet, fleet
from tests.server.test_process import CHAT_PATH, STREAM, Start, finish, start
from tests.server.vendors import Lane
from tests.serving import ALICE, BOB, CHAT, KEY, Nexus, Reply, openai_config, wait_until
from tools.fake_upstream import SECRET_KEY, Behaviour, FakeUpstream
from tools.faults.processes import children_of, is_alive

__all__ = ["fleet", "start"]

Run = Callable[..., Fleet]
MODELS = "/llm/openai/v1/models"

MORE = '[llm.providers.openai.models.more]\nrename = "gpt-4"\n'
ECHO = '[llm.providers.e]\ntype = "echo"\nmodels.one = {}\n'
BROKEN = "[server]\nworker_thread = 3\n"
LIMIT = '[llm.providers.openai.rate_limits.per_user]\nrequest_limit = {}\ninterval = "1h"\n'


class Place:
    """A server with its configuration file, polled often."""

    def __init__(self, nexus: Nexus, file: Path) -> None:
        self.nexus = nexus
        self.file = file

    def write(self, toml: str) -> None:
        """As editors do: a new file replaces the old one."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(toml)
        os.replace(fresh, self.file)

    def reload(self, toml: str) -> None:
        """Returns when the new configuration is in use."""
        before = self.nexus.runtime
        self.write(toml)
        wait_until(lambda: self.nexus.runtime is not before)

    def chat(self, model: str = "openai/gpt-4", key: str | None = None) -> Reply:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self.nexus.chat({**CHAT, "model": model}, headers)


@contextmanager
def placed(toml: str, folder: Path) -> Iterator[Place]:
    file = folder / "nexus.toml"
    file.write_text(toml)
    with Nexus(load(file, {})) as nexus:
        assert nexus.running is not None

        async def begin() -> Reloader:
            assert nexus.running is not None
            return Reloader(Source(file), nexus.running, every=0.02)

        loop = nexus.loop
        reloader = asyncio.run_coroutine_threadsafe(begin(), loop).result(60)
        try:
            yield Place(nexus, file)
        finally:
            asyncio.run_coroutine_threadsafe(reloader.stop(), loop).result(60)


@pytest.fixture
def toml(openai_upstream: FakeUpstream) -> str:
    return openai_config(openai_upstream.base_url)


@pytest.fixture
def place(toml: str, tmp_path: Path) -> Iterator[Place]:
    with placed(toml, tmp_path) as place:
        yield place


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_new_model_is_served_and_a_removed_one_is_not(place: Place, toml: str) -> None:
    assert place.chat("openai/more").status == 404
    place.reload(toml + MORE)
    assert place.chat("openai/more").status == 200
    place.reload(toml)
    assert place.chat("openai/more").status == 404


def test_a_new_key_is_not_in_the_cooldown_of_the_one_that_it_replaces(
    place: Place, toml: str, openai_upstream: FakeUpstream
) -> None:
    both = toml + ECHO + '[llm.models.both]\ntargets = ["openai/gpt-4", "e/one"]\n'
    place.reload(both)
    openai_upstream.next(Behaviour(status=401))
    assert [place.chat("both").headers["x-nexus-route"] for _ in range(2)] == ["e/one", "e/one"]
    place.reload(both + MORE)
    assert place.chat("both").headers["x-nexus-route"] == "e/one"
    place.reload(both.replace(KEY, f"{KEY}-new"))
    assert place.chat("both").headers["x-nexus-route"] == "openai/gpt-4"


def test_new_cloud_credentials_are_not_in_the_cooldown_of_the_old_ones(tmp_path: Path) -> None:
    with FakeUpstream("bedrock") as upstream:
        bedrock = Lane("b", "bedrock", "us.amazon.nova-pro-v1:0", None).config(upstream, tmp_path)
        right = bedrock + ECHO + '[llm.models.both]\ntargets = ["v/m", "e/one"]\n'
        wrong = right.replace(SECRET_KEY, f"{KEY}-old")
        with placed(wrong, tmp_path) as place:
            assert place.chat("both").headers["x-nexus-route"] == "e/one"
            upstream.clear()
            place.reload(wrong + '[llm.providers.v.models.more]\nrename = "us.amazon.nova-pro-v1:0"\n')
            assert place.chat("both").headers["x-nexus-route"] == "e/one"
            assert upstream.requests == []
            place.reload(right)
            assert place.chat("both").headers["x-nexus-route"].startswith("v/")


def test_learned_quirks_are_kept_if_the_server_stays_the_same(
    place: Place, toml: str, openai_upstream: FakeUpstream
) -> None:
    asked = {
        "model": "openai/gpt-4",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "Hi"}],
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
    }

    def efforts() -> list[bool]:
        openai_upstream.clear()
        assert place.nexus.messages(asked).status == 200
        return ["reasoning_effort" in request.json for request in openai_upstream.requests]

    assert efforts() == [True, False]
    place.reload(toml + MORE + LIMIT.format(9))
    assert efforts() == [False]
    place.reload(toml.replace("127.0.0.1", "localhost"))
    assert efforts() == [True, False]


def test_an_invalid_file_changes_nothing_and_every_problem_is_logged_with_its_line(
    place: Place, toml: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = place.nexus.runtime
    place.write(toml + BROKEN + "listen_address = 5\n")
    wait_until(lambda: len(errors(caplog)) == 3)
    line = toml.count("\n") + 2
    assert [message.partition(": ")[0] for message in errors(caplog)[:2]] == [
        f"{place.file}:{line}",
        f"{place.file}:{line + 1}",
    ]
    assert 'server.worker_thread: unknown key; did you mean "worker_threads"?' in errors(caplog)[0]
    assert place.nexus.runtime is before and place.chat().status == 200
    place.reload(toml + MORE)
    assert place.chat("openai/more").status == 200


@pytest.mark.parametrize("what", ["build", "Source.reread"])
def test_settings_that_fail_unexpectedly_are_reported_once(
    place: Place, toml: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    polls, look = list[None](), Watch.has_changed

    def broken(*_: object) -> None:
        polls.clear()
        raise RuntimeError("a bug")

    def looked(watch: Watch) -> bool:
        polls.append(None)
        return look(watch)

    with monkeypatch.context() as patch:
        patch.setattr(f"nexus.server.process.reload.{what}", broken)
        patch.setattr(Watch, "has_changed", looked)
        place.write(toml + MORE)
        wait_until(lambda: bool(errors(caplog)) and len(polls) > 3)
    assert errors(caplog) == ["the configuration could not be used; keeping the previous one"]
    place.reload(toml + MORE + LIMIT.format(9))
    assert place.chat("openai/more").status == 200
    assert 'nexus_config_reloads_total{result="failed"} 1.0' in place.nexus.request("GET", "/metrics").body.decode()


def test_a_removed_key_is_rejected_on_an_open_connection(toml: str, tmp_path: Path) -> None:
    both = f'[server.keys.alice]\nkey = "{ALICE}"\n[server.keys.bob]\nkey = "{BOB}"\n'
    with placed(toml + both, tmp_path) as place:
        connection = http.client.HTTPConnection("127.0.0.1", place.nexus.port, timeout=60)

        def status() -> int:
            connection.request("GET", "/llm/openai/v1/models", headers={"Authorization": f"Bearer {ALICE}"})
            reply = connection.getresponse()
            reply.read()
            return reply.status

        assert status() == 200
        sock = connection.sock
        place.reload(toml + f'[server.keys.bob]\nkey = "{BOB}"\n')
        assert status() == 401 and connection.sock is sock
        connection.close()
        assert place.chat(key=BOB).status == 200


def test_a_call_in_flight_keeps_its_configuration(place: Place, toml: str, openai_upstream: FakeUpstream) -> None:
    before, go = place.nexus.runtime, threading.Event()
    openai_upstream.next(Behaviour(hold=go))
    with ThreadPoolExecutor() as pool:
        running = pool.submit(place.chat)
        openai_upstream.wait_for_requests(1)
        other = toml.replace(openai_upstream.base_url, "http://127.0.0.1:9")
        place.reload(other + '[llm.providers.openai.timeouts]\nidle = "7s"\n')
        # Both have connections and quirks; those of the old configuration are released when its last call ends.
        assert (before.uses.count, len(place.nexus.server.kept.shared._entries)) == (1, 4)
        go.set()
        assert running.result(60).status == 200
    wait_until(lambda: (before.uses.count, len(place.nexus.server.kept.shared._entries)) == (0, 2))


def test_connections_are_kept_only_if_their_settings_are_equal(
    place: Place, toml: str, openai_upstream: FakeUpstream
) -> None:
    place.chat()
    place.reload(toml + MORE)
    place.chat("openai/more")
    assert [request.connection for request in openai_upstream.requests] == [1, 1]
    place.reload(toml + '[llm.providers.openai.timeouts]\nidle = "7s"\n')
    openai_upstream.wait_for_open_connections(0)
    place.chat()
    assert openai_upstream.requests[-1].connection == 2


def test_usage_is_kept_across_reloads(toml: str, tmp_path: Path) -> None:
    with placed(toml + LIMIT.format(3), tmp_path) as place:
        assert [place.chat().status for _ in range(2)] == [200, 200]
        place.reload(toml + MORE + LIMIT.format(3))
        assert [place.chat().status for _ in range(2)] == [200, 429]
        place.reload(toml + LIMIT.format(4))
        assert [place.chat().status for _ in range(2)] == [200, 429]
        assert place.nexus.server.kept.limits.open == 0


def test_a_key_in_a_file_is_reread_and_neither_key_is_revealed(
    openai_upstream: FakeUpstream, toml: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{KEY}\n")
    with placed(toml.replace(f'"{KEY}"', "'{{ file \"secret\" }}'"), tmp_path) as place:
        place.chat()
        before = place.nexus.runtime
        secret.write_text(f"{KEY}-another\n")
        wait_until(lambda: place.nexus.runtime is not before)
        place.chat()
    sent = [request.header("authorization") for request in openai_upstream.requests]
    assert sent == [f"Bearer {KEY}", f"Bearer {KEY}-another"]


def test_settings_that_need_a_restart_are_named_and_kept(
    place: Place, toml: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    place.reload('[server]\nworker_threads = 3\nlisten_address = "127.0.0.1:1"\nmax_body_size = "1KiB"\n' + toml)
    wait_until(lambda: sum("takes effect after a restart" in one.getMessage() for one in caplog.records) == 2)
    own = place.nexus.runtime.settings.server
    assert (own.worker_threads, str(own.listen_address[0]), own.max_body_size) == (512, "127.0.0.1:8000", 1024)


def test_removing_all_keys_is_rejected_while_a_public_address_is_in_use(
    toml: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The process still listens on its old address: without keys, strangers would spend the operator's money."""
    keys = f'[server]\nlisten_address = "0.0.0.0:8000"\nkeys.bob.key = "{BOB}"\n'
    with placed(keys + toml, tmp_path) as place:
        place.write('[server]\nlisten_address = "127.0.0.1:8000"\n' + toml)
        wait_until(lambda: any("without authentication" in one for one in errors(caplog)))
        assert place.chat().status == 401


def test_settings_that_need_another_kept_one_are_rejected(
    toml: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = toml.replace('type = "openai"', 'type = "openai"\nendpoints = ["files"]')
    with placed('[usage]\nstore = "none"\n' + toml, tmp_path) as place:
        before = place.nexus.runtime
        place.write('[usage]\nstore = "sqlite:///usage.sqlite3"\n' + files)
        wait_until(lambda: any("usage.store must stay as before until a restart" in one for one in errors(caplog)))
        assert place.nexus.runtime is before


def test_a_new_certificate_is_served(toml: str, tmp_path: Path) -> None:
    own = ec.generate_private_key(ec.SECP256R1())
    certificate, key = write_certificate(tmp_path, own)
    with placed(toml + f'[server.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n', tmp_path) as place:

        def served() -> str:
            return ssl.get_server_certificate(("127.0.0.1", place.nexus.port)).strip()

        first, before = served(), place.nexus.runtime
        assert first == certificate.read_text().strip()
        write_certificate(tmp_path, own)
        wait_until(lambda: place.nexus.runtime is not before)
        assert served() == certificate.read_text().strip() != first


@pytest.mark.slow
def test_no_call_fails_while_the_file_keeps_changing(toml: str, tmp_path: Path) -> None:
    """Alternates two valid versions and an invalid one during calls and streams; every call gets one of the
    valid ones.
    """
    versions = [toml + LIMIT.format(10_000), BROKEN + toml, toml + MORE + LIMIT.format(10_000)]
    with placed(versions[0], tmp_path) as place, ThreadPoolExecutor(8) as pool:
        done = threading.Event()

        def calls(stream: bool) -> Counter[tuple[int, bool]]:
            seen: Counter[tuple[int, bool]] = Counter()
            while not done.is_set():
                reply = place.nexus.chat({**CHAT, "stream": stream})
                seen[reply.status, not stream or reply.body.endswith(b"data: [DONE]\n\n")] += 1
            return seen

        running = [pool.submit(calls, bool(number % 2)) for number in range(6)]
        for version in itertools.islice(itertools.cycle(versions), 12):
            before = place.nexus.runtime
            place.write(version)
            if version != versions[1]:
                wait_until(lambda before=before: place.nexus.runtime is not before)  # type: ignore[misc]
        done.set()
        seen = sum((one.result(60) for one in running), Counter())
        assert seen.keys() == {(200, True)}
        limits = place.nexus.server.kept.limits
        assert limits.open == 0
        assert isinstance(limits.store, MemoryStore)
        assert [window.total for _, (_, window) in limits.store._table._known.values()] == [seen.total()]


def test_threads_connections_and_memory_are_released(
    fresh_heap: None, place: Place, toml: str, openai_upstream: FakeUpstream
) -> None:
    def turn(number: int) -> None:
        place.reload(toml + f'[llm.providers.openai.timeouts]\nidle = "{number + 1}s"\n')
        assert place.chat().status == 200

    def held() -> tuple[int, int, int]:
        openai_upstream.wait_for_open_connections(1)
        wait_until(lambda: not place.nexus.server.calls and not place.nexus.server.workers.busy)
        gc.collect()
        runtimes = sum(type(one).__name__ == "Runtime" for one in gc.get_objects())
        # Idle workers stay: there are as many as calls have overlapped.
        threads = sum(one.name != "nexus-worker" for one in threading.enumerate())
        return threads, len(place.nexus.server.kept.shared._entries), runtimes

    for number in range(3):
        turn(number)
    after = held()
    for number in range(3, 12):
        turn(number)
    assert held() == after


class TestSignals:
    @pytest.mark.slow
    def test_sighup_reloads_the_file_and_ends_no_call(
        self, start: Start, openai_upstream: FakeUpstream, tmp_path: Path
    ) -> None:
        toml = "[server]\nwatch_config = false\n" + openai_config(openai_upstream.base_url)
        process = start(toml)
        begun, go = threading.Event(), threading.Event()
        begun.set()
        openai_upstream.next(Behaviour(steps=(begun, begun, begun, go)))
        response = process.post(CHAT_PATH, STREAM)
        (tmp_path / "nexus.toml").write_text(toml + MORE)
        process.signal(signal.SIGHUP)
        wait_until(lambda: process.said("configuration reloaded"))
        assert b"chat.completion" in finish(process.post(CHAT_PATH, {**CHAT, "model": "openai/more"}))
        go.set()
        assert finish(response).endswith(b"data: [DONE]\n\n")
        (tmp_path / "nexus.toml").write_text(BROKEN)
        process.signal(signal.SIGHUP)
        wait_until(lambda: process.said("invalid configuration"))
        assert process.said("nexus.toml:2: server.worker_thread: unknown key")
        assert process.said("worker_thread = 3")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0


@pytest.mark.slow
class TestWorkers:
    def models(self, fleet: Fleet) -> set[str]:
        """The models listed by any of several new connections."""
        return {fleet.get(MODELS).decode() for _ in range(12)}

    def test_all_workers_apply_a_configuration_that_is_read_once(self, fleet: Run, tmp_path: Path) -> None:
        limit = '[server.rate_limits.global]\nlimit = {}\ninterval = "1h"\n'
        toml = '[llm.providers.e]\ntype = "echo"\n[llm.providers.e.models.{}]\n'
        nexus = fleet(limit.format(1000) + toml.format("one"))
        first = nexus.await_workers()
        assert all("e/one" in found for found in self.models(nexus))
        file = tmp_path / "nexus.toml"
        file.write_text("[server]\nworkers = 2\n" + limit.format(200) + toml.format("two"))
        wait_until(lambda: nexus.said("configuration reloaded"))
        wait_until(lambda: all("e/two" in found for found in self.models(nexus)))
        assert nexus.workers == first and nexus.output.count("configuration reloaded") == 1
        file.write_text(BROKEN)
        nexus.signal(signal.SIGHUP)
        wait_until(lambda: nexus.said("nexus.toml:2: server.worker_thread: unknown key"))
        os.kill(first[0], signal.SIGKILL)
        wait_until(lambda: not is_alive(first[0]))
        assert nexus.await_workers() != first
        assert all("e/two" in found for found in self.models(nexus))
        # Earlier usage counts towards the limit that was loaded last.
        assert len(list(itertools.takewhile(lambda _: nexus.ask(MODELS) == 200, range(200)))) < 200 - 24
        nexus.signal(signal.SIGTERM)
        assert nexus.wait() == 0

    def test_a_worker_that_cannot_use_the_configuration_is_replaced(self, fleet: Run, tmp_path: Path) -> None:
        """Others use it already, and it would accept a removed key. Here it lacks descriptors to read a certificate."""
        own = ec.generate_private_key(ec.SECP256R1())
        certificate, key = write_certificate(tmp_path, own)
        nexus = fleet(f'tls = {{ certificate = "{certificate}", key = "{key}" }}\n{ECHO}')
        first, other = nexus.await_workers()
        resource.prlimit(first, resource.RLIMIT_NOFILE, (3, 3))
        write_certificate(tmp_path, own)
        nexus.signal(signal.SIGHUP)
        wait_until(lambda: not is_alive(first))
        assert nexus.said(f"replacing a worker that cannot use the configuration pid={first}")
        assert other in nexus.await_workers()

    def test_a_reading_process_that_hangs_does_not_keep_the_ports(self, fleet: Run, tmp_path: Path) -> None:
        nexus = fleet(ECHO)
        nexus.await_workers()
        file = tmp_path / "nexus.toml"
        file.unlink()
        os.mkfifo(file)
        nexus.signal(signal.SIGHUP)
        wait_until(lambda: len(children_of(nexus.pid)) == 3)
        nexus.signal(signal.SIGKILL)

        def is_refused() -> bool:
            with closing(nexus.connect()) as connection:
                try:
                    connection.connect()
                except OSError as error:
                    return isinstance(error, ConnectionRefusedError)
            return False

        try:
            wait_until(is_refused)
        finally:
            # Lets it read to the end of an empty file.
            os.close(os.open(file, os.O_WRONLY | os.O_NONBLOCK))
