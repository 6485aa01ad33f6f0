"""Admission: as many calls as there are workers, and as many bytes in flight as allowed; the next call is rejected."""

import errno
import json
import socket
import threading
import time
from functools import partial
from typing import Any

import pytest

from tests.conftest import Serve
from tests.peers import Peer, Vendor, read_request
from tests.server.raw import RawClient, request
from tests.serving import CHAT, MESSAGES, PATHS, Nexus, Reply, anthropic_config, openai_config, wait_until
from tests.threads import at_once
from tools.fake_upstream import Behaviour, FakeUpstream


@pytest.fixture
def narrow(serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream) -> Nexus:
    vendors = openai_config(openai_upstream.base_url) + anthropic_config(anthropic_upstream.base_url)
    return serve("[server]\nworker_threads = 2\n" + vendors)


def test_one_call_too_many_is_rejected_immediately(narrow: Nexus, openai_upstream: FakeUpstream) -> None:
    go = threading.Event()
    openai_upstream.default = Behaviour(hold=go)
    replies: list[Reply] = []
    threads = [threading.Thread(target=lambda: replies.append(narrow.chat(CHAT))) for _ in range(2)]
    for thread in threads:
        thread.start()
    openai_upstream.wait_for_requests(2)
    for refused in (narrow.chat(CHAT), narrow.messages(MESSAGES)):
        assert refused.status == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert "overloaded" in (refused.json["error"].get("code") or refused.json["error"]["type"])
    go.set()
    for thread in threads:
        thread.join(60)
    assert [reply.status for reply in replies] == [200, 200]
    wait_until(lambda: narrow.server.workers.busy == 0)
    assert narrow.chat(CHAT).status == 200


def test_a_rejected_call_does_not_keep_the_turn_to_probe(serve: Serve, openai_upstream: FakeUpstream) -> None:
    go, later = threading.Event(), time.monotonic() + 3600
    openai_upstream.default = Behaviour(hold=go)
    first = openai_config(openai_upstream.base_url)
    second = first.replace("providers.openai", "providers.other")
    virtual = '[llm.models.any]\ntargets = ["openai/gpt-4", "other/gpt-4"]\n'
    nexus = serve("[server]\nworker_threads = 1\n" + virtual + first + second)
    cooldowns, models = nexus.runtime.gateway.router.cooldowns, [("openai", "gpt-4", ""), ("other", "gpt-4", "")]
    for model in models:
        cooldowns.start(model, 30.0, "503")
    cooldowns.clock = lambda: later
    # At its start, the server uses a thread for a moment.
    wait_until(lambda: not nexus.server.workers.busy)
    thread = threading.Thread(target=lambda: nexus.chat(CHAT))
    thread.start()
    openai_upstream.wait_for_requests(1)
    assert nexus.chat({**CHAT, "model": "any"}).status == 503
    wait_until(lambda: cooldowns.enter(models, later))
    go.set()
    thread.join(60)


@pytest.mark.parametrize(
    ("place", "error", "status"),
    [
        ("admission.hold_early", RuntimeError("a bug"), 500),
        ("admission.hold_early", OSError(errno.EMFILE, "a bug"), 503),
        ("_attempts.open", OSError(errno.ENFILE, "a bug"), 503),
    ],
    ids=["before the worker", "a late import without a file descriptor", "the same on the worker"],
)
def test_a_bug_leaves_nothing_held_and_is_recorded(
    serve: Serve,
    openai_upstream: FakeUpstream,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: str,
    error: Exception,
    status: int,
) -> None:
    def broken(*_: object) -> None:
        raise error

    nexus = serve(openai_config(openai_upstream.base_url).replace("api_key", "max_concurrency = 1\napi_key"))
    records = nexus.records()
    with monkeypatch.context() as patch:
        owner, _, name = place.partition(".")
        patch.setattr(getattr(nexus.runtime.gateway, owner), name, broken)
        reply = nexus.chat(CHAT)
    assert reply.status == status
    assert nexus.chat(CHAT).status == 200
    wait_until(lambda: len(records) == 2)
    assert [record.status for record in records] == [status, 200]
    assert "a bug" in caplog.text


def test_a_bug_in_settling_keeps_no_client_waiting(
    nexus: Nexus, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    records = nexus.records()
    monkeypatch.setattr(nexus.runtime.gateway._attempts, "ended", broken)
    assert nexus.chat(CHAT).status == 200
    wait_until(lambda: len(records) == 1)
    assert nexus.server.calls == {} and "a bug" in caplog.text


def test_concurrent_calls_get_their_own_answers(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    """Marked bodies must not mix, despite pooled connections and shared workers."""
    wrong: list[str] = []

    def ask(number: int) -> None:
        for turn in range(5):
            mark = f"{number}-{turn}"
            reply = nexus.chat({**CHAT, "stream": turn % 2 == 0, "user": mark})
            if reply.status != 200:
                wrong.append(f"{mark}: {reply.status}")

    at_once(partial(ask, number) for number in range(16))
    assert wrong == []
    assert sorted(request.json["user"] for request in openai_upstream.requests) == sorted(
        f"{number}-{turn}" for number in range(16) for turn in range(5)
    )


LARGE = {"choices": [{"message": {"role": "assistant", "content": "x" * (16 << 20)}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("path", "ask"),
    [(PATHS["chat"], CHAT), pytest.param(PATHS["messages"], {**MESSAGES, "model": "gpt-4"}, marks=pytest.mark.slow)],
    ids=["passed through", "translated"],
)
def test_a_large_answer_counts_in_flight_until_its_client_has_read_it(serve: Serve, path: str, ask: Any) -> None:
    vendor = Vendor(json.dumps(LARGE).encode())
    with Peer(vendor) as peer:
        nexus = serve('[server]\nmax_body_size = "1MiB"\nmax_bytes_in_flight = "20MiB"\n' + openai_config(peer.url))
        flight = nexus.server.flight
        with RawClient(nexus) as client:
            client.send(request(path, ask))
            wait_until(lambda: flight.used > 16 << 20)
            refused = nexus.post(path, ask)
            assert (refused.status, refused.headers["x-nexus-error"]) == (503, "overloaded")
            assert "the answer is too large beside what else is in flight" in refused.json["error"]["message"]
            assert len(vendor.seen) == 2
            assert len(client.reply().body) > 16 << 20
        wait_until(lambda: flight.used == 0)
        assert nexus.post(path, ask).status == 200


def test_a_large_event_counts_in_flight_until_it_is_complete(serve: Serve) -> None:
    goes_on = threading.Event()

    def vendor(sock: socket.socket) -> None:
        read_request(sock)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        sock.sendall(head + b'data: {"choices": [{"delta": {"content": "' + b"x" * (12 << 20))
        assert goes_on.wait(60)
        sock.sendall(b'"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')

    with Peer(vendor) as peer:
        nexus = serve('[server]\nmax_body_size = "1MiB"\nmax_bytes_in_flight = "20MiB"\n' + openai_config(peer.url))
        flight = nexus.server.flight
        with RawClient(nexus) as client:
            client.send(request(PATHS["chat"], {**CHAT, "stream": True}))
            wait_until(lambda: flight.used > 20 << 20)
            refused = nexus.chat({**CHAT, "stream": True})
            assert (refused.status, refused.headers["x-nexus-error"]) == (503, "overloaded")
            goes_on.set()
            assert len(client.reply().body) > 12 << 20
        wait_until(lambda: flight.used == 0)
