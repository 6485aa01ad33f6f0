"""Faults on demand from the fake upstreams: errors, cuts, resets, waits, garbage, endless streams.

Driven from outside, over sockets; the vendors' SDKs judge the answers. Nothing sleeps.
"""

import socket
import threading
import time
from typing import Any

import pytest
import requests

from tests.tools.driving import HELLO, STREAM, chunks, connect, data_of, exchange, frames, post, raw_request, read_all
from tools.fake_upstream import Behaviour, FakeUpstream

pytestmark = pytest.mark.slow


def test_literal_body_headers_and_gzip(upstream: FakeUpstream) -> None:
    upstream.next(
        Behaviour(status=502, body=b"<html>", headers=(("Content-Type", "text/html"), ("x-extra", "1"))),
        Behaviour(gzip=True),
        Behaviour(gzip=True, end_after=2, piece_size=7),
    )
    reply = post(upstream)
    assert (reply.status_code, reply.content, reply.headers["content-type"]) == (502, b"<html>", "text/html")
    assert reply.headers["x-extra"] == "1"
    assert Behaviour().text in post(upstream).text
    assert len(frames(post(upstream, STREAM).content)) == 2


def test_literal_events_and_pieces(upstream: FakeUpstream) -> None:
    events = (b"data: one\n\n", b": comment\r\n\r\n", b"data: two")
    upstream.next(Behaviour(events=events, piece_size=4, close_after=True))
    found = chunks(exchange(upstream))
    assert found[-1] == b""
    assert b"".join(found) == b"".join(events)
    assert [len(piece) for piece in found[:-2]] == [4] * (len(found) - 2)


def test_connection_close_framing(upstream: FakeUpstream) -> None:
    upstream.next(Behaviour(events=(b"data: one\n\n",), chunked=False))
    head, _, body = exchange(upstream).partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert b"transfer-encoding" not in head
    assert body == b"data: one\n\n"


def test_http_1_0(chat: FakeUpstream) -> None:
    with connect(chat) as sock:
        sock.sendall(raw_request(chat).replace(b"HTTP/1.1", b"HTTP/1.0"))
        reply = read_all(sock)
    assert b"chunked" not in reply
    assert reply.endswith(b"data: [DONE]\n\n")


def test_end_cut_and_error(upstream: FakeUpstream) -> None:
    upstream.next(
        Behaviour(end_after=2, close_after=True),
        Behaviour(cut_after=2),
        Behaviour(cut_after=0),
        Behaviour(error_after=2, message="broke", close_after=True),
        Behaviour(cut_after=99),
    )
    ended, cut, empty, failed, late = (chunks(exchange(upstream)) for _ in range(5))
    assert len(ended) == 3
    assert ended[-1] == b""
    assert cut[0].startswith((b"data:", b"event: message_start"))
    assert len(cut) == 2
    assert empty == []
    assert data_of(failed[2])[0]["error"]["message"] == "broke"
    assert failed[3:] == [b""]
    assert late[-1] in (b"data: [DONE]\n\n", b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
    assert upstream.disconnects == []


def test_cut_unary_body(upstream: FakeUpstream) -> None:
    upstream.next(Behaviour(cut_after=10))
    assert len(exchange(upstream, HELLO).partition(b"\r\n\r\n")[2]) == 10


@pytest.mark.parametrize("body", [HELLO, STREAM])
def test_reset_and_close_before_head(upstream: FakeUpstream, body: dict[str, Any]) -> None:
    upstream.next(Behaviour(reset_after=0), Behaviour(close_before_head=True), Behaviour(reset_after=2))
    with pytest.raises(ConnectionResetError):
        exchange(upstream, body)
    assert exchange(upstream, body) == b""
    with pytest.raises(ConnectionResetError):
        exchange(upstream, body)


def test_garbage(upstream: FakeUpstream) -> None:
    upstream.next(Behaviour(garbage="http"), Behaviour(garbage="json"), Behaviour(garbage="sse"))
    with pytest.raises(requests.ConnectionError):
        post(upstream)
    with pytest.raises(requests.JSONDecodeError):
        post(upstream).json()
    assert b"{this is not JSON" in post(upstream, STREAM).content


def test_first_frame_travels_with_the_head(upstream: FakeUpstream) -> None:
    release = threading.Event()
    upstream.next(Behaviour(event_delay=30.0), Behaviour(hold=release))
    with connect(upstream) as sock:
        sock.sendall(raw_request(upstream))
        assert len(chunks(sock.recv(65536))) == 1
    with connect(upstream) as sock:
        sock.sendall(raw_request(upstream, extra="connection: close\r\n"))
        assert sock.recv(65536).endswith(b"\r\n\r\n")
        release.set()
        assert read_all(sock).endswith(b"0\r\n\r\n")
    assert len(upstream.wait_for_disconnects(1)) == 1


WAITING = {
    "hang": Behaviour(hang=True),
    "delay": Behaviour(delay=60.0),
    "first event delayed": Behaviour(first_event_delay=60.0),
    "events delayed": Behaviour(event_delay=60.0),
    "hold": Behaviour(hold=threading.Event()),
    "endless": Behaviour(endless=True),
    "endless in pieces": Behaviour(endless=True, piece_size=5),
    "endless with gzip": Behaviour(endless=True, gzip=True),
    "endless tool call": Behaviour(endless=True, tool_call=True),
    "endless literal events": Behaviour(endless=True, events=(b": ping\n\n",)),
}


@pytest.mark.parametrize("behaviour", WAITING.values(), ids=WAITING)
@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
def test_a_disconnecting_client_is_noticed(upstream: FakeUpstream, behaviour: Behaviour, reset: bool) -> None:
    upstream.next(behaviour)
    with connect(upstream) as sock:
        sock.sendall(raw_request(upstream))
        upstream.wait_for_requests(1)
        if behaviour.endless:
            upstream.wait_for_stall(quiet=0.02)
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        left = time.monotonic()
    seen = upstream.wait_for_disconnects(1)[0]
    assert seen.connection == 1
    assert seen.at >= left
    assert seen.reset or not reset
    upstream.wait_for_open_connections(0)


def test_endless_stops_with_a_slow_reader(upstream: FakeUpstream) -> None:
    upstream.default = Behaviour(endless=True)
    with connect(upstream) as sock:
        sock.sendall(raw_request(upstream))
        upstream.wait_for_stall(quiet=0.05)
        stalled = upstream.bytes_sent
        assert stalled > 10_000
        taken = 0
        while taken < 2 * stalled:
            taken += len(sock.recv(1 << 20))
        upstream.wait_for_stall(quiet=0.05)
        assert upstream.bytes_sent >= taken


def test_stop_ends_everything() -> None:
    before = threading.active_count()
    with FakeUpstream("openai") as fake:
        fake.next(Behaviour(hang=True), Behaviour(endless=True), Behaviour(hold=threading.Event()))
        socks = [connect(fake) for _ in range(4)]
        for number, sock in enumerate(socks[:3], 1):
            sock.sendall(raw_request(fake))
            fake.wait_for_requests(number)
        fake.wait_for_open_connections(4)
    assert threading.active_count() == before
    assert (fake.open_connections, fake.disconnects) == (0, [])
    for sock in socks:
        sock.close()
    with pytest.raises(ConnectionRefusedError):
        connect(fake)


def test_a_timed_out_wait_reports_what_arrived(chat: FakeUpstream) -> None:
    post(chat)
    with pytest.raises(TimeoutError, match=r"no 2 requests within 0\.01 s; 1 requests, 0 disconnects"):
        chat.wait_for_requests(2, timeout=0.01)
    with pytest.raises(TimeoutError, match="no stall"):
        chat.wait_for_stall(timeout=0.01)


def test_clear(chat: FakeUpstream) -> None:
    chat.next(Behaviour(status=500))
    requests.get(chat.base_url, timeout=60)
    assert chat.violations
    chat.clear()
    assert (chat.requests, chat.violations, chat.bytes_sent) == ([], [], 0)
    assert post(chat).status_code == 200


def test_unknown_vendor() -> None:
    known = "anthropic, azure, bedrock, gemini, openai, vertex"
    with pytest.raises(ValueError, match=f"no fake vendor 'nobody'; there are {known}"):
        FakeUpstream("nobody")
