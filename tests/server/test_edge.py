"""Malformed heads, rejected bodies, client timeouts, and what is released afterwards.

Raw sockets against the real server. No test judges elapsed time.
"""

import gc
import json
import logging
import re
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import pytest

from nexus.call import Call
from nexus.protocols.piecewise import LARGE
from nexus.server.endpoints import calls
from nexus.server.endpoints.calls import CallHandler
from nexus.server.http import clocks
from nexus.server.http.connection import TLS_HELLO
from tests.conftest import Serve
from tests.peers import Peer, Tls, Vendor
from tests.server.raw import RawClient, head, request
from tests.serving import CHAT, Nexus, Reply, anthropic_config, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

CHAT_PATH = "/llm/openai/v1/chat/completions"
MESSAGES_PATH = "/llm/anthropic/v1/messages"
ECHO = '[llm.providers.demo]\ntype = "echo"\nmodels.echo = {}\n'
PATHS = [CHAT_PATH, "/llm/openai/v1/responses", MESSAGES_PATH]


class Lines(logging.Handler):
    """The access log, line by line, and all messages logged with a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[dict[str, Any]] = []
        self.tracebacks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "nexus.access":
            self.all.append(record.__dict__["fields"])
        if record.exc_info:
            self.tracebacks.append(record.getMessage())

    def only(self) -> dict[str, Any]:
        wait_until(lambda: len(self.all) > 0)
        assert len(self.all) == 1
        return self.all[0]

    def take(self) -> dict[str, Any]:
        """The only line; the next request starts with an empty log."""
        line = self.only()
        self.all.clear()
        return line


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def assert_dialect(reply: Reply, path: str) -> None:
    error = reply.json["error"]
    if "anthropic" in path:
        assert reply.json["type"] == "error"
        assert set(error) == {"type", "message"}
    else:
        assert set(error) == {"message", "type", "param", "code"}


HEADS = {
    "a length in superscript": ("Content-Length: \xb2", 400, "Content-Length"),
    "a negative length": ("Content-Length: -1", 400, "Content-Length"),
    "a signed length": ("Content-Length: +5", 400, "Content-Length"),
    "two lengths": ("Content-Length: 2\r\nContent-Length: 3", 400, "Content-Length"),
    "a length of many digits": ("Content-Length: " + "9" * 5000, 400, "Content-Length"),
    "chunks and a length": ("Transfer-Encoding: chunked\r\nContent-Length: 2", 400, "both"),
    "an unknown coding": ("Transfer-Encoding: gzip, chunked", 400, "chunked"),
    "a header without a colon": ("nonsense", 400, "header line"),
    "a name with a blank": ("Na me: x", 400, "header line"),
    "a very long name": (f"X-{'a' * 300}: x", 400, "more than 256 characters"),
    "a control character": ("X-Odd: a\x01b", 400, "header line"),
    "a second host": ("Host: y", 400, "one valid Host header"),
    "very long headers": ("X-Long: " + "a" * 70_000, 431, "larger than"),
    "very many headers": ("\r\n".join(f"X-{n}: {n}" for n in range(9000)), 431, "larger than"),
}


@pytest.mark.parametrize("path", [CHAT_PATH, MESSAGES_PATH, "/health"])
def test_malformed_heads_are_rejected(nexus: Nexus, lines: Lines, path: str) -> None:
    for name, (line, status, words) in HEADS.items():
        with RawClient(nexus) as client:
            client.send(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n".encode("latin1"))
            reply = client.reply()
        assert (reply.status, words in reply.json["error"]["message"]) == (status, True), name
        told = lines.take()
        if status != 431:
            assert_dialect(reply, path)
            assert told["path"] == path, name
        assert (told["status"], words in told["why"]) == (status, True), name
        assert lines.tracebacks == [], name


STARTS = {
    "no request line": b"hello\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3": b"GET / HTTP/3.0\r\nHost: localhost\r\n\r\n",
    "a blank in the target": b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no host": b"GET /health HTTP/1.1\r\n\r\n",
    "an invalid host": b"GET /health HTTP/1.1\r\nHost: a b\r\n\r\n",
    "bytes": b"\xff\xfe\x00 \x80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


def test_malformed_request_lines_are_rejected(nexus: Nexus, lines: Lines) -> None:
    for name, start in STARTS.items():
        with RawClient(nexus) as client:
            reply = client.send(start).reply()
        assert (reply.status, lines.take()["status"], lines.tracebacks) == (400, 400, []), name


def test_a_malformed_head_of_a_head_request_gets_no_body(nexus: Nexus, lines: Lines) -> None:
    for line in ("nonsense", "Content-Length: -1"):
        with RawClient(nexus) as client:
            client.send(f"HEAD /health HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n".encode())
            reply = client.reply("HEAD")
        assert (reply.status, reply.body, lines.take()["status"], lines.tracebacks) == (400, b"", 400, [])


def test_tls_to_a_plain_port_is_reported_immediately(nexus: Nexus, lines: Lines) -> None:
    with (
        socket.create_connection(("127.0.0.1", nexus.port), timeout=10) as sock,
        pytest.raises(ssl.SSLError, match=r"(?i)wrong.version.number|record layer failure"),
    ):
        ssl.create_default_context().wrap_socket(sock, server_hostname="localhost")
    told = lines.only()
    assert (told["status"], "http://" in told["why"], lines.tracebacks) == (400, True, [])


def test_plain_http_to_a_tls_port_is_reported(serve: Serve, tls: Tls, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "nexus")
    nexus = serve(f'[server.tls]\ncertificate = "{tls.ca_file}"\nkey = "{tls.key_file}"\n' + ECHO)
    with RawClient(nexus) as client:
        client.send(request(CHAT_PATH, CHAT))
        reply = client.reply()
        assert client.rest() == b""
    assert (reply.status, reply.body) == (400, b"this port serves HTTPS: use https:// in the URL")
    assert handshakes(caplog) == ["http request"]
    assert [record for record in caplog.records if record.name.startswith("tornado")] == []


@pytest.mark.parametrize("sent", [b"", TLS_HELLO])
def test_a_tls_handshake_has_as_long_as_a_head(
    sent: bytes, serve: Serve, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "HEAD_SECONDS", 0.1)
    nexus = serve(f'[server.tls]\ncertificate = "{tls.ca_file}"\nkey = "{tls.key_file}"\n' + ECHO)
    with RawClient(nexus) as client:
        client.send(sent)
        assert client.rest() == b""


def test_an_untrusted_certificate_is_reported_in_the_log(
    serve: Serve, tls: Tls, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "nexus")
    nexus = serve(f'[server.tls]\ncertificate = "{tls.ca_file}"\nkey = "{tls.key_file}"\n' + ECHO)
    with RawClient(nexus) as client, pytest.raises(ssl.SSLError):
        ssl.create_default_context().wrap_socket(client.sock, server_hostname="localhost")
    wait_until(lambda: bool(handshakes(caplog)))
    assert "unknown ca" in handshakes(caplog)[0]


def handshakes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The reasons of failed TLS handshakes."""
    failed = [record for record in caplog.records if record.getMessage() == "a TLS handshake failed"]
    return [record.__dict__["fields"]["why"] for record in failed]


TARGETS = {
    "http://localhost/health": 200,
    "HTTPS://localhost:8000/health?verbose=1": 200,
    "http://localhost": 200,
    "http://localhost?all=1": 200,
    "http://elsewhere.example.com/health": 403,
    "http://me:word@localhost/health": 400,
    "ftp://localhost/health": 404,
}


def test_an_absolute_request_target_must_name_this_server(nexus: Nexus) -> None:
    for target, status in TARGETS.items():
        with RawClient(nexus) as client:
            reply = client.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()).reply()
        assert reply.status == status, target


MALFORMED_CHUNKS = {
    "no number": b"zz\r\nhi\r\n",
    "a negative size": b"-2\r\nhi\r\n",
    "a size in C's notation": b"0x2\r\nhi\r\n",
    "a size of many digits": b"0" * 15 + b"02\r\nhi\r\n",
    "data longer than its size": b"2\r\nhiX\n0\r\n\r\n",
    "a blank in front": b" 2\r\nhi\r\n",
    "a bare LF after the size": b"2\nhi\r\n",
    "a bare LF in an extension": b"2;\nxx\r\nhi\r\n",
    "a bare CR in an extension": b"2;a\rb\r\nhi\r\n",
    "a NUL in an extension": b"2;a\x00b\r\nhi\r\n",
    "extensions without an end": (b"1;" + b"x" * 8000 + b"\r\n \r\n") * 3,
    "a trailer without a colon": b"0\r\nGET /health HTTP/1.1\r\n\r\n",
    "a bare LF in a trailer": b"0\r\nA: b\nC: d\r\n\r\n",
    "a folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "trailers without an end": b"0\r\n" + (b"A: " + b"x" * 8000 + b"\r\n") * 3,
}


@pytest.mark.parametrize("path", [CHAT_PATH, MESSAGES_PATH])
def test_malformed_chunks_are_rejected(nexus: Nexus, lines: Lines, path: str) -> None:
    for name, chunks in MALFORMED_CHUNKS.items():
        with RawClient(nexus) as client:
            client.send(head(path, headers={"Transfer-Encoding": "chunked"}) + chunks + b"0\r\n\r\n")
            reply = client.reply()
            assert client.rest() == b"", name
        assert (reply.status, lines.take()["status"], lines.tracebacks) == (400, 400, []), name
        assert_dialect(reply, path)


def test_chunk_extensions_and_trailers_are_discarded(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    """The next request begins exactly where the body ends, and no trailer becomes a header."""
    raw = json.dumps(CHAT).encode()
    signed = b"".join(b'%x ;sig=%064x;q="a;b"\r\n%c\r\n' % (1, at, byte) for at, byte in enumerate(raw))
    end = b"0;last\r\nX-Checksum: abc\r\nX-Empty:\r\nContent-Length: 5\r\n\r\n"
    with RawClient(nexus) as client:
        client.send(head(CHAT_PATH, headers={"Transfer-Encoding": "chunked", "Trailer": "X-Checksum"}) + signed + end)
        client.send(head("/health", method="GET", headers={"Connection": "close"}))
        assert re.findall(rb"HTTP/1.1 (\d+) ", client.rest()) == [b"200", b"200"]
    (sent,) = openai_upstream.wait_for_requests(1)
    assert sent.json["messages"] == CHAT["messages"]
    assert (sent.header("x-checksum"), sent.header("trailer")) == (None, None)


def test_chunks_in_http_1_0_end_the_connection(nexus: Nexus) -> None:
    raw = json.dumps(CHAT).encode()
    old = head(CHAT_PATH, headers={"Transfer-Encoding": "chunked", "Connection": "keep-alive"})
    with RawClient(nexus) as client:
        client.send(old.replace(b"HTTP/1.1", b"HTTP/1.0") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(raw), raw))
        client.send(head("/health", method="GET"))
        assert re.findall(rb"HTTP/1.1 (\d+) ", client.rest()) == [b"200"]


NO_BODY = {
    "health": ("POST", "/health", 405),
    "health with GET": ("GET", "/health", 413),
    "hello": ("GET", "/api/hello", 413),
    "a model list": ("GET", "/llm/anthropic/v1/models", 413),
    "one model": ("GET", "/llm/openai/v1/models/x", 413),
    "an unknown path": ("POST", "/nowhere", 404),
    "one below a protocol": ("PUT", "/llm/anthropic/v1/nowhere", 404),
    "a call with a wrong method": ("PUT", CHAT_PATH, 405),
    "an unknown method": ("BREW", CHAT_PATH, 405),
}


@pytest.mark.parametrize("framing", [{"Content-Length": str(98 * 2**20)}, {"Transfer-Encoding": "chunked"}])
def test_an_unacceptable_body_is_rejected_at_the_head(nexus: Nexus, lines: Lines, framing: dict[str, str]) -> None:
    for name, (method, path, status) in NO_BODY.items():
        with RawClient(nexus) as client:
            client.send(head(path, method=method, headers={**framing, "Expect": "100-continue"}))
            answer = client.rest()
        assert answer.startswith(f"HTTP/1.1 {status} ".encode()), name
        assert answer.count(b"HTTP/1.1") == 1, name
        line = lines.take()
        assert (line["status"], line["method"], line["path"], line["read"]) == (status, method, path, 0), name
        assert line["why"], name


@pytest.mark.parametrize("path", ["/health", "/llm/openai/v1/models", "/llm/anthropic/v1/models"])
def test_get_and_head_without_a_body_keep_the_connection(nexus: Nexus, lines: Lines, path: str) -> None:
    with RawClient(nexus) as client:
        for method in ("GET", "HEAD", "GET"):
            reply = client.send(head(path, method=method)).reply(method)
            assert reply.status == 200
            assert (reply.body == b"") is (method == "HEAD")
        assert client.send(head(path + "/no/such", method="GET")).reply("GET").status == 404
        assert client.send(head(path, method="GET", length=0)).reply("GET").status == 200


class TestExpect:
    def test_100_continue_is_sent_for_an_acceptable_body(self, nexus: Nexus) -> None:
        whole = request(CHAT_PATH, CHAT, {"Expect": "100-Continue"})
        at = whole.index(b"\r\n\r\n") + 4
        with RawClient(nexus) as client:
            client.send(whole[:at])
            assert client.sock.recv(25, 256).startswith(b"HTTP/1.1 100 ")
            assert client.send(whole[at:]).reply().status == 200

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize(
        ("name", "value", "status"), [("Content-Encoding", "lzma", 415), ("Content-Length", "99999999", 413)]
    )
    def test_100_continue_is_not_sent_for_a_rejected_body(
        self, nexus: Nexus, path: str, name: str, value: str, status: int
    ) -> None:
        framing = {"Content-Length": "9", name: value}
        with RawClient(nexus) as client:
            answer = client.send(head(path, headers={"Expect": "100-continue", **framing})).rest()
        assert answer.count(b"HTTP/1.1 ") == 1
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.usefixtures("fresh_heap")
class TestAbandonedUploads:
    SIZE = 100_000

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("rudely", [False, True], ids=["FIN", "RST"])
    def test_abandoned_uploads_leave_nothing_behind(self, nexus: Nexus, lines: Lines, path: str, rudely: bool) -> None:
        flight = nexus.server.flight
        for _ in range(4):
            client = RawClient(nexus).send(head(path, length=10 * self.SIZE) + b" " * self.SIZE)
            wait_until(lambda: flight.used == self.SIZE)
            client.reset() if rudely else client.sock.close()
            wait_until(lambda: flight.used == 0)
        wait_until(lambda: len(lines.all) == 4)
        assert {(line["status"], line["read"]) for line in lines.all} == {(499, self.SIZE)}
        wait_until(lambda: gc.collect() >= 0 and handlers() == 0)

    def test_rejected_uploads_leave_nothing_behind(
        self, serve: Serve, openai_upstream: FakeUpstream, lines: Lines
    ) -> None:
        nexus = serve(
            "[server.keys.alice]\nkey = 'nx-hushhush-alice-000000'\n" + openai_config(openai_upstream.base_url)
        )
        for _ in range(10):
            with RawClient(nexus) as client:
                reply = client.send(head(CHAT_PATH, length=self.SIZE) + b" " * 10).reply()
                assert (reply.status, reply.headers["connection"]) == (401, "close")
        wait_until(lambda: [line["status"] for line in lines.all] == [401] * 10)
        wait_until(lambda: gc.collect() >= 0 and handlers() == 0)


def handlers() -> int:
    return sum(isinstance(thing, CallHandler) for thing in gc.get_objects())


class TestClocks:
    @pytest.fixture
    def hasty(self, serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream) -> Nexus:
        vendors = openai_config(openai_upstream.base_url) + anthropic_config(anthropic_upstream.base_url)
        return serve('[server]\nclient_timeout = "300ms"\nkeep_alive_timeout = "200ms"\n' + vendors)

    @pytest.mark.parametrize("path", PATHS)
    def test_a_stalled_body_times_out(self, hasty: Nexus, lines: Lines, path: str) -> None:
        with RawClient(hasty) as client:
            reply = client.send(head(path, length=100) + b"{").reply()
            assert client.rest() == b""
        assert (reply.status, lines.only()["status"], lines.only()["read"]) == (408, 408, 1)
        assert_dialect(reply, path)
        assert hasty.server.flight.used == 0

    def test_a_slow_but_steady_body_is_accepted(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        """For longer in total than ``client_timeout``, which bounds each pause."""
        nexus = serve('[server]\nclient_timeout = "500ms"\n' + openai_config(openai_upstream.base_url))
        raw = json.dumps(CHAT).encode()
        with RawClient(nexus) as client:
            client.send(head(CHAT_PATH, length=len(raw) + 14))
            for _ in range(14):
                client.send(b" ")
                time.sleep(0.05)
            assert client.send(raw).reply().status == 200

    @pytest.mark.slow
    def test_a_slow_but_steady_reader_gets_its_answer(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        """For longer in total than ``client_timeout``, which bounds each pause."""
        content = "x" * (16 << 20)
        answer = {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}
        with Peer(Vendor(json.dumps(answer).encode())) as peer, socket.socket() as client:
            nexus = serve('[server]\nclient_timeout = "1s"\n' + openai_config(peer.url))
            monkeypatch.setattr(calls, "LEAST_READ", 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
            client.connect(("127.0.0.1", nexus.port))
            client.sendall(request(CHAT_PATH, CHAT, {"Connection": "close"}))
            read = 0
            while piece := client.recv(256 * 1024):
                read += len(piece)
                time.sleep(0.01)
        assert read > len(content)

    def test_upload_timeout_bounds_the_whole_body(
        self, serve: Serve, openai_upstream: FakeUpstream, lines: Lines
    ) -> None:
        nexus = serve('[server]\nupload_timeout = "150ms"\n' + openai_config(openai_upstream.base_url))
        with RawClient(nexus) as client:
            assert client.send(head(CHAT_PATH, length=100)).reply().status == 408
        assert lines.only()["status"] == 408

    def test_a_stalled_head_times_out(self, nexus: Nexus, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clocks, "HEAD_SECONDS", 0.1)
        with RawClient(nexus) as client:
            assert client.send(b"GET /health HTTP/1.1\r\nHo").reply().status == 408
        assert lines.only()["status"] == 408

    @pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such option")
    def test_the_kernel_drops_a_client_that_vanished(self, nexus: Nexus) -> None:
        with RawClient(nexus) as client:
            assert client.send(head("/health", method="GET")).reply("GET").status == 200
            far = client.sock.getpeername()
            served = [
                thing
                for thing in gc.get_objects()
                if type(thing) is socket.socket and thing is not client.sock and thing.fileno() >= 0
                if thing.getsockname() == far and not thing.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            ]
            options = (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE)
            assert {tuple(one.getsockopt(socket.IPPROTO_TCP, name) for name in options) for one in served} == {
                (300_000, 60)
            }

    def test_an_idle_connection_is_closed_without_a_log_line(self, hasty: Nexus, lines: Lines) -> None:
        with RawClient(hasty) as client:
            assert client.send(head("/health", method="GET") + b"\r\n").reply("GET").status == 200
            assert client.rest() == b""
        assert lines.all == []


class TestBytesInFlight:
    @pytest.fixture
    def narrow(self, serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream) -> Nexus:
        vendors = openai_config(openai_upstream.base_url) + anthropic_config(anthropic_upstream.base_url)
        return serve('[server]\nmax_body_size = "64KiB"\nmax_bytes_in_flight = "64KiB"\n' + vendors)

    @pytest.mark.parametrize("path", PATHS)
    def test_one_body_too_many_gets_a_503(self, narrow: Nexus, lines: Lines, path: str) -> None:
        first = RawClient(narrow).send(head(CHAT_PATH, length=60_000) + b" " * 50_000)
        wait_until(lambda: narrow.server.flight.used == 50_000)
        with RawClient(narrow) as second:
            reply = second.send(head(path, length=40_000) + b" " * 40_000).reply()
        assert (reply.status, int(reply.headers["retry-after"]) >= 1, lines.only()["status"]) == (503, True, 503)
        assert_dialect(reply, path)
        first.sock.close()
        wait_until(lambda: narrow.server.flight.used == 0)
        assert narrow.chat({**CHAT, "user": "x" * 40_000}).status == 200
        wait_until(lambda: narrow.server.flight.used == 0)

    @pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
    def test_a_body_no_longer_counts_when_no_attempt_can_need_it(
        self, narrow: Nexus, openai_upstream: FakeUpstream, stream: bool
    ) -> None:
        openai_upstream.default = Behaviour(hang=True) if not stream else Behaviour(event_delay=30, only_before=4)
        with RawClient(narrow) as client:
            client.send(request(CHAT_PATH, {**CHAT, "stream": stream, "user": "x" * 40_000}))
            openai_upstream.wait_for_requests(1)
            if stream:
                client.sock.recv(100)
                wait_until(lambda: narrow.server.flight.used == 0)
            else:
                assert narrow.server.flight.used > 40_000
        wait_until(lambda: narrow.server.flight.used == 0)

    @pytest.mark.parametrize("size", [40_000, 2 * LARGE], ids=["short", "read by a worker"])
    @pytest.mark.parametrize("failed", [0, 1], ids=["at once", "after a failed attempt"])
    @pytest.mark.parametrize("path", [CHAT_PATH, MESSAGES_PATH], ids=["passed", "translated"])
    def test_a_body_is_freed_when_no_attempt_can_need_it(
        self, fresh_heap: None, serve: Serve, openai_upstream: FakeUpstream, size: int, failed: int, path: str
    ) -> None:
        nexus = serve(openai_config(openai_upstream.base_url))
        for _ in range(failed):
            openai_upstream.next(Behaviour(status=503, headers=(("retry-after", "0"),)))
        openai_upstream.default = Behaviour(event_delay=600, only_before=4)
        with RawClient(nexus) as client:
            filler = (
                {"user": "x" * size} if path == CHAT_PATH else {"max_tokens": 9, "metadata": {"user_id": "x" * size}}
            )
            client.send(request(path, {**CHAT, "stream": True, **filler}))
            openai_upstream.wait_for_requests(failed + 1)
            client.sock.recv(100)
            wait_until(lambda: heavy_calls(size) == 0)
            assert len(nexus.server.calls) == 1

    @pytest.mark.parametrize("path", [CHAT_PATH, MESSAGES_PATH], ids=["passed", "translated"])
    @pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
    def test_a_finished_call_is_freed_without_the_garbage_collector(
        self, fresh_heap: None, serve: Serve, openai_upstream: FakeUpstream, path: str, stream: bool
    ) -> None:
        nexus = serve(openai_config(openai_upstream.base_url))
        gc.disable()
        try:
            with RawClient(nexus) as client:
                client.send(request(path, {**CHAT, "stream": stream, "max_tokens": 9}))
                openai_upstream.wait_for_requests(1)
                assert client.reply().status == 200
            wait_until(lambda: not nexus.server.calls and heavy_calls(-1) == 0)
        finally:
            gc.enable()


def heavy_calls(size: int) -> int:
    return sum(isinstance(thing, Call) and len(thing.body) > size for thing in gc.get_objects())
