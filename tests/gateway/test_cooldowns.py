"""What rests, until when, and what ends a rest."""

from __future__ import annotations

import threading

import pytest

from nexus.gateway.rests import CAP, PROBE, REST, Rests
from nexus.relay.candidate import Scope
from tests.clock import Clock
from tests.threads import at_once

HOST: Scope = ("p", "", "")
MODEL: Scope = ("p", "m", "")
KEY: Scope = ("p", "m", "k")
PLACE = (HOST, MODEL, KEY)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rests(clock: Clock) -> Rests:
    return Rests(clock, lambda low, high: 1.0)


def fail(rests: Rests, clock: Clock, times: int = 1, scope: Scope = MODEL) -> float | None:
    last = None
    for _ in range(times):
        last = rests.failed(scope, clock.now, "503")
    return last


def test_five_failures_in_a_row(rests: Rests, clock: Clock) -> None:
    assert fail(rests, clock, 4) is None
    assert rests.end(PLACE, clock.now) is None
    assert fail(rests, clock) == REST
    assert rests.end(PLACE, clock.now) == clock.now + REST
    assert rests.end((HOST, ("p", "other", "")), clock.now) is None, "another model serves on"
    assert rests.why(PLACE) == "503"


def test_an_answer_ends_the_row(rests: Rests, clock: Clock) -> None:
    fail(rests, clock, 4)
    rests.succeeded(PLACE, clock.now)
    fail(rests, clock, 4)
    assert rests.end(PLACE, clock.now) is None


@pytest.mark.parametrize(("calls", "rested"), [(18, False), (20, True)])
def test_half_of_twenty_in_thirty_seconds(rests: Rests, clock: Clock, calls: int, rested: bool) -> None:
    for _ in range(calls // 2):
        rests.succeeded(PLACE, clock.now)
        fail(rests, clock)
        clock.now += 1
    assert (rests.end(PLACE, clock.now) is not None) is rested


def test_failures_of_long_ago_do_not_count(rests: Rests, clock: Clock) -> None:
    for _ in range(40):
        rests.succeeded(PLACE, clock.now)
        fail(rests, clock)
        clock.now += 4
    assert rests.end(PLACE, clock.now) is None


def test_rests_on_end_get_longer_up_to_the_cap(rests: Rests, clock: Clock) -> None:
    lengths = [fail(rests, clock, 5)]
    for _ in range(12):
        clock.now += lengths[-1] or 0.0
        lengths.append(fail(rests, clock))
    assert lengths[:4] == [REST, 2 * REST, 3 * REST, 4 * REST]
    assert lengths[-1] == CAP


def test_jitter_is_a_fifth_and_never_beyond_the_cap(clock: Clock) -> None:
    drawn: list[tuple[float, float]] = []

    def highest(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    rests = Rests(clock, highest)
    assert fail(rests, clock, 5) == pytest.approx(1.2 * REST)
    assert drawn == [(0.8, 1.2)]
    for _ in range(20):
        clock.now += CAP
        assert (fail(rests, clock) or 0) <= CAP


@pytest.mark.parametrize("order", [(60.0, 1.0), (1.0, 60.0)])
def test_the_end_only_moves_later(rests: Rests, clock: Clock, order: tuple[float, float]) -> None:
    for seconds in order:
        rests.rest(KEY, seconds, "429")
    assert rests.end(PLACE, clock.now) == clock.now + 60


def test_nobody_makes_a_place_rest_for_longer_than_the_cap(rests: Rests, clock: Clock) -> None:
    assert rests.rest(KEY, 86_400.0, "429") == CAP


def test_one_probe_at_a_time(rests: Rests, clock: Clock) -> None:
    fail(rests, clock, 5)
    clock.now += REST
    assert rests.end(PLACE, clock.now) is None, "the rest is over"
    assert rests.enter(PLACE, clock.now)
    assert not rests.enter(PLACE, clock.now), "somebody finds out already"
    assert rests.end(PLACE, clock.now) == clock.now + PROBE
    rests.succeeded(PLACE, clock.now)
    assert rests.enter(PLACE, clock.now) and rests.enter(PLACE, clock.now)


def test_a_probe_that_never_comes_back_blocks_nobody_for_ever(rests: Rests, clock: Clock) -> None:
    fail(rests, clock, 5)
    clock.now += REST
    assert rests.enter(PLACE, clock.now)
    clock.now += PROBE
    assert rests.enter(PLACE, clock.now)


def test_a_probe_that_tells_nothing_leaves_the_next(rests: Rests, clock: Clock) -> None:
    fail(rests, clock, 5)
    clock.now += REST
    assert rests.enter(PLACE, clock.now)
    rests.leave(PLACE)
    assert rests.enter(PLACE, clock.now)


def test_a_failed_probe_begins_the_next_rest_at_once(rests: Rests, clock: Clock) -> None:
    fail(rests, clock, 5)
    clock.now += REST
    rests.enter(PLACE, clock.now)
    assert fail(rests, clock) == 2 * REST


def test_a_straggler_proves_nothing(rests: Rests, clock: Clock) -> None:
    began = clock.now
    clock.now += 1
    fail(rests, clock, 5)
    clock.now += 1
    assert not rests.succeeded(PLACE, began)
    assert rests.end(PLACE, clock.now) is not None
    assert rests.failed(MODEL, began, "503") is None, "nor does its failure make the rest longer"
    assert rests.succeeded(PLACE, clock.now), "an answer to a call that began after the rest does"
    assert rests.end(PLACE, clock.now) is None


def test_a_rest_that_the_vendor_asked_for_ends_by_time_alone(rests: Rests, clock: Clock) -> None:
    rests.rest(KEY, 60.0, "429")
    clock.now += 1
    assert not rests.succeeded(PLACE, clock.now)
    assert rests.end(PLACE, clock.now) is not None
    clock.now += 60
    assert rests.end(PLACE, clock.now) is None


def test_memory_is_bounded(clock: Clock) -> None:
    rests = Rests(clock, most=100)
    for number in range(1000):
        rests.rest(("p", "m", f"own:{number}"), 60.0, "429")
    assert len(rests._states) == 100
    assert rests._resting == 100


def test_threads_agree(clock: Clock) -> None:
    rests = Rests(clock)
    fail(rests, clock, 5)
    clock.now += CAP
    entered: list[bool] = []
    gate = threading.Barrier(8)

    def call() -> None:
        gate.wait()
        entered.append(rests.enter(PLACE, clock.now))

    at_once([call] * 8)
    assert sorted(entered) == [False] * 7 + [True]
