"""Soak test: good calls, abandoned uploads, resets, stalls and slow readers for minutes; then checks for leaks.

Exits with 1 if threads, sockets or memory have grown. Loopback and Linux only. The gateway runs in its own process, the
fake vendor in this one.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPException

from tools.fake_upstream import Behaviour, FakeUpstream
from tools.faults.gateway import CHAT, MESSAGES, Counts, GatewayProcess, body
from tools.raw_client import PATIENCE, head, request

CLIENTS = 8
WARM = 0.2
"""Fraction of the time after which the first counts are taken."""

SLACK = 1.1
"""Allowed growth factor of memory, because pools and caches fill slowly."""

Act = Callable[[GatewayProcess, random.Random], None]


def _call(path: str, *, stream: bool) -> Act:
    def act(gateway: GatewayProcess, chance: random.Random) -> None:
        with gateway.client() as client:
            client.call({"stream": stream, "user": "x" * chance.choice((10, 10_000, 600_000))}, path)

    return act


def _leave(gateway: GatewayProcess, chance: random.Random) -> None:
    with gateway.client() as client:
        client.send(request(CHAT, body({"stream": True})) + chance.choice((b"", b"\r\n", b"GET ")))
        if chance.random() < 0.5:
            client.reset()


def _abandon(gateway: GatewayProcess, chance: random.Random) -> None:
    with gateway.client() as client:
        client.send(head(CHAT, length=8 << 20) + b" " * chance.randrange(2 << 20))
        if chance.random() < 0.5:
            client.reset()


def _stall(gateway: GatewayProcess, chance: random.Random) -> None:
    with gateway.client() as client:
        client.send(chance.choice((head(CHAT, length=100) + b"{", b"POST / HT"))).reply()


def _read_slowly(gateway: GatewayProcess, chance: random.Random) -> None:
    with gateway.client() as client:
        client.send(request(MESSAGES, body({"stream": True})))
        while client.sock.recv(100):
            time.sleep(0.01)


def _nonsense(gateway: GatewayProcess, chance: random.Random) -> None:
    with gateway.client() as client:
        client.send(chance.randbytes(200) + b"\r\n\r\n").reply()


ACTS: dict[str, tuple[Act, int]] = {
    "unary": (_call(CHAT, stream=False), 30),
    "stream": (_call(CHAT, stream=True), 30),
    "translated": (_call(MESSAGES, stream=False), 15),
    "translated stream": (_call(MESSAGES, stream=True), 15),
    "leave": (_leave, 10),
    "abandon": (_abandon, 10),
    "stall": (_stall, 1),
    "slow reader": (_read_slowly, 3),
    "nonsense": (_nonsense, 5),
}
"""Each act by name, with its relative frequency."""

VENDOR = (
    *[Behaviour()] * 12,
    Behaviour(status=503),
    Behaviour(close_before_head=True),
    Behaviour(reset_after=1),
    Behaviour(cut_after=3),
    Behaviour(event_delay=0.05),
    Behaviour(garbage="sse"),
)


def soak(minutes: float, say: Callable[[str], None]) -> tuple[Counts, Counts, int]:
    """The counts after the warm-up and at the end, and the number of tracebacks in the log."""
    done: Counter[str] = Counter()
    stop = threading.Event()
    with FakeUpstream("openai", strict=False, keep=False) as vendor, GatewayProcess(vendor) as gateway:
        pool = [threading.Thread(target=_client, args=(gateway, vendor, stop, done, 1 + n)) for n in range(CLIENTS)]
        for thread in pool:
            thread.start()
        time.sleep(60 * minutes * WARM)
        before = gateway.counts()
        say(f"warm: {before}; {done.total()} done")
        for _ in range(max(1, round(minutes * (1 - WARM)))):
            time.sleep(60 * minutes * (1 - WARM) / max(1, round(minutes * (1 - WARM))))
            say(f"      {gateway.counts()}; {done.total()} done")
        stop.set()
        for thread in pool:
            thread.join(PATIENCE)
        # The counts come from answers, which a vendor that goes on failing would prevent.
        vendor.default = Behaviour()
        # The gateway releases memory every ten seconds and closes idle connections after three.
        after, _ = gateway.settle(lambda now: is_back(before, now) and now.sockets <= 6, seconds=30)
        say(f"after: {after}")
        say(", ".join(f"{count} {name}" for name, count in sorted(done.items())))
        return before, after, gateway.tracebacks


def is_back(before: Counts, after: Counts) -> bool:
    return after.reserved == 0 and after.threads <= before.threads + CLIENTS and after.rss <= before.rss * SLACK


def _client(
    gateway: GatewayProcess, vendor: FakeUpstream, stop: threading.Event, done: Counter[str], seed: int
) -> None:
    chance = random.Random(seed)
    names, weights = list(ACTS), [weight for _, weight in ACTS.values()]
    while not stop.is_set():
        name = chance.choices(names, weights)[0]
        vendor.default = chance.choice(VENDOR)
        with suppress(OSError, HTTPException, ValueError):
            ACTS[name][0](gateway, chance)
        done[name] += 1


def main(arguments: Sequence[str]) -> int:
    """Returns exit code 1 if something was not released."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description="Soak test: checks for leaks.")
    parser.add_argument("minutes", type=float, nargs="?", default=10.0)
    minutes: float = parser.parse_args(arguments).minutes

    def say(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    before, after, tracebacks = soak(minutes, say)
    good = is_back(before, after) and not tracebacks
    say("everything was released" if good else f"NOT EVERYTHING WAS RELEASED; {tracebacks} tracebacks")
    return 0 if good else 1
