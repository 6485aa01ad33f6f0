"""The steps of the benchmark, each measured for all subjects in turn, because the machine's speed changes meanwhile."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack

from tools.bench import rows
from tools.bench.machine import memory
from tools.bench.measure import Bench, MeasurementFailed
from tools.bench.rows import Figures, Row
from tools.bench.subjects import BOOKS, NEXUS, PACE, TWO_WORKERS, WITH_REDIS, Kind, Subject

Figure = tuple[Row, float]
Step = Callable[[Bench, Kind, Subject], Iterator[Figure]]
"""Measures a running subject; yields nothing for a kind that it does not apply to. Raises MeasurementFailed."""


def _start(bench: Bench, kind: Kind, _: Subject) -> Iterator[Figure]:
    with bench.running(kind) as (subject, start):
        if not kind.runs:
            yield rows.START, start
        yield rows.IDLE, memory(subject.process)


def _whole(row: Row, size: int) -> Step:
    def step(bench: Bench, _: Kind, subject: Subject) -> Iterator[Figure]:
        yield row, bench.whole(subject, size).per_call

    return step


def _whole_translated(row: Row, size: int) -> Step:
    def step(bench: Bench, kind: Kind, subject: Subject) -> Iterator[Figure]:
        if kind.translates:
            yield row, bench.whole(subject, size, client="messages").per_call

    return step


def _few(bench: Bench, kind: Kind, subject: Subject) -> Iterator[Figure]:
    if kind.calls_vendor:
        few, direct = bench.streams(subject, 20, PACE, rounds=2), bench.direct(20, PACE)
        yield rows.FEW, few.per_10k
        yield rows.FIRST, few.seen.first[0] - direct.seen.first[0]
    if kind.translates:
        yield rows.FEW_TRANSLATED, bench.streams(subject, 20, PACE, client="messages", rounds=2).per_10k


def _many(bench: Bench, kind: Kind, subject: Subject) -> Iterator[Figure]:
    if kind.calls_vendor:
        many = bench.streams(subject, 500, PACE, ramp=0.5)
        yield rows.MANY, many.per_10k
        yield rows.BURST, many.seen.first[0]
        yield rows.AGE, many.seen.age[0]
        yield rows.GAP, many.seen.gap[1]
        yield rows.UNDER_LOAD, many.memory
    if kind.translates:
        yield rows.MANY_TRANSLATED, bench.streams(subject, 500, PACE, client="messages", ramp=0.5).per_10k


def _ledger(bench: Bench, kind: Kind, subject: Subject) -> Iterator[Figure]:
    if kind is NEXUS:
        with bench.running(BOOKS) as (recording, _start):
            without, cost = bench.in_turns((subject, recording), 2000)
        yield rows.LEDGER, cost.per_call
        yield rows.LEDGER_SHARE, cost.per_call / without.per_call


def _redis(bench: Bench, kind: Kind, _: Subject) -> Iterator[Figure]:
    if kind is NEXUS and shutil.which("redis-server"):
        with bench.running(WITH_REDIS) as (counting, _start):
            counted = bench.whole(counting, 2000)
        yield rows.REDIS, counted.per_call
        yield rows.REDIS_ITSELF, counted.store * 1000 / counted.seen.calls


def _workers(bench: Bench, kind: Kind, subject: Subject) -> Iterator[Figure]:
    if kind is NEXUS:
        with bench.running(TWO_WORKERS) as (two, _start):
            alone, together = bench.in_turns((subject, two), 2000, clients=32)
        yield rows.WORKERS, 2 * alone.per_call / together.per_call
        yield rows.WORKERS_COST, together.per_call


def _connection(bench: Bench, kind: Kind, subject: Subject) -> Iterator[Figure]:
    if kind is NEXUS:
        yield rows.CONNECTION, bench.connection(subject)


STEPS: Sequence[Step] = (
    _start,
    _whole(rows.SMALL, 2000),
    _whole_translated(rows.SMALL_TRANSLATED, 2000),
    _whole(rows.LARGE, 60_000),
    _whole_translated(rows.LARGE_TRANSLATED, 60_000),
    *(_few, _many, _ledger, _redis, _workers, _connection),
)


def compare(bench: Bench, own: Sequence[Kind], peers: Sequence[Kind], rounds: int) -> Mapping[str, Figures]:
    """Medians of ``rounds`` of each step by subject. A peer that fails a step lacks its figures and later ones. Raises
    MeasurementFailed."""
    found: dict[str, list[dict[Row, float]]] = {kind.name: [] for kind in (*own, *peers)}
    with ExitStack() as started:
        running = {kind: started.enter_context(bench.running(kind))[0] for kind in (*own, *peers)}
        for number, step in enumerate(STEPS):
            for again in range(rounds):
                for kind, subject in tuple(running.items()):
                    sys.stderr.write(f"step {number + 1} of {len(STEPS)}, round {again + 1} of {rounds}: {kind.name}\n")
                    try:
                        found[kind.name].append(dict(step(bench, kind, subject)))
                    except MeasurementFailed as error:
                        if kind in own:
                            raise
                        sys.stderr.write(f"{error}\n")
                        del running[kind]
    return {name: rows.medians(figures) for name, figures in found.items()}
