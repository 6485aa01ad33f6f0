"""Failed exchanges: which errors they become, and that they leave nothing open.

Every peer is a few lines of raw socket code next to the test that uses it.
"""

import gzip
import socket
import ssl
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from nexus.cancel import Cancel
from nexus.errors import ProtocolError, Unreachable, UpstreamError, UpstreamTimeout
from nexus.upstream.clock import Clock
from nexus.upstream.request import Timeouts
from tests.peers import (
    BEGUN,
    CHUNKED,
    HARD_LIMIT,
    LARGE,
    LAST_CHUNK,
    TEXT,
    UNUSED_PORT,
    Handler,
    Job,
    Peer,
    Tls,
    addresses_of,
    blackhole,
    chunk,
    echo,
    fetch,
    join,
    mute,
    once,
    post,
    read_all,
    read_request,
    reset,
    transport,
    whole,
)

# -- failures ------------------------------------------------------------------------------------------------------

BRIEF = 0.15
NO_CONNECTION = "vendor: no connection within 0.15 s (%s)"


@contextmanager
def backlog_full() -> Iterator[str]:
    with blackhole() as port:
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def mute_tls() -> Iterator[str]:
    with Peer(mute(reads=False)) as peer:
        yield peer.url.replace("http:", "https:")


@contextmanager
def mute_http() -> Iterator[str]:
    with Peer(mute()) as peer:
        yield peer.url


@contextmanager
def mute_after_a_piece() -> Iterator[str]:
    with Peer(mute(before=BEGUN)) as peer:
        yield peer.url


@pytest.mark.parametrize(
    ("upstream", "timeouts", "message", "retryable"),
    [
        pytest.param(backlog_full, Timeouts(BRIEF, 30, 30), NO_CONNECTION % "TCP", True, id="connect"),
        pytest.param(
            mute_tls, Timeouts(BRIEF, 30, 30), NO_CONNECTION % "TLS handshake", True, id="connect, TLS included"
        ),
        pytest.param(mute_http, Timeouts(30, BRIEF, 30), "vendor: no answer within 0.15 s", False, id="first byte"),
        pytest.param(mute_after_a_piece, Timeouts(30, 30, BRIEF), "vendor: no data for 0.15 s", False, id="idle"),
    ],
)
def test_each_timeout_ends_its_own_phase(
    no_leak: None,
    upstream: Callable[[], AbstractContextManager[str]],
    timeouts: Timeouts,
    message: str,
    retryable: bool,
) -> None:
    with upstream() as url, transport(timeouts) as one:
        with pytest.raises(UpstreamTimeout) as caught:
            fetch(one, url)
        assert caught.value.message == message
        assert caught.value.retryable is retryable
        assert (caught.value.provider, caught.value.status, caught.value.cause) == ("vendor", 504, "timeout")


@pytest.mark.skipif(sys.version_info < (3, 11, 3), reason="this Python takes a cut TLS connection for an ended one")
@pytest.mark.parametrize("says_goodbye", [True, False])
def test_an_answer_without_a_length_is_whole_over_tls_only_with_its_alert(
    no_leak: None, tls: Tls, says_goodbye: bool
) -> None:
    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"text": "half')
        if says_goodbye:
            assert isinstance(sock, ssl.SSLSocket)
            sock.unwrap()

    with Peer(handler, tls.server) as peer, transport(ca_file=tls.ca_file) as one:
        if says_goodbye:
            assert fetch(one, peer.url) == b'{"text": "half'
        else:
            with pytest.raises(Unreachable):
                fetch(one, peer.url)


def test_a_connection_that_used_up_its_timeout_is_closed(
    no_leak: None, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its handshake."""

    def none_left(_: Clock) -> float:
        raise TimeoutError

    monkeypatch.setattr(Clock, "allowed", none_left)
    peer, here = Peer(mute(before=BEGUN), tls.server), transport(Timeouts(30, 30, 30), ca_file=tls.ca_file)
    with peer, here as one, pytest.raises(UpstreamTimeout):
        fetch(one, peer.url)


def test_the_idle_timeout_applies_between_pieces_and_not_in_total() -> None:
    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(CHUNKED)
        for _ in range(6):
            time.sleep(0.1)
            sock.sendall(chunk(b"x"))
        sock.sendall(LAST_CHUNK)

    with Peer(handler) as peer, transport(Timeouts(30, 30, idle=0.4)) as one:
        assert fetch(one, peer.url) == b"xxxxxx"


def test_the_connect_timeout_does_not_apply_to_sending_a_body() -> None:
    go = threading.Event()

    def handler(sock: socket.socket) -> None:
        assert go.wait(HARD_LIMIT)
        assert len(read_request(sock)) > len(LARGE)
        sock.sendall(whole(b"taken"))

    with Peer(handler) as peer, transport(Timeouts(connect=0.1, first_byte=30, idle=30)) as one:
        job = Job(lambda: fetch(one, peer.url, LARGE))
        threading.Timer(0.2, go.set).start()
        assert job.result() == b"taken"


def test_a_body_that_the_vendor_does_not_read_is_a_timeout() -> None:
    with Peer(mute(reads=False)) as peer, transport(Timeouts(30, BRIEF, 30)) as one:
        with pytest.raises(UpstreamTimeout) as caught:
            fetch(one, peer.url, LARGE)
        assert caught.value.message == "vendor: no answer within 0.15 s"
        assert not caught.value.retryable


def test_a_limit_for_the_end_of_an_answer_is_obeyed() -> None:
    with mute_after_a_piece() as url, transport() as one, one.send(post(url), Cancel()) as reply:
        assert reply.read() == b"data: 1\n\n"
        reply.end_within(BRIEF)
        with pytest.raises(UpstreamTimeout, match=r"no data for 0\.15 s"):
            reply.read()


def _resets(after: bytes) -> Handler:
    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(after)
        reset(sock)

    return handler


NO_ANSWER = "vendor: the connection failed before the answer started (%s)"
BROKEN_OFF = "vendor: the connection was lost (closed)"
NOT_HTTP = "vendor: the answer is not valid HTTP"


@pytest.mark.parametrize(
    ("handler", "error", "message"),
    [
        pytest.param(once(b""), Unreachable, NO_ANSWER % "closed", id="FIN before the head"),
        pytest.param(_resets(b""), Unreachable, NO_ANSWER % "ECONNRESET", id="RST before the head"),
        pytest.param(once(b"\x15\x03\x01\x00\x02\x02\x28 what?\n\n"), ProtocolError, NOT_HTTP, id="TLS alert"),
        pytest.param(once(b"220 smtp.vendor.test ESMTP\r\n"), ProtocolError, NOT_HTTP, id="another protocol"),
        pytest.param(once(b"HTTP/1.1 abc OK\r\n\r\n"), ProtocolError, NOT_HTTP, id="no status"),
        pytest.param(
            once(b"HTTP/1.1 200 OK\r\n" + b"A: " + b"x" * 70_000 + b"\r\n\r\n"), ProtocolError, NOT_HTTP, id="long line"
        ),
        pytest.param(
            once(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n"), ProtocolError, NOT_HTTP, id="a line that is no header"
        ),
        pytest.param(once(b"HTTP/1.1 200 OK\r\n: x\r\n\r\n"), ProtocolError, NOT_HTTP, id="a header without a name"),
        pytest.param(
            once(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
            ProtocolError,
            NOT_HTTP,
            id="two lengths",
        ),
        pytest.param(
            once(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 60_000 + b"\r\n"), ProtocolError, NOT_HTTP, id="endless head"
        ),
        pytest.param(once(b"HTTP/1.1 200 OK\r\n"), Unreachable, NO_ANSWER % "closed", id="head cut after the status"),
        pytest.param(
            once(b"HTTP/1.1 200 OK\r\nContent-Le"), Unreachable, NO_ANSWER % "closed", id="head cut in a header"
        ),
        pytest.param(once(b"HTTP/1."), Unreachable, NO_ANSWER % "closed", id="head cut in the status"),
        pytest.param(once(whole(b"12345")[:-1]), Unreachable, BROKEN_OFF, id="counted body cut"),
        pytest.param(once(whole(b"12345")[:-5]), Unreachable, BROKEN_OFF, id="counted body missing"),
        pytest.param(once(BEGUN), Unreachable, BROKEN_OFF, id="chunks cut between two"),
        pytest.param(once(CHUNKED), Unreachable, BROKEN_OFF, id="chunks cut before the first"),
        pytest.param(once(BEGUN + b"ff\r\nabc"), Unreachable, BROKEN_OFF, id="chunks cut within one"),
        pytest.param(once(BEGUN[:-2]), Unreachable, BROKEN_OFF, id="chunks cut at the end of one"),
        pytest.param(once(BEGUN + b"f"), Unreachable, BROKEN_OFF, id="chunks cut within a size"),
        pytest.param(_resets(BEGUN), Unreachable, BROKEN_OFF.replace("closed", "ECONNRESET"), id="RST while reading"),
        pytest.param(once(BEGUN + b"xyz\r\nabc"), UpstreamError, None, id="no chunk size"),
        pytest.param(
            once(whole(gzip.compress(TEXT)[:-1], "Content-Encoding: gzip")[:-200]), Unreachable, None, id="gzip cut"
        ),
        *(
            pytest.param(
                once(whole(gzip.compress(TEXT)[:-left], "Content-Encoding: gzip")),
                Unreachable,
                BROKEN_OFF,
                id=f"gzip without its last {left}",
            )
            for left in (1, 8, 20)
        ),
        pytest.param(
            once(whole(zlib.compress(TEXT)[:-4], "Content-Encoding: deflate")),
            Unreachable,
            BROKEN_OFF,
            id="deflate cut",
        ),
        pytest.param(once(whole(b"not gzip", "Content-Encoding: gzip")), ProtocolError, NOT_HTTP, id="not gzip"),
    ],
)
def test_a_broken_answer_is_reported(
    no_leak: None, handler: Handler, error: type[UpstreamError], message: str | None
) -> None:
    with Peer(handler) as peer, transport() as one:
        with pytest.raises(error) as caught:
            fetch(one, peer.url)
        if message is not None:
            assert caught.value.message == message
        assert caught.value.provider == "vendor"
        assert caught.value.retryable is (isinstance(caught.value, Unreachable))
        assert peer.accepted == 1


def test_a_refused_connection_is_unreachable(no_leak: None) -> None:
    with transport() as one, pytest.raises(Unreachable) as caught:
        fetch(one, f"http://127.0.0.1:{UNUSED_PORT}/")
    assert caught.value.message == NO_ANSWER % "ECONNREFUSED"
    assert caught.value.retryable


def test_a_name_that_does_not_exist_is_unreachable(no_leak: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with transport() as one, pytest.raises(Unreachable, match="name not found"):
        fetch(one, "http://vendor.test/")


def test_after_a_refused_connection_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(echo) as peer, transport() as one:
        closed, there = UNUSED_PORT, peer.port
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses_of(closed, there))
        assert fetch(one, "http://vendor.test/", b"hello") == b"hello"


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_an_answer_sent_before_the_connection_was_closed_is_used(no_leak: None, tls: Tls, secure: bool) -> None:
    """Also if the vendor took longer over the body than connecting may take."""
    limits = Timeouts(connect=1.0, first_byte=30.0, idle=30.0)

    def handler(sock: socket.socket) -> None:
        sock.recv(1)
        time.sleep(limits.connect + 0.1)
        sock.sendall(whole(b"too large", "Connection: close", status="413 Too Large"))

    peer, here = Peer(handler, tls.server if secure else None), transport(limits, ca_file=tls.ca_file)
    with peer, here as one, one.send(post(peer.url, LARGE), Cancel()) as reply:
        assert (reply.status, reply.read()) == (413, b"too large")


# -- TLS, proxies and the environment ------------------------------------------------------------------------------


def test_certificates_of_a_configured_authority_are_trusted(no_leak: None, tls: Tls) -> None:
    with Peer(echo, tls.server) as peer, transport(ca_file=tls.ca_file) as one:
        assert fetch(one, peer.url, TEXT) == TEXT
        assert fetch(one, peer.url.replace("127.0.0.1", "localhost"), TEXT) == TEXT
        assert fetch(one, peer.url, b"again") == b"again"
        assert peer.accepted == 2, "one connection per host name"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_environment_variables_of_other_programs_do_not_change_trust(
    no_leak: None, tls: Tls, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, tls.ca_file)
    with Peer(echo, tls.server) as peer:
        with transport() as one, pytest.raises(Unreachable) as caught:
            fetch(one, peer.url)
        assert caught.value.message.startswith("vendor: the TLS handshake failed (")
        monkeypatch.setenv(variable, "/nonexistent")
        with transport(ca_file=tls.ca_file) as one:
            assert fetch(one, peer.url, b"trusted") == b"trusted"


def test_a_certificate_for_another_name_is_rejected(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(echo, tls.server) as peer, transport(ca_file=tls.ca_file) as one:
        there = peer.port
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses_of(there))
        with pytest.raises(Unreachable, match="TLS handshake failed"):
            fetch(one, "https://vendor.test/")


def test_plain_http_on_an_https_address_is_reported(no_leak: None, tls: Tls) -> None:
    def handler(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(whole(b"", status="400 Bad Request"))

    with Peer(handler) as peer, transport(ca_file=tls.ca_file) as one:
        with pytest.raises(Unreachable) as caught:
            fetch(one, peer.url.replace("http:", "https:"))
        assert caught.value.message.startswith("vendor: the TLS handshake failed (")


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_no_proxy_comes_from_the_environment(tls: Tls, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    with Peer(once(whole(b"proxy"))) as trap, Peer(echo) as plain, Peer(echo, tls.server) as secure:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{trap.port}")
        with transport(ca_file=tls.ca_file) as one:
            assert fetch(one, plain.url, b"direct") == b"direct"
            assert fetch(one, secure.url, b"direct") == b"direct"
        assert trap.accepted == 0


def test_a_configured_proxy_is_used_for_http(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def proxy(sock: socket.socket) -> None:
        seen.append(read_request(sock))
        sock.sendall(whole(b"by proxy"))

    monkeypatch.setenv("NO_PROXY", "*")
    with Peer(proxy) as peer, transport(proxy=f"http://user:word@127.0.0.1:{peer.port}") as one:
        assert read_all(one.send(post("http://vendor.invalid/v1", headers={"x-team": "red"}), Cancel())) == b"by proxy"
    assert seen[0].startswith(b"POST http://vendor.invalid/v1 HTTP/1.1\r\n") and b"x-team: red" in seen[0]
    assert b"proxy-authorization: basic dxnlcjp3b3jk" in seen[0].lower()


def test_a_configured_proxy_tunnels_https(no_leak: None, tls: Tls) -> None:
    asked: list[bytes] = []

    def proxy(sock: socket.socket) -> None:
        asked.append(read_request(sock).partition(b"\r\n")[0])
        join(sock, vendor.port, b"HTTP/1.1 200 Connection established\r\n\r\n")

    with Peer(echo, tls.server) as vendor, Peer(proxy) as peer:
        with transport(proxy=f"http://127.0.0.1:{peer.port}", ca_file=tls.ca_file) as one:
            assert fetch(one, vendor.url, TEXT) == TEXT
            assert fetch(one, vendor.url, b"again") == b"again"
        assert peer.accepted == 1
        assert [line.split()[:2] for line in asked] == [[b"CONNECT", b"127.0.0.1:%d" % vendor.port]]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("http://vendor.invalid/", "vendor: the proxy refused the connection", id="http"),
        pytest.param("https://vendor.invalid/", "vendor: the proxy refused the connection", id="https"),
    ],
)
def test_an_unreachable_proxy_is_named_without_its_password(no_leak: None, url: str, message: str) -> None:
    with transport(proxy=f"http://user:hushhush2@127.0.0.1:{UNUSED_PORT}") as one, pytest.raises(Unreachable) as caught:
        fetch(one, url)
    assert caught.value.message.startswith(message)
    assert "hushhush2" not in f"{caught.value!r} {caught.value.message}"


def test_a_proxy_that_rejects_the_password(no_leak: None) -> None:
    refusal = whole(b"", "Proxy-Authenticate: Basic", status="407 Proxy Authentication Required")
    with Peer(once(refusal)) as peer, transport(proxy=f"http://127.0.0.1:{peer.port}") as one:
        with pytest.raises(Unreachable) as caught:
            fetch(one, "https://vendor.invalid/")
        assert caught.value.message.startswith("vendor: the proxy refused the connection")
