"""Nexus watches the client's connection during a call; bytes that the client sends in the meantime do not prevent that.

Pings are an hour apart here, so that only the watch can notice; the fake vendor's observations decide.
"""

import json
import socket
import ssl
import threading
from typing import Any

import pytest

from tests.conftest import Serve
from tests.peers import Tls
from tests.server.raw import RawClient, head, request
from tests.server.vendors import Lane, Stand, Standing
from tests.serving import CHAT, MESSAGES, Nexus, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

QUIET = '[server]\nping_interval = "1h"\nearly_ping = "1h"\n'
CHAT_PATH = "/llm/openai/v1/chat/completions"
MESSAGES_PATH = "/llm/anthropic/v1/messages"
FOREIGN = {**MESSAGES, "model": "openai/gpt-4"}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "passthrough": (CHAT_PATH, CHAT),
    "translated": (MESSAGES_PATH, FOREIGN),
}
BEHIND = {
    "nothing": b"",
    "an empty line": b"\r\n",
    "a request": head("/health", method="GET"),
    "a request and its large body": head(CHAT_PATH, length=300_000) + b" " * 300_000,
}


@pytest.fixture
def house(stand: Stand) -> Standing:
    return stand(Lane("quiet", "openai", "", None, text=QUIET + openai_config("{url}")))


@pytest.fixture
def openai_upstream(house: Standing) -> FakeUpstream:
    return house.upstream


@pytest.fixture
def quiet(house: Standing) -> Nexus:
    return house.nexus


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND.keys())
@pytest.mark.parametrize("stream", [None, False, True], ids=["unary", "stream before its head", "stream in progress"])
@pytest.mark.parametrize(("path", "body"), CALLS.values(), ids=CALLS.keys())
def test_a_disconnect_is_noticed(
    quiet: Nexus, openai_upstream: FakeUpstream, path: str, body: dict[str, Any], stream: bool | None, behind: bytes
) -> None:
    openai_upstream.next(Behaviour(event_delay=3600, only_before=4) if stream else Behaviour(hang=True))
    with RawClient(quiet) as client:
        client.send(request(path, {**body, "stream": stream is not None}))
        openai_upstream.wait_for_requests(1)
        if stream:
            client.sock.recv(20)
        client.send(behind)
    openai_upstream.wait_for_disconnects(1, timeout=60)
    wait_until(lambda: quiet.server.workers.busy == 0 and not quiet.server.calls)


class TestHalfClosed:
    @pytest.mark.parametrize("looks", [1, 12], ids=["soon", "after more probes than the status line has bytes"])
    @pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
    @pytest.mark.parametrize(("path", "body"), CALLS.values(), ids=CALLS.keys())
    def test_a_half_closed_connection_gets_its_answer(
        self,
        quiet: Nexus,
        openai_upstream: FakeUpstream,
        monkeypatch: pytest.MonkeyPatch,
        path: str,
        body: dict[str, Any],
        stream: bool,
        looks: int,
    ) -> None:
        monkeypatch.setattr("nexus.server.http.client_stream.LOOK", 0.002)
        go = threading.Event()
        openai_upstream.next(Behaviour(hold=go))
        with RawClient(quiet) as client:
            client.send(request(path, {**body, "stream": stream})).half_close()
            openai_upstream.wait_for_requests(1)
            wait_until(lambda: len(client.sock.recv(64, socket.MSG_PEEK)) >= looks)
            go.set()
            reply = client.reply()
        assert reply.status == 200
        assert b"Hello" in reply.body or b"data:" in reply.body
        assert stream or json.loads(reply.body)["model"]

    @pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream in progress"])
    def test_a_half_closed_connection_that_disconnects_later_is_noticed(
        self, quiet: Nexus, openai_upstream: FakeUpstream, stream: bool
    ) -> None:
        openai_upstream.next(Behaviour(event_delay=3600, only_before=4) if stream else Behaviour(hang=True))
        with RawClient(quiet) as client:
            client.send(request(CHAT_PATH, {**CHAT, "stream": stream})).half_close()
            openai_upstream.wait_for_requests(1)
            client.sock.recv(1)
        openai_upstream.wait_for_disconnects(1, timeout=60)

    def test_half_closing_during_a_stream_still_gets_the_rest(
        self, quiet: Nexus, openai_upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("nexus.server.http.client_stream.LOOK", 0.01)
        openai_upstream.next(Behaviour(event_delay=0.05))
        with RawClient(quiet) as client:
            client.send(request(CHAT_PATH, {**CHAT, "stream": True}))
            openai_upstream.wait_for_requests(1)
            client.half_close()
            assert client.reply().body.endswith(b"data: [DONE]\n\n")

    def test_a_half_closed_http_1_0_connection_gets_its_answer(
        self, quiet: Nexus, openai_upstream: FakeUpstream
    ) -> None:
        with RawClient(quiet) as client:
            client.send(request(CHAT_PATH, CHAT).replace(b"HTTP/1.1", b"HTTP/1.0")).half_close()
            assert client.reply().status == 200


def test_pipelined_requests_are_answered_in_order(quiet: Nexus, openai_upstream: FakeUpstream) -> None:
    """Also if the client announces with the last of them that nothing follows."""
    go = threading.Event()
    openai_upstream.next(Behaviour(hold=go))
    with RawClient(quiet) as client:
        client.send(request(CHAT_PATH, CHAT) + b"\r\n" + head("/health", method="GET") + request(CHAT_PATH, CHAT))
        client.half_close()
        openai_upstream.wait_for_requests(1)
        wait_until(lambda: client.sock.recv(1, socket.MSG_PEEK) == b"H")
        go.set()
        whole = client.rest()
    assert whole.count(b"HTTP/1.1 200 OK") == 3
    assert whole.index(b'"choices"') < whole.index(b'"healthy"') < whole.rindex(b'"choices"')


class TestOverTls:
    @pytest.fixture
    def secure(self, serve: Serve, openai_upstream: FakeUpstream, tls: Tls) -> Nexus:
        table = f'[server.tls]\ncertificate = "{tls.ca_file}"\nkey = "{tls.key_file}"\n'
        return serve(QUIET + table + openai_config(openai_upstream.base_url))

    def client(self, nexus: Nexus, tls: Tls) -> RawClient:
        client = RawClient(nexus)
        context = ssl.create_default_context(cafile=str(tls.ca_file))
        context.check_hostname = False
        client.sock = context.wrap_socket(client.sock)
        return client

    @pytest.mark.parametrize("behind", [b"", b"\r\n", head("/health", method="GET")])
    def test_a_disconnect_is_noticed(
        self, secure: Nexus, openai_upstream: FakeUpstream, tls: Tls, behind: bytes
    ) -> None:
        openai_upstream.next(Behaviour(hang=True))
        with self.client(secure, tls) as client:
            client.send(request(CHAT_PATH, CHAT) + behind)
            openai_upstream.wait_for_requests(1)
        openai_upstream.wait_for_disconnects(1, timeout=60)
