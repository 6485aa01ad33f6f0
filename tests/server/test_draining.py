"""Graceful shutdown without failed calls: ready and health, the delay, kept connections, uploads and calls in
flight.
"""

import http.client
import json
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.conftest import Serve
from tests.server.raw import head
from tests.server.test_process import CHAT_PATH, STREAM, Process, Start, start
from tests.serving import CHAT, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

__all__ = ["start"]

LONG = '[server]\ndrain_delay = "1h"\n'


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: object = None) -> tuple[int, str, bytes]:
    """Status, Connection header, body."""
    raw = None if body is None else json.dumps(body)
    connection.request(method, path, raw, {} if body is None else {"Content-Type": "application/json"})
    reply = connection.getresponse()
    return reply.status, reply.getheader("Connection", ""), reply.read()


def connect(port: int) -> closing[http.client.HTTPConnection]:
    return closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60))


def health_port(process: Process) -> int:
    assert process.port
    found = re.search(r"health: http://127\.0\.0\.1:(\d+)/", process.output)
    assert found is not None
    return int(found[1])


def calls_port(process: Process) -> int:
    assert process.port
    found = re.search(r"OPENAI_BASE_URL=http://127\.0\.0\.1:(\d+)/", process.output)
    assert found is not None
    return int(found[1])


class TestReady:
    def test_health_and_ready(self, serve: Serve) -> None:
        nexus = serve('[llm.providers.e]\ntype = "echo"\n[llm.providers.e.models.m]')
        assert nexus.request("GET", "/health").json == {"status": "healthy"}
        assert nexus.request("GET", "/ready").json == {"status": "ready", "config": nexus.settings.origin.digest}
        assert nexus.request("HEAD", "/ready").status == 200
        assert nexus.request("POST", "/ready").status == 405

    @pytest.mark.slow
    def test_health_and_ready_on_a_separate_address(self, start: Start, openai_upstream: FakeUpstream) -> None:
        own = '[server.health]\nlisten = "127.0.0.1:0"\n'
        process = start(own + openai_config(openai_upstream.base_url))
        with connect(health_port(process)) as beside, connect(calls_port(process)) as calls:
            assert ask(beside, "GET", "/ready")[0] == ask(beside, "GET", "/health")[0] == 200
            assert ask(beside, "POST", CHAT_PATH, CHAT)[0] == 404
            assert ask(calls, "GET", "/ready")[0] == ask(calls, "GET", "/health")[0] == 404
            assert ask(calls, "POST", CHAT_PATH, CHAT)[0] == 200

    @pytest.mark.slow
    def test_health_answers_until_the_process_ends(self, start: Start, openai_upstream: FakeUpstream) -> None:
        """Health on its own address keeps answering while a call in flight keeps the process alive."""
        process = start('[server.health]\nlisten = "127.0.0.1:0"\n' + openai_config(openai_upstream.base_url))
        go = threading.Event()
        openai_upstream.next(Behaviour(hold=go))
        with connect(health_port(process)) as beside, connect(calls_port(process)) as calls:
            calls.request("POST", CHAT_PATH, json.dumps(CHAT), {"Content-Type": "application/json"})
            openai_upstream.wait_for_requests(1)
            process.signal(signal.SIGTERM)
            wait_until(lambda: process.said("stopping"))
            assert ask(beside, "GET", "/health")[::2] == (200, b'{"status":"draining"}')
            assert ask(beside, "GET", "/ready")[0] == 503
            go.set()
            assert calls.getresponse().status == 200
        assert process.wait() == 0

    @pytest.mark.slow
    def test_a_port_in_use_is_reported_with_its_line(self, start: Start, openai_upstream: FakeUpstream) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            own = f'[server.health]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"\n'
            process = start(own + openai_config(openai_upstream.base_url))
            assert process.wait() == 1
        assert re.fullmatch(
            r"\S+:2: server\.health\.listen: cannot listen on \S+: the port is in use.*\n(?: .*\n)+", process.output
        )


class TestDelay:
    @pytest.fixture
    def leaving(self, start: Start, openai_upstream: FakeUpstream) -> Iterator[Process]:
        """Has received SIGTERM, and keeps listening for an hour."""
        process = start(LONG + openai_config(openai_upstream.base_url))
        assert process.port
        process.signal(signal.SIGTERM)
        wait_until(lambda: process.said("draining: still listening"))
        yield process
        process.signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM

    @pytest.mark.slow
    def test_during_the_delay_it_serves_and_ready_fails(self, leaving: Process) -> None:
        for path, status in (("/ready", 503), ("/health", 200), ("/llm/openai/v1/models", 200)):
            with connect(leaving.port) as client:
                assert ask(client, "GET", path)[:2] == (status, "close")
        for body in (CHAT, STREAM):
            with connect(leaving.port) as client:
                assert ask(client, "POST", CHAT_PATH, body)[:2] == (200, "close")

    @pytest.mark.slow
    def test_after_the_delay_it_stops_listening(self, start: Start, openai_upstream: FakeUpstream) -> None:
        process = start('[server]\ndrain_delay = "100ms"\n' + openai_config(openai_upstream.base_url))
        assert process.port
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        assert process.output.index("draining") < process.output.index("stopping") < process.output.index("stopped")


class TestKeptConnections:
    def test_a_late_request_on_a_kept_connection_is_served(self, start: Start, openai_upstream: FakeUpstream) -> None:
        process = start(openai_config(openai_upstream.base_url))
        go = threading.Event()
        openai_upstream.next(Behaviour(), Behaviour(hold=go))
        with connect(process.port) as kept, connect(process.port) as other:
            assert ask(kept, "POST", CHAT_PATH, CHAT)[:2] == (200, "")
            other.request("POST", CHAT_PATH, json.dumps(CHAT), {"Content-Type": "application/json"})
            openai_upstream.wait_for_requests(2)
            process.signal(signal.SIGTERM)
            wait_until(lambda: process.said("stopping"))
            assert ask(kept, "POST", CHAT_PATH, CHAT)[:2] == (200, "close")
            go.set()
            assert other.getresponse().status == 200
        assert process.wait() == 0

    @pytest.mark.slow
    def test_shutdown_waits_for_a_request_body(self, start: Start, openai_upstream: FakeUpstream) -> None:
        process = start(openai_config(openai_upstream.base_url))
        raw = json.dumps(CHAT).encode()
        with socket.create_connection(("127.0.0.1", process.port), 60) as client:
            client.sendall(head(CHAT_PATH, length=len(raw), headers={"Expect": "100-continue"}))
            assert client.recv(100).startswith(b"HTTP/1.1 100")
            process.signal(signal.SIGTERM)
            wait_until(lambda: process.said("stopping calls=0 uploads=1"))
            client.sendall(raw)
            reply = b"".join(iter(lambda: client.recv(65536), b""))
        assert b" 200 OK" in reply
        assert process.wait() == 0

    @pytest.mark.slow
    def test_an_unfinished_body_is_rejected_at_the_end(self, start: Start, openai_upstream: FakeUpstream) -> None:
        process = start('[server]\ndrain_timeout = "100ms"\n' + openai_config(openai_upstream.base_url))
        with socket.create_connection(("127.0.0.1", process.port), 60) as client:
            client.sendall(head(CHAT_PATH, length=100, headers={"Expect": "100-continue"}))
            assert client.recv(100).startswith(b"HTTP/1.1 100")
            process.signal(signal.SIGTERM)
            reply = b"".join(iter(lambda: client.recv(65536), b""))
        assert b" 503 " in reply
        assert b"the gateway is stopping" in reply
        assert process.wait() == 0
        assert "aborting the calls that did not finish calls=0 uploads=1" in process.output
