"""Client faults: each returns what its client saw."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable
from contextlib import suppress

from tools.fake_upstream import Behaviour, FakeUpstream
from tools.faults.gateway import CHAT, MESSAGES, GatewayProcess, LoadClient, body, until
from tools.raw_client import head, request

Fault = Callable[[GatewayProcess, FakeUpstream], str]
MIB = 2**20


def abandoned_uploads(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
    """Abandons many uploads, so that a leak would show."""
    before = _of_499(gateway)
    for number in range(20):
        client = gateway.client().send(head(CHAT, length=24 * MIB) + b" " * (2 * MIB))
        client.reset() if number % 2 else client.sock.close()
    # Access log lines of earlier calls may still arrive.
    until(lambda: _of_499(gateway) >= before + 20)
    return f"{_of_499(gateway) - before} lines of 499"


def _of_499(gateway: GatewayProcess) -> int:
    return sum(line["status"] == 499 for line in gateway.access)


def leaves(path: str, behind: bytes, *, stream: bool) -> Fault:
    """Sends ``behind`` after the body and disconnects while the vendor is silent; counts the vendor's disconnects."""

    def fault(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
        lost = len(vendor.disconnects)
        vendor.next(Behaviour(event_delay=600, only_before=4) if stream else Behaviour(hang=True))
        asked = len(vendor.requests)
        with gateway.client() as client:
            client.send(request(path, body({"stream": stream})) + behind)
            until(lambda: len(vendor.requests) > asked)
            if stream:
                client.sock.recv(20)
        until(lambda: len(vendor.disconnects) > lost)
        return f"{len(vendor.disconnects) - lost} call of the vendor ended"

    return fault


def half_closes(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
    vendor.next(Behaviour(delay=1.5))
    with gateway.client() as client:
        client.send(request(CHAT, body({}))).sock.shutdown(socket.SHUT_WR)
        return str(client.reply())


def sends(raw: Callable[[], bytes], *, first_line: bool = False) -> Fault:
    """The single answer to raw bytes; ``raw`` makes them when the fault runs, because they may be large."""

    def fault(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
        # Made before connecting, because the gateway closes a connection that sends nothing in time.
        sent = raw()
        with gateway.client() as client:
            with suppress(ConnectionError):
                client.send(sent)
            if first_line:
                whole = client.rest()
                return f"{whole.split(b' ', 2)[1].decode()}, {whole.count(b'HTTP/1.1 ')} answer"
            return str(client.reply())

    return fault


def busies_the_loop(raw: Callable[[], bytes]) -> Fault:
    """Sends a large body and requests /health on another connection meanwhile."""

    def fault(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
        sent = request(CHAT, raw())
        with gateway.client() as heavy, gateway.client() as other:
            heavy.send(sent)
            heavy.sock.setblocking(False)
            healthy = 0
            while not _readable(heavy):
                healthy += other.send(head("/health", method="GET")).reply("GET").status == 200
            heavy.sock.settimeout(60)
            return f"{heavy.reply()}; others asked meanwhile: {'many' if healthy >= 3 else healthy}"

    return fault


def _readable(client: LoadClient) -> bool:
    try:
        return bool(client.sock.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def too_many_bytes(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
    holders = [gateway.client().send(head(CHAT, length=31 * MIB) + b" " * (30 * MIB)) for _ in range(2)]
    with gateway.client() as client:
        client.send(head(MESSAGES, length=8 * MIB) + b" " * (8 * MIB))
        seen = client.reply()
    for holder in holders:
        holder.sock.close()
    return f"{seen.status}, retry-after {seen.headers.get('retry-after')}"


def reads_nothing(gateway: GatewayProcess, vendor: FakeUpstream) -> str:
    lines = len(gateway.access)

    def cut_off() -> bool:
        return any(line["status"] == 499 for line in gateway.access[lines:])

    vendor.next(Behaviour(endless=True, text="x" * 1000))
    with gateway.client() as client:
        client.send(request(CHAT, body({"stream": True})))
        until(cut_off)
    return "cut off, logged as 499" if cut_off() else "still there"


def conversation(messages: bytes) -> bytes:
    return b'{"model":"openai/gpt-4","messages":[%b]}' % messages


def gzip_with_a_tail() -> bytes:
    chunk = gzip.compress(b"{}") + b"\0" * (80 * MIB)
    opening = head(CHAT, headers={"Transfer-Encoding": "chunked", **ZIPPED})
    return b"%b%x\r\n%b\r\n0\r\n\r\n" % (opening, len(chunk), chunk)


ZIPPED = {"Content-Encoding": "gzip"}

FAULTS: dict[str, tuple[Fault, str]] = {
    "20 uploads of 24 MiB are abandoned": (abandoned_uploads, "20 lines of 499"),
    "leaves an answer": (leaves(CHAT, b"", stream=False), "1 call"),
    "leaves, a blank line behind the body": (leaves(CHAT, b"\r\n", stream=False), "1 call"),
    "leaves a stream, a blank line behind the body": (leaves(CHAT, b"\r\n", stream=True), "1 call"),
    "leaves a translated stream, a request behind": (
        leaves(MESSAGES, head("/health", method="GET"), stream=True),
        "1 call",
    ),
    "half-closes": (half_closes, "200"),
    "a body stalls": (sends(lambda: head(CHAT, length=100) + b"{"), "408"),
    "a head stalls": (sends(lambda: b"GET / HTTP/1.1\r\nHo"), "408"),
    "headers of 70 kB": (sends(lambda: head(CHAT, length=2, headers={"X-Long": "x" * 70_000})), "431"),
    "an invalid length": (sends(lambda: head(CHAT, headers={"Content-Length": "\xb2"})), "400"),
    "98 MiB to /health": (sends(lambda: head("/health", length=98 * MIB, method="GET") + b" " * (98 * MIB)), "413"),
    "a body after Expect: 100-continue is refused": (
        sends(lambda: head(CHAT, length=98 * MIB, headers={"Expect": "100-continue"}), first_line=True),
        "413, 1 answer",
    ),
    "gzip that swells": (sends(lambda: request(CHAT, gzip.compress(b"\0" * (40 * MIB)), ZIPPED)), "413"),
    "gzip with 80 MiB behind it": (sends(gzip_with_a_tail), "413"),
    "31 MiB of []": (busies_the_loop(lambda: conversation(b"[]," * (31 * MIB // 3 - 30) + b"[]")), "413"),
    "a million messages": (
        busies_the_loop(lambda: conversation(b",".join([b'{"role":"user","content":"x"}'] * 1_000_000))),
        "",
    ),
    "more bytes than may be in flight": (too_many_bytes, "503, retry-after 1"),
    "reads nothing of an endless stream": (reads_nothing, "cut off, logged as 499"),
}
"""Each fault by name, with the expected beginning of what its client sees."""
