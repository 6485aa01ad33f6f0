"""Many calls that end in every possible way leave nothing behind.

The test counts threads, descriptors, callbacks of the cancel switches and the objects of the exchange; the first three
must go without the garbage collector.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from nexus.cancel import Cancel
from nexus.errors import Cancelled, NexusError
from nexus.upstream.request import Timeouts
from nexus.upstream.tls import Trust
from nexus.upstream.transport import Transport
from tests.peers import BEGUN, GZIPPED, Peer, Tls, chunk, open_files, post, read_request, reset, whole
from tests.serving import wait_until

CALLS = 65
BRIEF = Timeouts(connect=5, first_byte=0.02, idle=0.02)


def vendor(sock: socket.socket) -> None:
    """Answers according to the request's body."""
    while request := read_request(sock):
        match request.partition(b"\r\n\r\n")[2]:
            case b"good" | b"cancelled late":
                sock.sendall(whole(b"x" * 5000))
            case b"unread":
                sock.sendall(BEGUN)
            case b"error":
                sock.sendall(whole(b"{}", status="500 Internal Server Error"))
            case b"cut":
                sock.sendall(BEGUN)
                return
            case b"reset":
                reset(sock)
                return
            case b"garbage":
                sock.sendall(b"\x00\x01\x02\r\n\r\n")
                return
            case b"not gzip":
                sock.sendall(GZIPPED + chunk(b"plain"))
            case b"idle":
                sock.sendall(BEGUN)
            case _:
                pass  # sends nothing


def good(one: Transport, url: str, cancel: Cancel) -> None:
    with one.send(post(url, b"good"), cancel) as reply:
        while reply.read():
            pass


def unread(one: Transport, url: str, cancel: Cancel) -> None:
    with one.send(post(url, b"unread"), cancel) as reply:
        reply.read()


def cancelled_early(one: Transport, url: str, cancel: Cancel) -> None:
    cancel.throw(Cancelled("the client disconnected"))
    one.send(post(url, b"good"), cancel)


def cancelled_waiting(one: Transport, url: str, cancel: Cancel) -> None:
    timer = threading.Timer(0.005, cancel.throw, (Cancelled("the client disconnected"),))
    timer.start()
    try:
        one.send(post(url, b"silence"), cancel)
    finally:
        timer.join()


def cancelled_reading(one: Transport, url: str, cancel: Cancel) -> None:
    with one.send(post(url, b"unread"), cancel) as reply:
        reply.read()
        cancel.throw(Cancelled("the client disconnected"))
        reply.read()


def cancelled_late(one: Transport, url: str, cancel: Cancel) -> None:
    good(one, url, cancel)
    cancel.throw(Cancelled("the client disconnected"))


def failing(body: bytes) -> Callable[[Transport, str, Cancel], None]:
    def call(one: Transport, url: str, cancel: Cancel) -> None:
        with one.send(post(url, body), cancel) as reply:
            while reply.read():
                pass

    return call


WAYS = [
    good,
    unread,
    cancelled_early,
    cancelled_waiting,
    cancelled_reading,
    cancelled_late,
    failing(b"error"),
    failing(b"cut"),
    failing(b"reset"),
    failing(b"garbage"),
    failing(b"not gzip"),
    failing(b"idle"),
    failing(b"silence"),
]


@pytest.mark.parametrize(
    "secure", [pytest.param(False, id="plain", marks=pytest.mark.slow), pytest.param(True, id="TLS")]
)
def test_many_calls_leave_nothing_behind(fresh_heap: None, tls: Tls, secure: bool) -> None:
    threads, files = threading.active_count(), open_files()
    with Peer(vendor, tls.server if secure else None) as peer:
        one = Transport("vendor", BRIEF, trust=Trust(tls.ca_file))
        for number in range(CALLS):
            cancel = Cancel()
            with suppress(NexusError):
                WAYS[number % len(WAYS)](one, peer.url, cancel)
            assert not cancel._callbacks, f"call {number} stays registered"
        one.close()
    wait_until(lambda: threading.active_count() <= threads)
    wait_until(lambda: not open_files() - files)
