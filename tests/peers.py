"""Peers for raw socket code, threads that can be inspected, and fixtures that count descriptors.

Each peer is a few lines and closes what it opens.
"""

import datetime
import gc
import ipaddress
import os
import re
import select
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nexus.cancel import Cancel
from nexus.upstream.request import Timeouts, UpstreamRequest
from nexus.upstream.tls import Trust
from nexus.upstream.transport import HttpReply, Transport
from tests.serving import wait_until
from tools.ports import free_port

T = TypeVar("T")
PATIENT = Timeouts(connect=30, first_byte=30, idle=30)
HARD_LIMIT = 60.0
"""Seconds after which a test that hangs fails."""

# -- threads that can be inspected ---------------------------------------------------------------------------------


class Job(Generic[T]):
    """A function on its own thread, whose current stack can be inspected."""

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
        """Waits until the thread is inside these functions."""
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
            pass  # the other side disconnected, as many of these tests intend
        finally:
            sock.close()


def read_request(sock: socket.socket) -> bytes:
    """Reads one whole request; b"" if the peer disconnected instead."""
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
    """Waits until the other side has disconnected."""
    with suppress(OSError):
        while sock.recv(65536):
            pass


def reset(sock: socket.socket) -> None:
    """Closes with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def whole(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Vendor:
    """Gives every request the same answer, and records requests: the first line, lower-case headers, the body."""

    answer: bytes
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    kind: str = "Content-Type: application/json"
    status: str = "200 OK"

    def __call__(self, sock: socket.socket) -> None:
        while request := read_request(sock):
            head, _, body = request.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            self.seen.append((first.removesuffix(" HTTP/1.1"), headers, body))
            sock.sendall(whole(self.answer, self.kind, status=self.status))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def always(*answers: bytes) -> Handler:
    """Answers each request of a connection with the next of ``answers``, then repeats the last one."""

    def handler(sock: socket.socket) -> None:
        turn = 0
        while read_request(sock):
            sock.sendall(answers[min(turn, len(answers) - 1)])
            turn += 1

    return handler


def once(answer: bytes) -> Handler:
    """Answers one request, then closes."""

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


_RESERVED = ExitStack()
UNUSED_PORT = _RESERVED.enter_context(free_port())
"""Connections to it are refused, because nobody ever listens there."""


# -- certificates --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tls:
    """A self-signed certificate for 127.0.0.1 and localhost."""

    ca_file: str
    key_file: str
    server: ssl.SSLContext


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    folder = tmp_path_factory.mktemp("tls")
    ca_file, key_file = write_certificate(folder, ec.generate_private_key(ec.SECP256R1()))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(ca_file, key_file)
    return Tls(str(ca_file), str(key_file), server)


def write_certificate(folder: Path, key: ec.EllipticCurvePrivateKey, days: float = 1) -> tuple[Path, Path]:
    """Writes a new self-signed certificate for this machine, valid for ``days`` from now, and its key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    today = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(today - datetime.timedelta(1)).not_valid_after(today + datetime.timedelta(days))
    builder = builder.add_extension(names, False).add_extension(x509.BasicConstraints(True, None), True)
    certificate = builder.sign(key, hashes.SHA256())
    ca_file, key_file = folder / "ca.pem", folder / "key.pem"
    ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return ca_file, key_file


# -- the caller's side ---------------------------------------------------------------------------------------------


@contextmanager
def transport(
    timeouts: Timeouts = PATIENT, *, ca_file: str | None = None, proxy: str | None = None
) -> Iterator[Transport]:
    with closing(Transport("vendor", timeouts, proxy=proxy, trust=Trust(ca_file))) as one:
        yield one


def post(url: str, body: bytes = b"{}", headers: dict[str, str] | None = None) -> UpstreamRequest:
    return UpstreamRequest(url, headers or {"content-type": "application/json"}, body)


def read_all(reply: HttpReply) -> bytes:
    with reply:
        return b"".join(iter(reply.read, b""))


def fetch(one: Transport, url: str, body: bytes = b"{}", cancel: Cancel | None = None) -> bytes:
    return read_all(one.send(post(url, body), cancel or Cancel()))


def open_files() -> set[str]:
    """Every open descriptor with its target; socket numbers are never reused."""
    files: set[str] = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            files.add(f"{number}: {os.readlink(f'/proc/self/fd/{number}')}")
    return {file for file in files if not file.endswith("/fd")}


@pytest.fixture
def no_leak() -> Iterator[None]:
    """Checks that no descriptor leaks; request it first, so that it checks last."""
    before = open_files()
    yield
    try:
        wait_until(lambda: not open_files() - before)
    except AssertionError:
        pytest.fail(f"still open: {open_files() - before}")


@pytest.fixture
def fresh_heap() -> None:
    """Excludes objects from before the test from ``gc``, which would spend most of its time on them."""
    gc.collect()
    gc.freeze()


BEGUN = CHUNKED + chunk(b"data: 1\n\n")
GZIPPED = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")


TEXT = b'{"text": "' + b"gateway " * 2000 + b'"}'


def mute(reached: threading.Event | None = None, before: bytes = b"", reads: bool = True) -> Handler:
    """Reads a request if ``reads``, sends ``before``, then nothing more until the other side disconnects."""

    def handler(sock: socket.socket) -> None:
        if reads:
            read_request(sock)
            sock.sendall(before)
        if reached is not None:
            reached.set()
        if reads:
            wait_for_end(sock)
        else:
            # The disconnect is noticed although no byte is read.
            poll = select.poll()
            poll.register(sock, select.POLLRDHUP)
            poll.poll(HARD_LIMIT * 1000)

    return handler


LARGE = b" " * (32 * 1024 * 1024)


def addresses_of(*ports: int) -> list[tuple[Any, ...]]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]


def join(near: socket.socket, port: int, greeting: bytes) -> None:
    """As proxies do: connects to ``port``, sends the greeting, and passes on what either side sends."""
    with socket.create_connection(("127.0.0.1", port)) as far:
        near.sendall(greeting)
        back = threading.Thread(target=_pump, args=(far, near))
        back.start()
        _pump(near, far)
        back.join(HARD_LIMIT)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
