"""Exchanges with real sockets: what a vendor may do on the wire, and how a call ends in every phase.

Law: every peer is a few lines of raw socket code beside the test that needs it; a cancelled call ends well under a
second with the reason that was thrown, and whatever happens no descriptor stays open and no other call is hurt.
"""

from __future__ import annotations

import datetime
import gzip
import ipaddress
import os
import queue
import random
import re
import select
import socket
import ssl
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nexus.call import Cancel
from nexus.errors import Cancelled, NexusError, ProtocolError, Unreachable, UpstreamError, UpstreamTimeout
from nexus.transport import HttpReply, Patience, Transport
from nexus.upstream import UpstreamRequest
from tests.serving import wait_until

T = TypeVar("T")
PATIENT = Patience(connect=30, first_byte=30, idle=30)
HARD_LIMIT = 20.0
"""Seconds after which a test that hangs fails."""

# -- threads that can be looked at ---------------------------------------------------------------------------------


class Job(Generic[T]):
    """A function on a thread of its own, whose position can be seen from outside."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._future: Future[T] = Future()
        self._thread = threading.Thread(target=self._run, daemon=True, name="job")
        self._thread.start()

    def _run(self) -> None:
        try:
            self._future.set_result(self._function())
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the result
            self._future.set_exception(error)

    def result(self) -> T:
        """What the function returned or raised; fails loudly instead of hanging."""
        return self._future.result(HARD_LIMIT)

    @property
    def done(self) -> bool:
        return self._future.done()

    @property
    def stack(self) -> list[str]:
        """The names of the functions that the thread is in, innermost first."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        names: list[str] = []
        while frame is not None:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
        return names

    def wait_inside(self, *names: str) -> None:
        """Until the thread has come to these functions."""
        wait_until(lambda: set(names) <= set(self.stack))


# -- peers ---------------------------------------------------------------------------------------------------------

Handler = Callable[[socket.socket], None]


@dataclass
class Peer:
    """A listening socket and one thread per connection that runs ``handler``; use as a context manager."""

    handler: Handler
    tls: ssl.SSLContext | None = None
    accepted: int = 0
    _socks: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._acceptor = threading.Thread(target=self._accept, name="peer")
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(HARD_LIMIT)
        self._listener.close()
        for sock in self._socks:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(HARD_LIMIT)
            assert not thread.is_alive(), "a peer hangs"

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v1"

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._socks.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), name="peer-connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
                self._socks.append(sock)
            self.handler(sock)
        except OSError:
            pass  # the other side went away, as many of these tests want it to
        finally:
            sock.close()


def read_request(sock: socket.socket) -> bytes:
    """One whole request; b"" when the peer left instead."""
    data = bytearray()
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    missing = (int(length[1]) if length else 0) - len(body)
    while missing > 0 and (piece := sock.recv(65536)):
        data += piece
        missing -= len(piece)
    return bytes(data)


def wait_for_end(sock: socket.socket) -> None:
    """Until the other side has left."""
    with suppress(OSError):
        while sock.recv(65536):
            pass


def reset(sock: socket.socket) -> None:
    """RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def whole(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def always(*answers: bytes) -> Handler:
    """Answers each request of a connection with the next of ``answers``, the last one for ever."""

    def handler(sock: socket.socket) -> None:
        turn = 0
        while read_request(sock):
            sock.sendall(answers[min(turn, len(answers) - 1)])
            turn += 1

    return handler


def once(answer: bytes) -> Handler:
    """Answers one request, then FIN."""

    def handler(sock: socket.socket) -> None:
        if read_request(sock):
            sock.sendall(answer)

    return handler


def echo(sock: socket.socket) -> None:
    """Answers with the request's own body."""
    while request := read_request(sock):
        sock.sendall(whole(request.partition(b"\r\n\r\n")[2]))


@contextmanager
def blackhole() -> Iterator[int]:
    """A port whose connects neither succeed nor fail: a listening socket with a full backlog."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            yield port
        finally:
            for filler in fillers:
                filler.close()


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# -- certificates --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tls:
    """A self-signed certificate for 127.0.0.1 and localhost."""

    ca_file: str
    server: ssl.SSLContext


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    today = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(today - datetime.timedelta(1)).not_valid_after(today + datetime.timedelta(1))
    builder = builder.add_extension(names, False).add_extension(x509.BasicConstraints(True, None), True)
    certificate = builder.sign(key, hashes.SHA256())
    ca_file, key_file = folder / "ca.pem", folder / "key.pem"
    ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(ca_file, key_file)
    return Tls(str(ca_file), server)


# -- the caller's side ---------------------------------------------------------------------------------------------


@contextmanager
def transport(patience: Patience = PATIENT, **options: Any) -> Iterator[Transport]:
    with closing(Transport("vendor", patience, **options)) as one:
        yield one


def post(url: str, body: bytes = b"{}", headers: dict[str, str] | None = None) -> UpstreamRequest:
    return UpstreamRequest(url, headers or {"content-type": "application/json"}, body)


def read_all(reply: HttpReply) -> bytes:
    with reply:
        return b"".join(iter(reply.read, b""))


def fetch(one: Transport, url: str, body: bytes = b"{}", cancel: Cancel | None = None) -> bytes:
    return read_all(one.send(post(url, body), cancel or Cancel()))


def open_files() -> set[str]:
    """Every descriptor with what it stands for; sockets have a number that is never used again."""
    files: set[str] = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            files.add(f"{number}: {os.readlink(f'/proc/self/fd/{number}')}")
    return {file for file in files if not file.endswith("/fd")}


@pytest.fixture
def no_leak() -> Iterator[None]:
    """After the test as many descriptors are open as before; to be named first, so that it looks last."""
    before = open_files()
    yield
    wait_until(lambda: not open_files() - before, 2.0)


# -- answers as they come ------------------------------------------------------------------------------------------


def test_status_headers_and_body() -> None:
    answer = whole(b'{"a":1}', "Content-Type: application/json", "X-Request-ID: r-1", status="429 Too Many Requests")
    with Peer(always(answer)) as peer, transport() as one:
        reply = one.send(post(peer.url), Cancel())
        assert reply.status == 429
        assert reply.headers["content-type"] == "application/json"
        assert reply.headers["x-request-id"] == "r-1"
        assert all(name == name.lower() for name in reply.headers)
        assert read_all(reply) == b'{"a":1}'
        assert reply.read() == b"", "the end stays the end"


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
def test_pieces_are_handed_on_before_the_next_one_exists(framed: bool) -> None:
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
def test_redirects_are_answers_like_any_other(answer: bytes) -> None:
    with Peer(always(answer, whole(b"followed"))) as peer, transport() as one:
        with one.send(post(peer.url), Cancel()) as reply:
            assert reply.status in (301, 307)
            assert reply.headers["location"] == "/elsewhere"
            assert reply.read() == b""
        assert peer.accepted == 1


TEXT = b'{"text": "' + b"gateway " * 2000 + b'"}'


def _flushed(pieces: list[bytes]) -> bytes:
    squeeze = zlib.compressobj(wbits=31)
    framed = [chunk(squeeze.compress(piece) + squeeze.flush(zlib.Z_SYNC_FLUSH)) for piece in pieces]
    return b"".join(framed) + chunk(squeeze.flush())


def _by_the_byte(data: bytes) -> bytes:
    return b"".join(chunk(data[at : at + 1]) for at in range(len(data)))


GZIPPED = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(whole(gzip.compress(TEXT), "Content-Encoding: gzip"), id="whole"),
        pytest.param(GZIPPED + _flushed([TEXT[:100], TEXT[100:]]) + LAST_CHUNK, id="chunks"),
        pytest.param(GZIPPED + _by_the_byte(gzip.compress(TEXT)) + LAST_CHUNK, id="chunks that give no bytes yet"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(TEXT), id="until the end"),
    ],
)
def test_a_compressed_answer_is_decoded_although_identity_was_asked(answer: bytes) -> None:
    with Peer(once(answer)) as peer, transport() as one:
        assert fetch(one, peer.url) == TEXT


# -- connections serve again ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        pytest.param(whole(b"12345"), 1, id="content-length"),
        pytest.param(whole(b""), 1, id="no body"),
        pytest.param(CHUNKED + chunk(b"12345") + LAST_CHUNK, 1, id="chunked"),
        pytest.param(whole(b"12345", "Connection: close"), 3, id="the vendor does not want to"),
    ],
)
def test_a_connection_read_to_the_end_serves_again(no_leak: None, answer: bytes, connections: int) -> None:
    with Peer(always(answer)) as peer, transport() as one:
        for _ in range(3):
            fetch(one, peer.url)
        assert peer.accepted == connections


def test_a_connection_not_read_to_the_end_never_serves_again(no_leak: None) -> None:
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
            assert left.wait(2), "closing the reply closes the connection"
            assert peer.accepted == turn


def test_closing_twice_is_harmless() -> None:
    with Peer(always(whole(b"x"))) as peer, transport() as one:
        reply = one.send(post(peer.url), Cancel())
        assert read_all(reply) == b"x"
        reply.close()
        assert fetch(one, peer.url) == b"x"
        assert peer.accepted == 1


def test_a_kept_connection_that_the_vendor_closed_is_replaced(no_leak: None) -> None:
    closed = threading.Event()

    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(whole(b"x"))
        sock.shutdown(socket.SHUT_RDWR)
        closed.set()

    with Peer(handler) as peer, transport() as one:
        for turn in (1, 2, 3):
            closed.clear()
            assert fetch(one, peer.url) == b"x"
            assert closed.wait(2)
            assert peer.accepted == turn


def test_closing_the_transport_closes_what_was_kept() -> None:
    """At once and whoever still holds a reply, not when the garbage collector comes by."""
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
        assert left.wait(1), "the connection stays open"
        assert reply.status == 200


def test_the_next_call_on_a_connection_has_the_whole_patience_again() -> None:
    """The end of an answer is awaited briefly; the head of the next one on the same connection is not."""
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
        threading.Timer(0.3, go.set).start()
        assert fetch(one, peer.url) == b"y"
        assert peer.accepted == 1


# -- cancellation --------------------------------------------------------------------------------------------------


@dataclass
class Scene:
    """Where to call with what, and in which functions the caller sits once the phase is reached."""

    url: str
    inside: tuple[str, ...]
    body: bytes = b"{}"
    reached: threading.Event | None = None
    options: dict[str, Any] = field(default_factory=dict)


SceneOf = Callable[[Tls], AbstractContextManager[Scene]]


def mute(reached: threading.Event | None = None, before: bytes = b"", reads: bool = True) -> Handler:
    """Takes a request when ``reads``, says ``before``, then nothing more until the other side leaves."""

    def handler(sock: socket.socket) -> None:
        if reads:
            read_request(sock)
            sock.sendall(before)
        if reached is not None:
            reached.set()
        if reads:
            wait_for_end(sock)
        else:
            # The end is seen although not a byte is taken off the wire.
            poll = select.poll()
            poll.register(sock, select.POLLRDHUP)
            poll.poll(HARD_LIMIT * 1000)

    return handler


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
        yield Scene(f"http://127.0.0.1:{port}/", ("_open",))


@contextmanager
def while_connecting_tls(tls: Tls) -> Iterator[Scene]:
    with blackhole() as port:
        yield Scene(f"https://127.0.0.1:{port}/", ("_open",), options={"ca_file": tls.ca_file})


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


LARGE = b" " * (32 * 1024 * 1024)
BEGUN = CHUNKED + chunk(b"data: 1\n\n")

PHASES = [
    pytest.param(while_connecting, id="connecting"),
    pytest.param(while_connecting_tls, id="connecting, TLS"),
    pytest.param(during_the_handshake, id="during the TLS handshake"),
    pytest.param(behind_a_mute_proxy, id="waiting for a proxy"),
    pytest.param(scene(("send",), lambda seen: mute(seen, reads=False), LARGE), id="sending a large body"),
    pytest.param(scene(("getresponse", "readinto"), mute), id="waiting for the head"),
    pytest.param(tls_scene(("getresponse", "readinto"), mute), id="waiting for the head, TLS"),
    pytest.param(scene(("read1", "readinto"), lambda seen: mute(seen, BEGUN)), id="reading chunks"),
    pytest.param(tls_scene(("read1", "readinto"), lambda seen: mute(seen, BEGUN)), id="reading chunks, TLS"),
    pytest.param(
        scene(("read1", "readinto"), lambda seen: mute(seen, whole(b"abc")[:-1])), id="reading a counted body"
    ),
    pytest.param(
        scene(("read1", "readinto"), lambda seen: mute(seen, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc")),
        id="reading a body without length",
    ),
    pytest.param(
        tls_scene(("read1", "readinto"), lambda seen: mute(seen, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc")),
        id="reading a body without length, TLS",
    ),
    pytest.param(
        scene(("read1", "readinto"), lambda seen: mute(seen, GZIPPED + chunk(gzip.compress(TEXT)[:9]))),
        id="reading compressed chunks",
    ),
]


@pytest.mark.parametrize("phase", PHASES)
def test_a_cancelled_call_ends_at_once(no_leak: None, tls: Tls, phase: SceneOf) -> None:
    with phase(tls) as here, transport(**here.options) as one:
        cancel, reason = Cancel(), Cancelled("the client left")
        job = Job(lambda: fetch(one, here.url, here.body, cancel))
        if here.reached is not None:
            assert here.reached.wait(HARD_LIMIT)
        job.wait_inside(*here.inside)
        thrown = time.monotonic()
        cancel.throw(reason)
        with pytest.raises(Cancelled) as caught:
            job.result()
        assert time.monotonic() - thrown < 0.8
        assert caught.value is reason
        assert not cancel._callbacks, "nothing stays registered"


def test_a_call_cancelled_before_it_is_sent_connects_to_nobody() -> None:
    cancel = Cancel()
    cancel.throw(Cancelled("the client left"))
    with Peer(echo) as peer, transport() as one:
        with pytest.raises(Cancelled):
            one.send(post(peer.url), cancel)
        assert fetch(one, peer.url, b"next") == b"next"
        assert peer.accepted == 1


def _addresses(*ports: int) -> list[tuple[Any, ...]]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]


def test_a_call_cancelled_while_its_name_is_looked_up_does_not_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch is thrown when there is a call but no socket yet."""
    cancel = Cancel()
    with blackhole() as port, transport(Patience(connect=3, first_byte=3, idle=3)) as one:

        def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
            cancel.throw(Cancelled("the client left"))
            return _addresses(port)

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        began = time.monotonic()
        with pytest.raises(Cancelled):
            one.send(post("http://vendor.test/"), cancel)
        assert time.monotonic() - began < 0.8


def test_a_call_cancelled_at_one_address_does_not_try_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = Cancel()
    with blackhole() as port, transport(Patience(connect=3, first_byte=3, idle=3)) as one:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: _addresses(port, port))
        job = Job(lambda: one.send(post("http://vendor.test/"), cancel))
        job.wait_inside("_open")
        wait_until(lambda: job.stack[0] == "_open")
        thrown = time.monotonic()
        cancel.throw(Cancelled("the client left"))
        with pytest.raises(Cancelled):
            job.result()
        assert time.monotonic() - thrown < 0.8


def test_a_call_cancelled_between_connect_and_handshake_leaves_no_socket(
    no_leak: None, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = Cancel()
    duplicate = os.dup

    def dup(descriptor: int) -> int:
        """Runs where the TCP connection stands and TLS is about to begin."""
        cancel.throw(Cancelled("the client left"))
        return duplicate(descriptor)

    monkeypatch.setattr(os, "dup", dup)
    with Peer(mute(reads=False)) as peer, transport(ca_file=tls.ca_file) as one:
        with pytest.raises(Cancelled) as caught:
            one.send(post(peer.url.replace("http:", "https:")), cancel)
        assert caught.value is cancel.reason


def test_a_cancel_after_the_end_cuts_nobody() -> None:
    """Thrown after the connection went back to the pool, while the next call waits on it."""
    second = threading.Event()
    go = threading.Event()

    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(whole(b"one"))
        read_request(sock)
        second.set()
        assert go.wait(HARD_LIMIT)
        sock.sendall(whole(b"two"))

    with Peer(handler) as peer, transport() as one:
        first = Cancel()
        reply = one.send(post(peer.url), first)
        assert b"".join(iter(reply.read, b"")) == b"one"
        job = Job(lambda: fetch(one, peer.url))
        assert second.wait(HARD_LIMIT)
        first.throw(Cancelled("the client left"))
        reply.close()
        go.set()
        assert job.result() == b"two"
        assert peer.accepted == 1


def test_a_cancel_that_meets_the_end_cuts_nobody() -> None:
    """The answer ends, and the next call takes its connection, while the switch is being thrown."""
    second = threading.Event()
    go = threading.Event()

    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(whole(b"one"))
        read_request(sock)
        second.set()
        assert go.wait(HARD_LIMIT)
        sock.sendall(whole(b"two"))

    with Peer(handler) as peer, transport() as one:
        replies: list[HttpReply] = []
        jobs: list[Job[bytes]] = []

        def meanwhile() -> None:
            """Registered before the socket is, hence run before the socket would be shut down."""
            assert replies[0].read() == b"one"
            jobs.append(Job(lambda: fetch(one, peer.url)))
            assert second.wait(HARD_LIMIT)

        first = Cancel()
        first.add(meanwhile)
        replies.append(one.send(post(peer.url), first))
        first.throw(Cancelled("the client left"))
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
def test_cancelling_never_hurts_another_call(no_leak: None, tls: Tls, handler: Handler, secure: bool) -> None:
    """Half of the calls are cancelled somewhere between their start and long after their end; the others are whole."""
    victims: queue.SimpleQueue[Cancel | None] = queue.SimpleQueue()

    def executioner() -> None:
        dice = random.Random(7)
        while (cancel := victims.get()) is not None:
            for _ in range(dice.randrange(2000)):
                pass
            cancel.throw(Cancelled("the client left"))

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


# -- failures ------------------------------------------------------------------------------------------------------

BRIEF = 0.15


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
    ("upstream", "patience", "message", "retryable"),
    [
        pytest.param(backlog_full, Patience(BRIEF, 30, 30), "vendor: no connection within 0.15 s", True, id="connect"),
        pytest.param(
            mute_tls, Patience(BRIEF, 30, 30), "vendor: no connection within 0.15 s", True, id="connect, TLS included"
        ),
        pytest.param(mute_http, Patience(30, BRIEF, 30), "vendor: no answer within 0.15 s", False, id="first byte"),
        pytest.param(mute_after_a_piece, Patience(30, 30, BRIEF), "vendor: silent for 0.15 s", False, id="idle"),
    ],
)
def test_timeouts(
    no_leak: None,
    upstream: Callable[[], AbstractContextManager[str]],
    patience: Patience,
    message: str,
    retryable: bool,
) -> None:
    with upstream() as url, transport(patience) as one:
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout) as caught:
            fetch(one, url)
        assert BRIEF * 0.9 < time.monotonic() - began < 3
        assert caught.value.message == message
        assert caught.value.retryable is retryable
        assert (caught.value.provider, caught.value.status) == ("vendor", 504)


def test_idle_counts_from_piece_to_piece_and_never_in_total() -> None:
    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(CHUNKED)
        for _ in range(6):
            time.sleep(0.1)
            sock.sendall(chunk(b"x"))
        sock.sendall(LAST_CHUNK)

    with Peer(handler) as peer, transport(Patience(30, 30, idle=0.4)) as one:
        assert fetch(one, peer.url) == b"xxxxxx"


def test_the_connect_timeout_does_not_bound_the_sending_of_a_body() -> None:
    go = threading.Event()

    def handler(sock: socket.socket) -> None:
        assert go.wait(HARD_LIMIT)
        assert len(read_request(sock)) > len(LARGE)
        sock.sendall(whole(b"taken"))

    with Peer(handler) as peer, transport(Patience(connect=0.1, first_byte=30, idle=30)) as one:
        job = Job(lambda: fetch(one, peer.url, LARGE))
        threading.Timer(0.4, go.set).start()
        assert job.result() == b"taken"


def test_a_body_that_is_not_taken_counts_as_no_answer() -> None:
    with Peer(mute(reads=False)) as peer, transport(Patience(30, BRIEF, 30)) as one:
        with pytest.raises(UpstreamTimeout) as caught:
            fetch(one, peer.url, LARGE)
        assert caught.value.message == "vendor: no answer within 0.15 s"
        assert not caught.value.retryable


def test_an_end_that_was_limited_comes_soon() -> None:
    with mute_after_a_piece() as url, transport() as one, one.send(post(url), Cancel()) as reply:
        assert reply.read() == b"data: 1\n\n"
        reply.end_within(BRIEF)
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout, match=r"silent for 0\.15 s"):
            reply.read()
        assert time.monotonic() - began < 3


def _resets(after: bytes) -> Handler:
    def handler(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(after)
        reset(sock)

    return handler


NO_ANSWER = "vendor: the connection failed before an answer began"
BROKEN_OFF = "vendor: the connection broke off"
NOT_HTTP = "vendor: the answer is not valid HTTP"


@pytest.mark.parametrize(
    ("handler", "error", "message"),
    [
        pytest.param(once(b""), Unreachable, NO_ANSWER, id="FIN before the head"),
        pytest.param(_resets(b""), Unreachable, NO_ANSWER, id="RST before the head"),
        pytest.param(once(b"\x15\x03\x01\x00\x02\x02\x28 what?\n\n"), ProtocolError, NOT_HTTP, id="TLS alert"),
        pytest.param(once(b"220 smtp.vendor.test ESMTP\r\n"), ProtocolError, NOT_HTTP, id="another protocol"),
        pytest.param(once(b"HTTP/1.1 abc OK\r\n\r\n"), ProtocolError, NOT_HTTP, id="no status"),
        pytest.param(
            once(b"HTTP/1.1 200 OK\r\n" + b"A: " + b"x" * 70_000 + b"\r\n\r\n"), ProtocolError, NOT_HTTP, id="long line"
        ),
        pytest.param(
            once(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"), ProtocolError, NOT_HTTP, id="many headers"
        ),
        pytest.param(once(whole(b"12345")[:-1]), Unreachable, BROKEN_OFF, id="counted body cut"),
        pytest.param(once(whole(b"12345")[:-5]), Unreachable, BROKEN_OFF, id="counted body missing"),
        pytest.param(once(BEGUN), Unreachable, BROKEN_OFF, id="chunks cut between two"),
        pytest.param(once(CHUNKED), Unreachable, BROKEN_OFF, id="chunks cut before the first"),
        pytest.param(once(BEGUN + b"ff\r\nabc"), Unreachable, BROKEN_OFF, id="chunks cut within one"),
        pytest.param(once(BEGUN[:-2]), Unreachable, BROKEN_OFF, id="chunks cut at the end of one"),
        pytest.param(once(BEGUN + b"f"), Unreachable, BROKEN_OFF, id="chunks cut within a size"),
        pytest.param(_resets(BEGUN), Unreachable, BROKEN_OFF, id="RST while reading"),
        pytest.param(once(BEGUN + b"xyz\r\nabc"), UpstreamError, None, id="no chunk size"),
        pytest.param(
            once(whole(gzip.compress(TEXT)[:-1], "Content-Encoding: gzip")[:-200]), Unreachable, None, id="gzip cut"
        ),
        pytest.param(once(whole(b"not gzip", "Content-Encoding: gzip")), UpstreamError, None, id="not gzip"),
    ],
)
def test_failures(no_leak: None, handler: Handler, error: type[UpstreamError], message: str | None) -> None:
    with Peer(handler) as peer, transport() as one:
        with pytest.raises(error) as caught:
            fetch(one, peer.url)
        if message is not None:
            assert caught.value.message == message
        assert caught.value.provider == "vendor"
        assert caught.value.retryable is (isinstance(caught.value, Unreachable))


def test_refused_port(no_leak: None) -> None:
    with transport() as one, pytest.raises(Unreachable) as caught:
        fetch(one, f"http://127.0.0.1:{unused_port()}/")
    assert caught.value.message == NO_ANSWER
    assert caught.value.retryable


def test_a_name_that_does_not_exist(no_leak: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with transport() as one, pytest.raises(Unreachable, match="the connection failed"):
        fetch(one, "http://vendor.test/")


def test_an_address_that_refuses_gives_way_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(echo) as peer, transport() as one:
        closed, there = unused_port(), peer.port
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: _addresses(closed, there))
        assert fetch(one, "http://vendor.test/", b"hello") == b"hello"


def test_an_answer_that_comes_before_the_body_was_taken_counts() -> None:
    """A vendor that refuses a large body answers and closes without reading it."""

    def handler(sock: socket.socket) -> None:
        sock.recv(1)
        sock.sendall(whole(b"too large", "Connection: close", status="413 Too Large"))
        sock.shutdown(socket.SHUT_WR)
        wait_for_end(sock)

    with Peer(handler) as peer, transport() as one, one.send(post(peer.url, LARGE), Cancel()) as reply:
        assert reply.status == 413
        assert reply.read() == b"too large"


# -- TLS, proxies and the environment ------------------------------------------------------------------------------


def test_https(no_leak: None, tls: Tls) -> None:
    with Peer(echo, tls.server) as peer, transport(ca_file=tls.ca_file) as one:
        assert fetch(one, peer.url, TEXT) == TEXT
        assert fetch(one, peer.url.replace("127.0.0.1", "localhost"), TEXT) == TEXT
        assert fetch(one, peer.url, b"again") == b"again"
        assert peer.accepted == 2, "one connection per host name"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_only_ca_file_decides_whom_to_trust(
    no_leak: None, tls: Tls, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, tls.ca_file)
    with Peer(echo, tls.server) as peer:
        with transport() as one, pytest.raises(Unreachable) as caught:
            fetch(one, peer.url)
        assert caught.value.message == "vendor: the TLS handshake failed"
        monkeypatch.setenv(variable, "/nonexistent")
        with transport(ca_file=tls.ca_file) as one:
            assert fetch(one, peer.url, b"trusted") == b"trusted"


def test_a_certificate_for_another_name_is_refused(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(echo, tls.server) as peer, transport(ca_file=tls.ca_file) as one:
        there = peer.port
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: _addresses(there))
        with pytest.raises(Unreachable, match="TLS handshake failed"):
            fetch(one, "https://vendor.test/")


def test_plain_http_where_tls_is_spoken(no_leak: None, tls: Tls) -> None:
    def handler(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(whole(b"", status="400 Bad Request"))

    with Peer(handler) as peer, transport(ca_file=tls.ca_file) as one:
        with pytest.raises(Unreachable) as caught:
            fetch(one, peer.url.replace("http:", "https:"))
        assert caught.value.message == "vendor: the TLS handshake failed"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_no_proxy_comes_from_the_environment(tls: Tls, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    with Peer(once(whole(b"proxy"))) as trap, Peer(echo) as plain, Peer(echo, tls.server) as secure:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{trap.port}")
        with transport(ca_file=tls.ca_file) as one:
            assert fetch(one, plain.url, b"direct") == b"direct"
            assert fetch(one, secure.url, b"direct") == b"direct"
        assert trap.accepted == 0


def test_no_credentials_come_from_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\ndefault login any password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[bytes] = []

    def handler(sock: socket.socket) -> None:
        seen.append(read_request(sock))
        sock.sendall(whole(b"", "Set-Cookie: a=b", "Connection: close"))

    with Peer(handler) as peer, transport() as one:
        fetch(one, peer.url)
        fetch(one, peer.url)
    assert len(seen) == 2
    assert b"authorization" not in b"".join(seen).lower()
    assert b"cookie" not in b"".join(seen).lower(), "nor do cookies travel from one call to the next"


def test_a_configured_proxy_is_asked_for_http(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def proxy(sock: socket.socket) -> None:
        seen.append(read_request(sock))
        sock.sendall(whole(b"by proxy"))

    monkeypatch.setenv("NO_PROXY", "*")
    with Peer(proxy) as peer, transport(proxy=f"http://user:word@127.0.0.1:{peer.port}") as one:
        assert fetch(one, "http://vendor.invalid/v1") == b"by proxy"
    assert seen[0].startswith(b"POST http://vendor.invalid/v1 HTTP/1.1\r\n")
    assert b"proxy-authorization: basic dxnlcjp3b3jk" in seen[0].lower()


def test_a_configured_proxy_tunnels_https(no_leak: None, tls: Tls) -> None:
    asked: list[bytes] = []

    def proxy(sock: socket.socket) -> None:
        asked.append(read_request(sock).partition(b"\r\n")[0])
        with socket.create_connection(("127.0.0.1", vendor.port)) as far:
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(far, sock))
            back.start()
            _pump(sock, far)
            back.join(HARD_LIMIT)

    with Peer(echo, tls.server) as vendor, Peer(proxy) as peer:
        with transport(proxy=f"http://127.0.0.1:{peer.port}", ca_file=tls.ca_file) as one:
            assert fetch(one, vendor.url, TEXT) == TEXT
            assert fetch(one, vendor.url, b"again") == b"again"
        assert peer.accepted == 1
        assert [line.split()[:2] for line in asked] == [[b"CONNECT", b"127.0.0.1:%d" % vendor.port]]


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("http://vendor.invalid/", "vendor: the proxy refused the connection", id="http"),
        pytest.param("https://vendor.invalid/", "vendor: the proxy refused the connection", id="https"),
    ],
)
def test_a_proxy_that_is_not_there(no_leak: None, url: str, message: str) -> None:
    with transport(proxy=f"http://127.0.0.1:{unused_port()}") as one, pytest.raises(Unreachable) as caught:
        fetch(one, url)
    assert caught.value.message == message


def test_a_proxy_that_wants_another_password(no_leak: None) -> None:
    refusal = whole(b"", "Proxy-Authenticate: Basic", status="407 Proxy Authentication Required")
    with Peer(once(refusal)) as peer, transport(proxy=f"http://127.0.0.1:{peer.port}") as one:
        with pytest.raises(Unreachable) as caught:
            fetch(one, "https://vendor.invalid/")
        assert caught.value.message == "vendor: the proxy refused the connection"


def test_no_failure_shows_the_proxys_password() -> None:
    with transport(proxy=f"http://user:hunter2@127.0.0.1:{unused_port()}") as one, pytest.raises(NexusError) as caught:
        fetch(one, "http://vendor.invalid/")
    assert "hunter2" not in f"{caught.value!r} {caught.value.message}"
