"""The lifecycle of upstream connections: which are reused, which are replaced, and how timeouts and heads are handled.

Tests check counts, orders and outcomes, never wall-clock time.
"""

import errno
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import certifi
import pytest

from nexus.cancel import Cancel
from nexus.errors import Cancelled, Overloaded, Unreachable, UpstreamTimeout
from nexus.upstream import binding, clock
from nexus.upstream.request import Timeouts
from nexus.upstream.tls import authorities_from_environment, tls_context
from nexus.upstream.transport import Transport
from tests.peers import (
    CHUNKED,
    HARD_LIMIT,
    Handler,
    Job,
    Peer,
    Tls,
    addresses_of,
    always,
    chunk,
    echo,
    fetch,
    join,
    post,
    read_all,
    read_request,
    reset,
    transport,
    wait_for_end,
    whole,
)
from tests.serving import wait_until
from tests.threads import no_thread

# -- connections that died while idle ------------------------------------------------------------------------------


def answers_then(count: int, last: Callable[[socket.socket], None]) -> Handler:
    """Answers ``count`` requests on each connection; reads the next one and does ``last``."""

    def handler(sock: socket.socket) -> None:
        for _ in range(count):
            if not read_request(sock):
                return
            sock.sendall(whole(b"ok"))
        if read_request(sock):
            last(sock)

    return handler


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("end", [pytest.param(lambda sock: sock.close(), id="FIN"), pytest.param(reset, id="RST")])
def test_a_kept_connection_that_dies_under_a_request_costs_no_attempt(
    no_leak: None, tls: Tls, secure: bool, end: Callable[[socket.socket], None]
) -> None:
    server = tls.server if secure else None
    with Peer(answers_then(1, end), server) as peer, transport(ca_file=tls.ca_file) as one:
        for turn in range(3):
            assert fetch(one, peer.url, b"%d" % turn) == b"ok"
        assert peer.accepted == 3, "each kept connection died and was replaced"


def test_the_replacement_of_a_dead_connection_is_kept_without_a_warning(
    no_leak: None, caplog: pytest.LogCaptureFixture
) -> None:
    def first_dies(sock: socket.socket) -> None:
        answers_then(1 if peer.accepted == 1 else 3, reset)(sock)

    with Peer(first_dies) as peer, transport() as one:
        assert [fetch(one, peer.url) for _ in range(4)] == [b"ok"] * 4
    assert peer.accepted == 2
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []


def test_a_request_that_fails_again_after_resending_is_a_failure(no_leak: None) -> None:
    """There is never a third connection."""
    turn = iter([1, 0, 0, 0])

    def handler(sock: socket.socket) -> None:
        answers_then(next(turn), lambda sock: sock.close())(sock)

    with Peer(handler) as peer, transport() as one:
        assert fetch(one, peer.url) == b"ok"
        with pytest.raises(Unreachable):
            fetch(one, peer.url)
        assert peer.accepted == 2


def test_a_request_is_not_resent_after_a_reset_that_comes_late(no_leak: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor was at work: the attempt failed, and is recorded as one."""
    monkeypatch.setattr(binding, "ROUND_TRIP", 0.0)
    with Peer(answers_then(1, reset)) as peer, transport() as one:
        assert fetch(one, peer.url) == b"ok"
        with pytest.raises(Unreachable):
            fetch(one, peer.url)
        assert peer.accepted == 1


def test_a_request_is_not_resent_after_silence_on_a_kept_connection(no_leak: None) -> None:
    """The vendor may be working, and would bill both."""
    with Peer(answers_then(1, wait_for_end)) as peer, transport(Timeouts(30, 0.2, 30)) as one:
        assert fetch(one, peer.url) == b"ok"
        with pytest.raises(UpstreamTimeout):
            fetch(one, peer.url)
        assert peer.accepted == 1


def test_a_request_is_not_resent_after_a_partial_answer(no_leak: None) -> None:
    def half(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200")

    with Peer(answers_then(1, half)) as peer, transport() as one:
        assert fetch(one, peer.url) == b"ok"
        with pytest.raises(Unreachable):
            fetch(one, peer.url)
        assert peer.accepted == 1


def test_a_connection_idle_for_too_long_is_not_reused(no_leak: None) -> None:
    with Peer(echo) as peer, transport(Timeouts(30, 30, 30, keep_alive=0.01)) as one:
        assert fetch(one, peer.url, b"a") == b"a"
        time.sleep(0.02)  # the maximum age itself
        assert fetch(one, peer.url, b"b") == b"b"
        assert peer.accepted == 2


def test_sockets_closed_by_the_vendor_are_reaped(no_leak: None) -> None:
    go = threading.Event()

    def handler(sock: socket.socket) -> None:
        read_request(sock)
        assert go.wait(HARD_LIMIT)
        sock.sendall(whole(b"ok"))

    with Peer(handler) as peer, transport() as one:
        jobs = [Job(lambda: fetch(one, peer.url)) for _ in range(8)]
        wait_until(lambda: peer.accepted == 8)
        go.set()
        assert [job.result() for job in jobs] == [b"ok"] * 8
        wait_until(lambda: sum(1 for thread in peer._threads if thread.is_alive()) == 0)
        reaped = 0
        while reaped < 8:
            reaped += one.reap()
        assert one.reap() == 0


def test_reaping_keeps_live_connections(no_leak: None) -> None:
    with Peer(echo) as peer, transport() as one:
        assert fetch(one, peer.url, b"a") == b"a"
        assert one.reap() == 0
        assert fetch(one, peer.url, b"b") == b"b"
        assert peer.accepted == 1


def test_tcp_keepalive_is_enabled() -> None:
    with Peer(echo) as peer, transport() as one, one.send(post(peer.url), Cancel()) as reply:
        connection = reply._connection
        assert connection is not None
        sock = connection.sock
        options = {
            name: sock.getsockopt(level, getattr(socket, name))
            for level, name in [
                (socket.SOL_SOCKET, "SO_KEEPALIVE"),
                (socket.IPPROTO_TCP, "TCP_KEEPIDLE"),
                (socket.IPPROTO_TCP, "TCP_KEEPINTVL"),
                (socket.IPPROTO_TCP, "TCP_KEEPCNT"),
                (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT"),
            ]
            if hasattr(socket, name)
        }
        read_all(reply)
    assert options.pop("TCP_USER_TIMEOUT", 60_000) == 60_000
    assert list(options.values())[1:] in ([60, 60, 5], [60, 5], [])
    assert options["SO_KEEPALIVE"]


# -- DNS names -----------------------------------------------------------------------------------------------------


class Hanging:
    """A resolver that answers when the test allows it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
        self.asked = 0
        self.go = threading.Event()
        self._port = port
        monkeypatch.setattr(socket, "getaddrinfo", self._lookup)

    def _lookup(self, *_: object, **__: object) -> list[tuple[Any, ...]]:
        self.asked += 1
        assert self.go.wait(HARD_LIMIT)
        return addresses_of(self._port)


def test_a_name_lookup_ends_with_the_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(echo) as peer, transport(Timeouts(0.2, 30, 30)) as one:
        names = Hanging(monkeypatch, peer.port)
        for _ in range(2):
            with pytest.raises(UpstreamTimeout, match="name lookup") as caught:
                fetch(one, "http://vendor.test/")
            assert caught.value.retryable
        assert names.asked == 1, "one lookup of a name at a time"
        names.go.set()
        wait_until(lambda: not one._resolver._running)
        assert peer.accepted == 0
        assert fetch(one, "http://vendor.test/", b"found") == b"found"


def test_a_cancelled_caller_does_not_wait_for_a_name_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(echo) as peer, transport() as one:
        names = Hanging(monkeypatch, peer.port)
        cancel, reason = Cancel(), Cancelled("the client disconnected")
        job = Job(lambda: fetch(one, "http://vendor.test/", cancel=cancel))
        job.wait_inside("wait_for")
        cancel.throw(reason)
        with pytest.raises(Cancelled):
            job.result()
        names.go.set()
        wait_until(lambda: not one._resolver._running)


def test_a_name_lookup_for_which_there_was_no_thread_does_not_block_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(echo) as peer, transport() as one:
        there, start = peer.port, threading.Thread.start
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses_of(there))
        monkeypatch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(Overloaded, match="cannot start another thread"):
            fetch(one, "http://vendor.test/")
        monkeypatch.setattr(threading.Thread, "start", start)
        assert fetch(one, "http://vendor.test/", b"found") == b"found"


def test_the_last_known_addresses_are_used_if_the_resolver_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = []

    def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, list)
        return answer

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with Peer(always(whole(b"ok", "Connection: close"))) as peer, transport() as one:
        answers += [addresses_of(peer.port), socket.gaierror(socket.EAI_AGAIN, "try again")]
        assert fetch(one, "http://vendor.test/") == b"ok"
        assert fetch(one, "http://vendor.test/") == b"ok"
        assert not answers


def test_an_address_that_the_kernel_cannot_reach_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with an IPv6 address on a kernel without IPv6."""
    unknown = [(999, socket.SOCK_STREAM, 6, "", ("::1", 1))]
    found: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with Peer(echo) as peer, transport() as one:
        found += [*unknown, *addresses_of(peer.port)]
        assert fetch(one, "http://vendor.test/", b"found") == b"found"
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    found[:] = [*addresses_of(port), *unknown]
    with transport() as one, pytest.raises(Unreachable, match="ECONNREFUSED"):
        fetch(one, "http://vendor.test/")


# -- timeouts ------------------------------------------------------------------------------------------------------


def timeout_of(one: Transport, url: str) -> str:
    with pytest.raises(UpstreamTimeout) as caught:
        fetch(one, url)
    return caught.value.message


def test_trickling_interim_answers_do_not_postpone_the_first_byte(no_leak: None) -> None:
    def handler(sock: socket.socket) -> None:
        read_request(sock)
        while True:
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            time.sleep(0.02)

    with Peer(handler) as peer, transport(Timeouts(30, 0.15, 30)) as one:
        assert "no answer within" in timeout_of(one, peer.url)


def test_a_head_that_trickles_in_does_not_postpone_the_first_byte(no_leak: None) -> None:
    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            sock.sendall(b"x")
            time.sleep(0.02)

    with Peer(handler) as peer, transport(Timeouts(30, 0.15, 30)) as one:
        assert "no answer within" in timeout_of(one, peer.url)


def test_a_limit_for_the_end_of_an_answer_applies_in_total(no_leak: None) -> None:
    """Bytes that keep arriving do not extend the limit."""

    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(CHUNKED)
        while True:
            sock.sendall(chunk(b": ping\n\n"))
            time.sleep(0.02)

    with Peer(handler) as peer, transport() as one, one.send(post(peer.url), Cancel()) as reply:
        assert reply.read()
        with pytest.raises(UpstreamTimeout):
            while True:
                reply.end_within(0.15)
                assert reply.read()


def test_a_limit_for_one_piece_applies_to_what_frames_it(no_leak: None) -> None:
    """Here an extension of a chunk that never ends."""

    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(CHUNKED + chunk(b"piece") + b"5;")
        while True:
            sock.sendall(b"x")
            time.sleep(0.02)

    with Peer(handler) as peer, transport() as one, one.send(post(peer.url), Cancel()) as reply:
        reply.begin_piece(30)
        assert reply.read() == b"piece"
        reply.begin_piece(0.15)
        with pytest.raises(UpstreamTimeout, match=r"no data for 0\.15 s"):
            reply.read()


@pytest.mark.parametrize(
    "trailers",
    [pytest.param(b"", id="silence"), pytest.param(b"x", id="no header"), pytest.param(b"a: b\r\n", id="unfinished")],
)
def test_an_answer_is_complete_before_its_trailers(
    no_leak: None, monkeypatch: pytest.MonkeyPatch, trailers: bytes
) -> None:
    monkeypatch.setattr("nexus.upstream.binding.TRAILERS", 0.05)

    def handler(sock: socket.socket) -> None:
        while read_request(sock):
            sock.sendall(CHUNKED + chunk(b"whole") + b"0\r\n" + trailers)

    with Peer(handler) as peer, transport() as one:
        assert fetch(one, peer.url) == b"whole"
        assert fetch(one, peer.url) == b"whole"
        assert peer.accepted == 2, "a connection with an unfinished answer is not reused"


def test_trailers_are_skipped(no_leak: None) -> None:
    with Peer(always(CHUNKED + chunk(b"whole") + b"0\r\na: b\r\nc: d\r\n\r\n")) as peer, transport() as one:
        assert fetch(one, peer.url) == b"whole"
        assert fetch(one, peer.url) == b"whole"
        assert peer.accepted == 1


def test_the_earliest_deadline_applies() -> None:
    one = clock.Clock(30)
    one.run_freely(20)
    assert one.allowed() == 20
    one.end_within(5)
    one.end_within(10)
    assert one.allowed() <= 5
    one.end_within(-1)
    with pytest.raises(TimeoutError):
        one.allowed()


# -- heads ---------------------------------------------------------------------------------------------------------

BODY = b"Content-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("head", "name", "value"),
    [
        pytest.param(b"X-A: b\r\n" * 500, "x-a", "b", id="500 headers"),
        pytest.param(b"X-A: a\x00\x0b\x7fb\r\n", "x-a", "ab", id="control characters"),
        pytest.param(b"X-A:b\r\n", "x-a", "b", id="no blank"),
        pytest.param(b"X-A : b \t\r\n", "x-a", "b", id="blanks around"),
        pytest.param(b"X-A: a\r\n  b\r\n", "x-a", "a b", id="folded"),
        pytest.param(b"X-" + b"b" * 300 + b": b\r\nX-A: a\r\n", "x-a", "a", id="a very long name, left out"),
        pytest.param(b"X-A: b\n", "x-a", "b", id="LF alone"),
        pytest.param(b"X-A:\r\n", "x-a", "", id="empty"),
        pytest.param(b"X-A: \xe9\r\n", "x-a", "\xe9", id="latin-1"),
        pytest.param(b"Content-Length: 2\r\nX-A: b\r\n", "x-a", "b", id="the same length twice"),
    ],
)
def test_unusual_heads_are_accepted(no_leak: None, head: bytes, name: str, value: str) -> None:
    with Peer(always(b"HTTP/1.1 200 OK\r\n" + head + BODY)) as peer, transport() as one:
        reply = one.send(post(peer.url), Cancel())
        with reply:
            assert set(reply.headers[name].split(", ")) == {value}
            assert max(map(len, reply.headers)) <= 256
            assert reply.read() == b"ok"


@pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints", b"199 Soon"])
def test_interim_answers_are_skipped(no_leak: None, status: bytes) -> None:
    interim = b"HTTP/1.1 " + status + b"\r\nLink: </a>\r\n\r\n"
    with Peer(always(interim * 2 + b"HTTP/1.1 201 Created\r\n" + BODY)) as peer, transport() as one:
        reply = one.send(post(peer.url), Cancel())
        with reply:
            assert (reply.status, "link" in reply.headers) == (201, False)
            assert reply.read() == b"ok"


# -- causes of failures --------------------------------------------------------------------------------------------


def test_running_out_of_descriptors_is_the_gateways_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    make = socket.socket

    def broken(*arguments: Any, **options: Any) -> socket.socket:
        if threading.current_thread().name == "job":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return make(*arguments, **options)

    with Peer(echo) as peer, transport() as one:
        monkeypatch.setattr(socket, "socket", broken)
        job = Job(lambda: fetch(one, peer.url))
        with pytest.raises(Overloaded) as caught:
            job.result()
    assert (caught.value.status, caught.value.retry_after) == (503, 1)


# -- certificate authorities ---------------------------------------------------------------------------------------


def test_authorities_named_by_the_environment_are_trusted(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", tls.ca_file)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    assert authorities_from_environment() == ("SSL_CERT_FILE",)
    tls_context.cache_clear()
    try:
        with Peer(echo, tls.server) as peer, transport() as one:
            assert fetch(one, peer.url, b"trusted") == b"trusted"
    finally:
        tls_context.cache_clear()


def test_without_system_authorities_certifi_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from nexus.upstream import tls as module

    monkeypatch.setattr(module, "_BUNDLES", (str(tmp_path / "nix"),))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nix"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert module.system_bundle() == certifi.where()
    (tmp_path / "01234567.0").write_text("")
    assert module.system_bundle() is None


# -- Unix sockets and proxies --------------------------------------------------------------------------------------


def test_a_unix_socket_is_used(no_leak: None, tmp_path: Path) -> None:
    path = tmp_path / "vendor.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                echo(sock)

        thread = threading.Thread(target=serve)
        thread.start()
        with closing(Transport("vendor", Timeouts(30, 30, 30))) as one:
            url = f"http+unix://{str(path).replace('/', '%2F')}/v1"
            assert fetch(one, url, b"a") == b"a"
            assert fetch(one, url, b"b") == b"b"
        thread.join(HARD_LIMIT)


def socks_proxy(to: int, seen: list[bytes]) -> Handler:
    """Accepts any client without a password and connects it to port ``to``."""

    def handler(sock: socket.socket) -> None:
        sock.recv(64)
        sock.sendall(b"\x05\x00")
        seen.append(sock.recv(300))
        join(sock, to, b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")

    return handler


def test_a_socks_proxy_is_used(no_leak: None, tls: Tls) -> None:
    pytest.importorskip("socks", reason="needs PySocks")
    seen: list[bytes] = []
    with Peer(echo, tls.server) as vendor, Peer(socks_proxy(vendor.port, seen)) as proxy:
        with transport(proxy=f"socks5h://127.0.0.1:{proxy.port}", ca_file=tls.ca_file) as one:
            assert fetch(one, f"https://localhost:{vendor.port}/v1", b"a") == b"a"
        assert b"localhost" in seen[0], "the proxy looks the name up"
        with transport(proxy=f"socks5://127.0.0.1:{proxy.port}", ca_file=tls.ca_file) as one:
            assert fetch(one, f"https://localhost:{vendor.port}/v1", b"b") == b"b"
        assert b"localhost" not in seen[1]


def test_an_unreachable_socks_proxy_is_named(no_leak: None) -> None:
    pytest.importorskip("socks", reason="needs PySocks")
    with transport(proxy="socks5h://127.0.0.1:1") as one, pytest.raises(Unreachable, match="proxy"):
        fetch(one, "http://vendor.invalid/")
