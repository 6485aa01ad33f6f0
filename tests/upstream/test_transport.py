"""Exchanges over real sockets: what vendors do on the wire, and how a call ends in every phase.

Every peer is a few lines of raw socket code next to the test that uses it. A cancelled call ends well within a second
with the given reason; no descriptor stays open and no other call is affected.
"""

import gzip
import os
import queue
import random
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from nexus.cancel import Cancel
from nexus.errors import Cancelled
from nexus.upstream.request import Timeouts
from nexus.upstream.transport import HttpReply, Transport
from tests.peers import (
    BEGUN,
    CHUNKED,
    GZIPPED,
    HARD_LIMIT,
    LARGE,
    LAST_CHUNK,
    PATIENT,
    TEXT,
    Handler,
    Job,
    Peer,
    Tls,
    addresses_of,
    always,
    blackhole,
    chunk,
    echo,
    fetch,
    mute,
    once,
    post,
    read_all,
    read_request,
    transport,
    wait_for_end,
    whole,
)
from tests.serving import wait_until

# -- answers -------------------------------------------------------------------------------------------------------


def test_the_request_on_the_wire() -> None:
    seen: list[bytes] = []

    def handler(sock: socket.socket) -> None:
        seen.append(read_request(sock))
        sock.sendall(whole(b""))

    body = '{"model": "gpt-4", "é": 1.0}'.encode()
    with Peer(handler) as peer, transport() as one:
        fetch_with = post(peer.url + "/chat?beta=true", body, {"authorization": "Bearer k", "x-a": "b"})
        assert read_all(one.send(fetch_with, Cancel())) == b""
    head, _, sent = seen[0].partition(b"\r\n\r\n")
    lines = {line.lower() for line in head.split(b"\r\n")}
    assert head.startswith(b"POST /v1/chat?beta=true HTTP/1.1\r\n")
    assert {b"authorization: bearer k", b"x-a: b", b"accept-encoding: identity"} <= lines
    assert b"content-length: %d" % len(body) in lines
    assert sent == body


@pytest.mark.parametrize("framed", [pytest.param(True, id="chunked"), pytest.param(False, id="until the end")])
def test_pieces_are_forwarded_before_the_next_one_exists(framed: bool) -> None:
    more = threading.Event()
    head = CHUNKED if framed else b"HTTP/1.1 200 OK\r\n\r\n"
    wrap = chunk if framed else bytes

    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(head + wrap(b"data: 1\n\n"))
        assert more.wait(HARD_LIMIT)
        sock.sendall(wrap(b"data: 2\n\n") + (LAST_CHUNK if framed else b""))

    with Peer(handler) as peer, transport() as one, one.send(post(peer.url), Cancel()) as reply:
        assert reply.read() == b"data: 1\n\n"
        more.set()
        assert b"".join(iter(reply.read, b"")) == b"data: 2\n\n"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(whole(b"", "Location: /elsewhere", status="301 Moved"), id="301"),
        pytest.param(whole(b"", "Location: /elsewhere", status="307 Temporary"), id="307"),
    ],
)
def test_redirects_are_ordinary_answers(answer: bytes) -> None:
    with Peer(always(answer, whole(b"followed"))) as peer, transport() as one:
        with one.send(post(peer.url), Cancel()) as reply:
            assert reply.status in (301, 307)
            assert reply.headers["location"] == "/elsewhere"
            assert reply.read() == b""
        assert peer.accepted == 1


def _flushed(pieces: list[bytes]) -> bytes:
    squeeze = zlib.compressobj(wbits=31)
    framed = [chunk(squeeze.compress(piece) + squeeze.flush(zlib.Z_SYNC_FLUSH)) for piece in pieces]
    return b"".join(framed) + chunk(squeeze.flush())


def _by_the_byte(data: bytes) -> bytes:
    return b"".join(chunk(data[at : at + 1]) for at in range(len(data)))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(whole(gzip.compress(TEXT), "Content-Encoding: gzip"), id="whole"),
        pytest.param(GZIPPED + _flushed([TEXT[:100], TEXT[100:]]) + LAST_CHUNK, id="chunks"),
        pytest.param(GZIPPED + _by_the_byte(gzip.compress(TEXT)) + LAST_CHUNK, id="chunks that give no bytes yet"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(TEXT), id="until the end"),
        pytest.param(
            whole(gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]) + b"pad", "Content-Encoding: x-gzip"), id="members"
        ),
        pytest.param(whole(zlib.compress(TEXT), "Content-Encoding: deflate"), id="deflate"),
        pytest.param(whole(zlib.compress(TEXT, wbits=-15), "Content-Encoding: deflate"), id="deflate without a header"),
        pytest.param(whole(gzip.compress(zlib.compress(TEXT)), "Content-Encoding: deflate, gzip"), id="twice"),
        pytest.param(whole(TEXT, "Content-Encoding: identity"), id="not at all"),
    ],
)
def test_a_compressed_answer_is_decoded_although_identity_was_requested(answer: bytes) -> None:
    with Peer(once(answer)) as peer, transport() as one:
        assert fetch(one, peer.url) == TEXT


def test_a_compressed_answer_is_decoded_in_bounded_pieces() -> None:
    text = bytes(1_000_000)
    handler = once(whole(gzip.compress(text), "Content-Encoding: gzip"))
    with Peer(handler) as peer, transport() as one, one.send(post(peer.url), Cancel()) as reply:
        pieces = list(iter(reply.read, b""))
    assert b"".join(pieces) == text
    assert max(map(len, pieces)) <= 65_536


# -- reuse of connections ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        pytest.param(whole(b"12345"), 1, id="content-length"),
        pytest.param(whole(b""), 1, id="no body"),
        pytest.param(CHUNKED + chunk(b"12345") + LAST_CHUNK, 1, id="chunked"),
        pytest.param(whole(b"12345", "Connection: close"), 3, id="the vendor does not want to"),
    ],
)
def test_a_connection_read_to_the_end_is_reused(no_leak: None, answer: bytes, connections: int) -> None:
    with Peer(always(answer)) as peer, transport() as one:
        for _ in range(3):
            fetch(one, peer.url)
        assert peer.accepted == connections


def test_a_connection_not_read_to_the_end_is_not_reused(no_leak: None) -> None:
    left = threading.Event()

    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(CHUNKED + chunk(b"first"))
        wait_for_end(sock)
        left.set()

    with Peer(handler) as peer, transport() as one:
        for turn in (1, 2):
            left.clear()
            with one.send(post(peer.url), Cancel()) as reply:
                assert reply.read() == b"first"
            assert left.wait(60), "closing the reply closes the connection"
            assert peer.accepted == turn


def test_a_connection_that_was_asked_to_close_is_not_reused(no_leak: None) -> None:
    """However long the vendor takes to close it."""
    once_only = {"content-type": "application/json", "connection": "close"}
    with Peer(always(whole(b"x"))) as peer, transport() as one:
        for turn in (1, 2):
            assert read_all(one.send(post(peer.url, headers=once_only), Cancel())) == b"x"
            assert peer.accepted == turn


def test_closing_the_transport_closes_kept_connections() -> None:
    """Immediately, even if a reply is still referenced; not when the garbage collector runs."""
    left = threading.Event()

    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(whole(b"x"))
        wait_for_end(sock)
        left.set()

    with Peer(handler) as peer:
        one = Transport("vendor", PATIENT)
        reply = one.send(post(peer.url), Cancel())
        assert read_all(reply) == b"x"
        one.close()
        assert left.wait(60), "the connection stays open"
        assert reply.status == 200


def test_the_next_call_on_a_connection_has_the_full_timeout_again() -> None:
    """The wait for the end of an answer is short; that for the next head on the same connection is not."""
    go = threading.Event()

    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(whole(b"x"))
        read_request(sock)
        assert go.wait(HARD_LIMIT)
        sock.sendall(whole(b"y"))

    with Peer(handler) as peer, transport() as one:
        reply = one.send(post(peer.url), Cancel())
        reply.end_within(0.05)
        assert read_all(reply) == b"x"
        threading.Timer(0.15, go.set).start()
        assert fetch(one, peer.url) == b"y"
        assert peer.accepted == 1


# -- cancellation --------------------------------------------------------------------------------------------------


@dataclass
class Scene:
    """The call's address and body, and the functions in which the caller is once the phase is reached."""

    url: str
    inside: tuple[str, ...]
    body: bytes = b"{}"
    reached: threading.Event | None = None
    options: dict[str, Any] = field(default_factory=dict)


SceneOf = Callable[[Tls], AbstractContextManager[Scene]]


def scene(inside: tuple[str, ...], handler: Callable[[threading.Event], Handler], body: bytes = b"{}") -> SceneOf:
    @contextmanager
    def make(_: Tls) -> Iterator[Scene]:
        reached = threading.Event()
        with Peer(handler(reached)) as peer:
            yield Scene(peer.url, inside, body, reached)

    return make


def tls_scene(inside: tuple[str, ...], handler: Callable[[threading.Event], Handler]) -> SceneOf:
    @contextmanager
    def make(tls: Tls) -> Iterator[Scene]:
        reached = threading.Event()
        with Peer(handler(reached), tls.server) as peer:
            yield Scene(peer.url, inside, b"{}", reached, {"ca_file": tls.ca_file})

    return make


@contextmanager
def while_connecting(_: Tls) -> Iterator[Scene]:
    with blackhole() as port:
        yield Scene(f"http://127.0.0.1:{port}/", ("_connect",))


@contextmanager
def while_connecting_tls(tls: Tls) -> Iterator[Scene]:
    with blackhole() as port:
        yield Scene(f"https://127.0.0.1:{port}/", ("_connect",), options={"ca_file": tls.ca_file})


@contextmanager
def during_the_handshake(tls: Tls) -> Iterator[Scene]:
    reached = threading.Event()
    with Peer(mute(reached, reads=False)) as peer:
        url = peer.url.replace("http:", "https:")
        yield Scene(url, ("do_handshake",), b"{}", reached, {"ca_file": tls.ca_file})


@contextmanager
def behind_a_mute_proxy(tls: Tls) -> Iterator[Scene]:
    reached = threading.Event()
    with Peer(mute(reached)) as peer:
        options = {"ca_file": tls.ca_file, "proxy": f"http://127.0.0.1:{peer.port}"}
        yield Scene("https://vendor.invalid/v1", ("_tunnel",), b"{}", reached, options)


PHASES = [
    pytest.param(while_connecting, id="connecting"),
    pytest.param(while_connecting_tls, id="connecting, TLS"),
    pytest.param(during_the_handshake, id="during the TLS handshake"),
    pytest.param(behind_a_mute_proxy, id="waiting for a proxy"),
    pytest.param(scene(("send",), lambda seen: mute(seen, reads=False), LARGE), id="sending a large body"),
    pytest.param(scene(("begin", "read1"), mute), id="waiting for the head"),
    pytest.param(tls_scene(("begin", "read1"), mute), id="waiting for the head, TLS"),
    pytest.param(scene(("read1",), lambda seen: mute(seen, BEGUN)), id="reading chunks"),
    pytest.param(tls_scene(("read1",), lambda seen: mute(seen, BEGUN)), id="reading chunks, TLS"),
    pytest.param(scene(("read1",), lambda seen: mute(seen, whole(b"abc")[:-1])), id="reading a counted body"),
    pytest.param(
        scene(("read1",), lambda seen: mute(seen, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc")),
        id="reading a body without length",
    ),
    pytest.param(
        tls_scene(("read1",), lambda seen: mute(seen, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc")),
        id="reading a body without length, TLS",
    ),
    pytest.param(
        scene(("read1",), lambda seen: mute(seen, GZIPPED + chunk(gzip.compress(TEXT)[:9]))),
        id="reading compressed chunks",
    ),
]


@pytest.mark.parametrize("phase", PHASES)
def test_a_cancelled_call_ends_immediately(no_leak: None, tls: Tls, phase: SceneOf) -> None:
    with phase(tls) as here, transport(**here.options) as one:
        cancel, reason = Cancel(), Cancelled("the client disconnected")
        job = Job(lambda: fetch(one, here.url, here.body, cancel))
        if here.reached is not None:
            assert here.reached.wait(HARD_LIMIT)
        job.wait_inside(*here.inside)
        cancel.throw(reason)
        with pytest.raises(Cancelled) as caught:
            job.result()
        assert caught.value is reason
        assert not cancel._callbacks, "nothing stays registered"


def test_a_call_cancelled_before_it_is_sent_does_not_connect() -> None:
    cancel = Cancel()
    cancel.throw(Cancelled("the client disconnected"))
    with Peer(echo) as peer, transport() as one:
        with pytest.raises(Cancelled):
            one.send(post(peer.url), cancel)
        assert fetch(one, peer.url, b"next") == b"next"
        assert peer.accepted == 1


def test_a_call_cancelled_while_its_name_is_looked_up_does_not_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch is thrown when there is a call but no socket yet."""
    cancel = Cancel()
    with blackhole() as port, transport(Timeouts(connect=600, first_byte=600, idle=600)) as one:

        def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
            cancel.throw(Cancelled("the client disconnected"))
            return addresses_of(port)

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        with pytest.raises(Cancelled):
            one.send(post("http://vendor.test/"), cancel)


def test_a_call_cancelled_at_one_address_does_not_try_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = Cancel()
    with blackhole() as port, transport(Timeouts(connect=600, first_byte=600, idle=600)) as one:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses_of(port, port))
        job = Job(lambda: one.send(post("http://vendor.test/"), cancel))
        job.wait_inside("_connect")
        wait_until(lambda: job.stack[0] == "_connect")
        cancel.throw(Cancelled("the client disconnected"))
        with pytest.raises(Cancelled):
            job.result()


def test_a_call_cancelled_between_connect_and_handshake_leaves_no_socket(
    no_leak: None, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = Cancel()
    duplicate = os.dup

    def dup(descriptor: int) -> int:
        """Runs when the TCP connection is open and TLS is about to begin."""
        cancel.throw(Cancelled("the client disconnected"))
        return duplicate(descriptor)

    monkeypatch.setattr(os, "dup", dup)
    with Peer(mute(reads=False)) as peer, transport(ca_file=tls.ca_file) as one:
        with pytest.raises(Cancelled) as caught:
            one.send(post(peer.url.replace("http:", "https:")), cancel)
        assert caught.value is cancel.reason


def one_then_two(second: threading.Event, go: threading.Event) -> Handler:
    """Answers two calls on one connection: sets ``second`` when the second has arrived, and answers it at ``go``."""

    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(whole(b"one"))
        read_request(sock)
        second.set()
        assert go.wait(HARD_LIMIT)
        sock.sendall(whole(b"two"))

    return handler


def test_a_cancel_after_the_end_affects_no_other_call() -> None:
    """Thrown after the connection was returned to the pool, while the next call waits on it."""
    second, go = threading.Event(), threading.Event()
    with Peer(one_then_two(second, go)) as peer, transport() as one:
        first = Cancel()
        reply = one.send(post(peer.url), first)
        assert b"".join(iter(reply.read, b"")) == b"one"
        job = Job(lambda: fetch(one, peer.url))
        assert second.wait(HARD_LIMIT)
        first.throw(Cancelled("the client disconnected"))
        reply.close()
        go.set()
        assert job.result() == b"two"
        assert peer.accepted == 1


def test_a_cancel_at_the_very_end_affects_no_other_call() -> None:
    """The answer ends, and the next call takes its connection, while the switch is being thrown."""
    second, go = threading.Event(), threading.Event()
    with Peer(one_then_two(second, go)) as peer, transport() as one:
        replies: list[HttpReply] = []
        jobs: list[Job[bytes]] = []

        def meanwhile() -> None:
            """Registered before the socket is, so it runs before the socket would be shut down."""
            assert replies[0].read() == b"one"
            jobs.append(Job(lambda: fetch(one, peer.url)))
            assert second.wait(HARD_LIMIT)

        first = Cancel()
        first.add(meanwhile)
        replies.append(one.send(post(peer.url), first))
        first.throw(Cancelled("the client disconnected"))
        replies[0].close()
        go.set()
        assert jobs[0].result() == b"two"
        assert peer.accepted == 1


def _close_each(sock: socket.socket) -> None:
    while request := read_request(sock):
        sock.sendall(whole(request.partition(b"\r\n\r\n")[2], "Connection: close"))


@pytest.mark.parametrize(
    ("handler", "secure"),
    [
        pytest.param(echo, False, id="keep-alive"),
        pytest.param(_close_each, False, id="Connection: close"),
        pytest.param(echo, True, id="keep-alive, TLS"),
    ],
)
def test_cancelling_never_affects_another_call(no_leak: None, tls: Tls, handler: Handler, secure: bool) -> None:
    """Half of the calls are cancelled at some time between their start and long after their end; the others
    complete.
    """
    victims: queue.SimpleQueue[Cancel | None] = queue.SimpleQueue()

    def executioner() -> None:
        dice = random.Random(7)
        while (cancel := victims.get()) is not None:
            for _ in range(dice.randrange(2000)):
                pass
            cancel.throw(Cancelled("the client disconnected"))

    def caller(number: int) -> int:
        dice = random.Random(number)
        whole_answers = 0
        for turn in range(60):
            body, cancel = b"%d/%d " % (number, turn) * dice.randrange(1, 2000), Cancel()
            doomed = dice.random() < 0.5
            if not doomed:
                assert fetch(one, peer.url, body, cancel) == body
                whole_answers += 1
                continue
            late = dice.random() < 0.5
            if not late:
                victims.put(cancel)
            with suppress(Cancelled):
                assert fetch(one, peer.url, body, cancel) == body
            if late:
                victims.put(cancel)
        return whole_answers

    with Peer(handler, tls.server if secure else None) as peer, transport(ca_file=tls.ca_file) as one:
        executioners = [Job(executioner) for _ in range(2)]
        jobs = [Job(partial(caller, number)) for number in range(6)]
        assert all(job.result() > 10 for job in jobs)
        for _ in executioners:
            victims.put(None)
        for job in executioners:
            job.result()
