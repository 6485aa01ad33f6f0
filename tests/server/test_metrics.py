"""``/metrics`` of a running server: who may read it, its address, and that it shows what happened."""

import gzip
import http.client
import os
import re
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nexus.server.server import IN_FLIGHT
from nexus.telemetry.metrics.catalog import METRICS
from tests.auth.kit import ALICE, BOB
from tests.conftest import Serve
from tests.scraped import Scraped
from tests.server.fleet import Fleet
from tests.server.fleet import fleet as fleet
from tests.server.test_process import Process
from tests.server.test_process import start as start
from tests.serving import CHAT, MESSAGES, Nexus, bearer, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

Run = Callable[..., Fleet]
Start = Callable[..., Process]

CHAT_PATH = "/llm/openai/v1/chat/completions"
ECHO = '[llm.providers.e]\ntype = "echo"\n[llm.providers.e.models.m]\n'

KEYS = f"""
[usage]
readers = ["finance"]
[server.client_identification]
enabled = true
client_id = {{ gateway_key = true }}
group_id = {{ gateway_key = true }}
[server.keys.alice]
key = "{ALICE}"
group = "finance"
[server.keys.bob]
key = "{BOB}"
group = "web"
"""


class TestAccess:
    def test_without_keys_every_caller_may_read(self, nexus: Nexus) -> None:
        reply = nexus.request("GET", "/metrics")
        assert (reply.status, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert reply.headers["cache-control"] == "no-store"
        foreign = nexus.request("GET", "/metrics", headers={"Host": "evil.example"})
        assert foreign.status == 403

    def test_with_keys_a_reader_may_read(self, serve: Serve) -> None:
        nexus = serve(KEYS + ECHO)
        assert nexus.request("GET", "/metrics", headers=bearer(ALICE)).status == 200
        refused = nexus.request("GET", "/metrics", headers=bearer(BOB))
        assert refused.status == 403
        assert "usage.readers" in refused.json["error"]["message"]
        assert "server.metrics.listen_address" in refused.json["error"]["message"]
        assert nexus.request("GET", "/metrics").status == 401
        assert b"nexus_" not in refused.body

    def test_with_keys_but_no_readers_nobody_may_read(self, serve: Serve) -> None:
        nexus = serve(f'[server.keys.alice]\nkey = "{ALICE}"\n{ECHO}')
        assert nexus.request("GET", "/metrics", headers=bearer(ALICE)).status == 403

    @pytest.mark.slow
    def test_a_separate_address_needs_no_key(self, start: Start) -> None:
        process = start(f'[server.metrics]\nlisten_address = "127.0.0.1:0"\n{KEYS}{ECHO}')
        assert process.port
        found = re.search(r"metrics: http://127\.0\.0\.1:(\d+)/metrics", process.output)
        assert found is not None
        status, body = get(int(found[1]), "/metrics")
        assert status == 200
        assert Scraped(body.decode()).sum("processes_up") == 1
        for path in ("/", "/health", CHAT_PATH):
            status, body = get(int(found[1]), path)
            assert (status, f"{path} does not exist: this address serves /metrics" in body.decode()) == (404, True)
        status, body = get(process.port, "/metrics", bearer(ALICE))
        assert status == 404, "it is served only there"
        assert b"/metrics is served at another address: 127.0.0.1:0 (server.metrics.listen_address)" in body

    def test_it_can_be_disabled(self, serve: Serve) -> None:
        nexus = serve("[server.metrics]\nenabled = false\n" + ECHO)
        assert nexus.request("GET", "/metrics").status == 404
        assert nexus.post(CHAT_PATH, {**CHAT, "model": "e/m"}).status == 200
        assert [*nexus.server.rows.sums()] == [IN_FLIGHT], "the dashboard shows it too"

    def test_the_path_can_be_changed(self, serve: Serve) -> None:
        nexus = serve('[server.metrics]\npath = "/internal/prometheus"\n' + ECHO)
        assert nexus.request("GET", "/internal/prometheus").status == 200
        assert nexus.request("GET", "/metrics").status == 404


def get(port: int, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers or {})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


class TestFormats:
    def test_openmetrics_and_gzip_as_requested_by_prometheus(self, nexus: Nexus) -> None:
        asked = {
            "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
            "Accept-Encoding": "gzip",
        }
        reply = nexus.request("GET", "/metrics", headers=asked)
        assert reply.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert reply.headers["content-encoding"] == "gzip"
        assert gzip.decompress(reply.body).endswith(b"# EOF\n")

    def test_metrics_can_be_selected(self, nexus: Nexus) -> None:
        reply = nexus.request("GET", "/metrics?name[]=nexus_build_info&name[]=nexus_processes_up")
        assert Scraped(reply.body.decode()).families.keys() == {"nexus_build_info", "nexus_processes_up"}


def test_metrics_exist_before_the_first_call(nexus: Nexus) -> None:
    found = Scraped.of(nexus)
    assert found.families.keys() == {metric.name for metric in METRICS}
    assert found.sum("processes_up") == 1
    assert found.sum("in_flight") == 0
    assert found.sum("worker_threads") == nexus.settings.server.worker_threads
    assert found.by("route", "in_cooldown") == {}
    assert {sample.labels["route"] for sample in found.find("in_cooldown")} == {
        route.name for route in nexus.runtime.gateway.routes
    }
    assert found.sum("config_last_reload_success_timestamp_seconds") > 1.7e9


def test_calls_are_counted_by_outcome(nexus: Nexus) -> None:
    nexus.chat(CHAT)
    nexus.chat({**CHAT, "stream": True})
    nexus.messages(MESSAGES)
    nexus.chat({**CHAT, "model": "nobody/knows"})
    nexus.request("GET", "/nowhere")
    wait_until(lambda: Scraped.of(nexus).sum("calls_total") == 4)
    found = Scraped.of(nexus)
    assert found.by("protocol", "calls_total") == {"chat": 3, "messages": 1}
    assert found.by("outcome", "calls_total") == {"ok": 3, "refused": 1}
    assert found.by("route", "calls_total") == {"openai/gpt-4": 2, "anthropic/claude": 1, "other": 1}
    assert found.by("reason", "refused_requests_total") == {"not_found": 1}
    assert found.sum("first_content_seconds_count") == 1
    assert found.sum("duration_seconds_count") == 4


def test_limits_for_all_requests_are_shown(serve: Serve) -> None:
    nexus = serve(ECHO + '[server.rate_limits.per_ip]\nlimit = 2\ninterval = "1h"\n')
    statuses = [nexus.request("GET", "/llm/openai/v1/models").status for _ in range(3)]
    assert statuses == [200, 200, 429]
    found = nexus.server.rows.sums()
    assert found['["nexus_limit_decisions", "each address", "requests", "refused"]'] == [1]


def test_calls_in_flight_are_counted(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    go = threading.Event()
    openai_upstream.default = Behaviour(hold=go)
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(nexus.chat, CHAT) for _ in range(2)]
        openai_upstream.wait_for_requests(2)
        found = Scraped.of(nexus)
        go.set()
        assert [call.result(60).status for call in calls] == [200, 200]
    assert (found.sum("in_flight"), found.sum("worker_threads_busy")) == (2, 2)
    wait_until(lambda: Scraped.of(nexus).sum("in_flight") == 0)


def test_cooldowns_are_shown(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.default = Behaviour(status=401)
    assert nexus.chat(CHAT).status == 401
    found = Scraped.of(nexus)
    assert found.by("scope", "cooldowns_total", place="openai") == {"key": 1}
    cooldowns = nexus.runtime.gateway.router.cooldowns
    ((provider, _, key),) = cooldowns.active(cooldowns.clock())
    for scope in ((provider, "gpt-4", ""), (provider, "gpt-4", key)):
        cooldowns.start(scope, 60, "a test")
    found = Scraped.of(nexus)
    assert found.by("provider", "keys_in_cooldown") == {"openai": 1}, "each key once"
    assert found.by("route", "in_cooldown") == {"openai/gpt-4": 1}


@pytest.mark.slow
class TestSeveralProcesses:
    def test_any_worker_reports_for_all_and_a_workers_death_loses_nothing(self, fleet: Run) -> None:
        nexus = fleet(ECHO, 3)
        workers = nexus.await_workers()
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda _: nexus.send(CHAT_PATH, {**CHAT, "model": "e/m"})[0], range(60))) == [200] * 60
        wait_until(lambda: Scraped(nexus.get("/metrics").decode()).sum("calls_total") == 60)
        told = [Scraped(nexus.get("/metrics").decode()) for _ in range(12)]
        assert {found.sum("calls_total") for found in told} == {60}
        assert {found.sum("processes_up") for found in told} == {3}
        tokens = told[0].sum("tokens_total")
        assert tokens > 0
        for victim in workers[:2]:
            os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(nexus.started) == 5)
        wait_until(lambda: Scraped(nexus.get("/metrics").decode()).sum("processes_up") == 3)
        found = Scraped(nexus.get("/metrics").decode())
        assert (found.sum("calls_total"), found.sum("tokens_total")) == (60, tokens)
        assert nexus.send(CHAT_PATH, {**CHAT, "model": "e/m"})[0] == 200
        wait_until(lambda: Scraped(nexus.get("/metrics").decode()).sum("calls_total") == 61)

    def test_a_killed_workers_calls_are_not_in_flight(self, fleet: Run, openai_upstream: FakeUpstream) -> None:
        nexus = fleet(openai_config(openai_upstream.base_url), 2)
        workers = nexus.await_workers()
        openai_upstream.default = Behaviour(hold=threading.Event())
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(nexus.send, CHAT_PATH, CHAT)
            openai_upstream.wait_for_requests(1)
            assert Scraped(nexus.get("/metrics").decode()).sum("in_flight") == 1
            for victim in workers:
                os.kill(victim, signal.SIGKILL)
            wait_until(lambda: len(nexus.started) == 4)
            assert isinstance(call.exception(60), http.client.HTTPException | OSError)
        assert Scraped(nexus.get("/metrics").decode()).sum("in_flight") == 0

    def test_a_reload_counts_once_and_resets_nothing(self, fleet: Run, tmp_path: Path) -> None:
        nexus = fleet(ECHO, 2)
        nexus.await_workers()
        assert nexus.send(CHAT_PATH, {**CHAT, "model": "e/m"})[0] == 200
        file = tmp_path / "nexus.toml"
        good = file.read_text()
        file.write_text(good + "[llm.providers.e.models.n]\n")
        nexus.signal(signal.SIGHUP)
        wait_until(lambda: nexus.send(CHAT_PATH, {**CHAT, "model": "e/n"})[0] == 200)
        file.write_text(good + "nonsense")
        nexus.signal(signal.SIGHUP)
        wait_until(lambda: nexus.said("invalid configuration"))
        found = Scraped(nexus.get("/metrics").decode())
        assert found.by("result", "config_reloads_total") == {"success": 1, "failed": 1}
        assert found.sum("calls_total", route="e/m") == 1
