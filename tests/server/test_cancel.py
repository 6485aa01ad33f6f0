"""When the client disconnects, the vendor's socket is closed within a second and the thread is free, in every phase.

The fake vendor observes this.
"""

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.peers import reset
from tests.server.raw import request
from tests.server.vendors import LANES, Lane
from tests.serving import CHAT, MESSAGES, Nexus, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

STREAM = {"stream": True}


def open_call(nexus: Nexus, path: str, body: dict[str, Any]) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", nexus.port), timeout=60)
    sock.sendall(request(path, body))
    return sock


PHASES = [
    pytest.param(Behaviour(hang=True), {}, False, id="waiting for the head"),
    pytest.param(Behaviour(hang=True), STREAM, False, id="waiting for the head of a stream"),
    pytest.param(Behaviour(first_event_delay=600), STREAM, False, id="waiting for the first event"),
    pytest.param(Behaviour(event_delay=600, only_before=4), STREAM, True, id="waiting for the next event"),
    pytest.param(Behaviour(endless=True), STREAM, True, id="while content is sent"),
]


@pytest.mark.parametrize(("behaviour", "more", "started"), PHASES)
@pytest.mark.parametrize("rudely", [False, True], ids=["FIN", "RST"])
def test_the_upstream_is_closed(
    nexus: Nexus, openai_upstream: FakeUpstream, behaviour: Behaviour, more: dict[str, Any], started: bool, rudely: bool
) -> None:
    openai_upstream.next(behaviour)
    client = open_call(nexus, "/llm/openai/v1/chat/completions", {**CHAT, **more})
    openai_upstream.wait_for_requests(1)
    if started:
        client.recv(100)
    reset(client) if rudely else client.close()
    openai_upstream.wait_for_disconnects(1)
    wait_until(lambda: nexus.server.workers.busy == 0 and not nexus.server.calls)


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_every_vendor_is_closed(serve: Serve, tmp_path: Path, lane: Lane) -> None:
    with FakeUpstream(lane.vendor) as upstream:
        nexus = serve(lane.config(upstream, tmp_path))
        upstream.default = Behaviour(hang=True)
        client = open_call(nexus, "/llm/anthropic/v1/messages", {**MESSAGES, "model": "v/m"})
        upstream.wait_for_requests(1)
        client.close()
        upstream.wait_for_disconnects(1)
        wait_until(lambda: nexus.server.workers.busy == 0 and not nexus.server.calls)


def test_while_waiting_for_a_connection(serve: Serve) -> None:
    """A listener with a full backlog accepts no connections, so connecting to it never ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = listener.getsockname()[1]
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
    nexus = serve(openai_config(f"http://127.0.0.1:{port}/v1"))
    client = open_call(nexus, "/llm/openai/v1/chat/completions", CHAT)
    wait_until(lambda: nexus.server.workers.busy == 1)
    client.close()
    wait_until(lambda: nexus.server.workers.busy == 0)
    for sock in (*fillers, listener):
        sock.close()


def test_while_waiting_for_the_next_attempt(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(
        openai_config(openai_upstream.base_url, '[llm.providers.openai.retries]\nattempts = 5\nmax_delay = "600s"\n')
    )
    records = nexus.records()
    openai_upstream.default = Behaviour(status=503, headers=(("retry-after", "600"),))
    client = open_call(nexus, "/llm/openai/v1/chat/completions", CHAT)
    wait_until(lambda: any(call.last is not None and call.last.error for call in nexus.server.calls.values()))
    client.close()
    wait_until(lambda: len(records) == 1 and nexus.server.workers.busy == 0)
    assert len(openai_upstream.requests) == 1
    (attempt,) = records[0].attempts
    assert (records[0].outcome, attempt.outcome, attempt.tokens_known) == ("cancelled", "vendor_error", "yes")


def test_many_disconnecting_clients_leave_nothing_behind(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.default = Behaviour(event_delay=600, only_before=4)
    clients = [open_call(nexus, "/llm/openai/v1/chat/completions", {**CHAT, **STREAM}) for _ in range(40)]
    openai_upstream.wait_for_requests(40)
    for client in clients:
        client.close()
    openai_upstream.wait_for_disconnects(40)
    wait_until(lambda: nexus.server.workers.busy == 0 and not nexus.server.calls)
    openai_upstream.default = Behaviour()
    assert nexus.chat(CHAT).status == 200
