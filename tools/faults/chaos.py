"""Subjects a gateway to every fault in turn; prints what the client saw and which resources were released.

Loopback and Linux only. The gateway runs in its own process, the fake vendor in this one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tools.fake_upstream import FakeUpstream
from tools.faults import clients, processes, targets, vendors
from tools.faults.gateway import Counts, GatewayProcess

FAULTS = {
    **{f"client {name}" if name[0].islower() else name: fault for name, fault in clients.FAULTS.items()},
    **{f"vendor {name}": fault for name, fault in vendors.FAULTS.items()},
    **{f"first {name}": fault for name, fault in targets.FAULTS.items()},
    **processes.FAULTS,
}

WARM = 12
"""Warm-up calls before the first count."""


@dataclass(frozen=True, slots=True)
class Row:
    """The result of one fault; ``seconds`` until all resources were released, ``grown`` in MiB."""

    name: str
    seen: str
    expected: str
    back: bool
    seconds: float
    grown: float

    @property
    def good(self) -> bool:
        return self.seen.startswith(self.expected) and self.back


def run(names: Sequence[str], tell: Callable[[Row], None]) -> list[Row]:
    """Runs the named faults and returns their rows. Raises KeyError for an unknown fault."""
    rows: list[Row] = []
    with FakeUpstream("openai", strict=False) as vendor, GatewayProcess(vendor) as gateway:
        for _ in range(WARM):
            with gateway.client() as client:
                client.call({})
        for name in names:
            rows.append(_inject(name, gateway, vendor))
            tell(rows[-1])
        if gateway.tracebacks:
            rows.append(Row("tracebacks in the log", str(gateway.tracebacks), "0", True, 0.0, 0.0))
            tell(rows[-1])
    return rows


def _inject(name: str, gateway: GatewayProcess, vendor: FakeUpstream) -> Row:
    fault, expected = FAULTS[name]
    before = gateway.counts()

    def is_back(now: Counts) -> bool:
        # A thread pool keeps its threads, so a few more after concurrent calls are not a leak.
        return now.sockets <= before.sockets and now.reserved <= before.reserved and now.threads <= before.threads + 4

    seen = fault(gateway, vendor)
    after, seconds = gateway.settle(is_back)
    return Row(name, seen, expected, is_back(after), seconds, after.rss - before.rss)


def line(row: Row) -> str:
    back = f"all in {row.seconds:.1f} s" if row.back else "NOT ALL"
    return f"{'ok ' if row.good else 'BAD'} {row.name:<48} {row.seen[:64]:<64} {back:<14} {row.grown:+6.0f} MiB"


def main(arguments: Iterable[str]) -> int:
    """Returns exit code 1 if a fault failed, or if no fault matches the words."""
    parser = argparse.ArgumentParser(prog="chaos.py", description="Injects faults into a gateway, one after the other.")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only faults with one of the words in their name")
    parser.add_argument("--list", action="store_true", help="print the faults and their expected results, run none")
    options = parser.parse_args(list(arguments))
    words: list[str] = options.words
    if options.list:
        for name, (_, expected) in FAULTS.items():
            _say(f"{name:<48} {expected}")
        return 0
    names = [name for name in FAULTS if not words or any(word in name for word in words)]
    rows = run(names, lambda row: _say(line(row)))
    bad = sum(not row.good for row in rows)
    _say(f"{len(rows)} faults, {bad} failed")
    return 1 if bad or not rows else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
