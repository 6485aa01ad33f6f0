"""Which targets are in cooldown, until when, and what ends it."""

import threading

import pytest

from nexus.gateway.cooldowns import CAP, COOLDOWN, PROBE, Cooldowns
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
def cooldowns(clock: Clock) -> Cooldowns:
    return Cooldowns(clock, lambda low, high: 1.0)


def fail(cooldowns: Cooldowns, clock: Clock, times: int = 1, scope: Scope = MODEL) -> float | None:
    last = None
    for _ in range(times):
        last = cooldowns.failed(scope, clock.now, "503")
    return last


def test_five_failures_in_a_row_start_a_cooldown(cooldowns: Cooldowns, clock: Clock) -> None:
    assert fail(cooldowns, clock, 4) is None
    assert cooldowns.end(PLACE, clock.now) is None
    assert fail(cooldowns, clock) == COOLDOWN
    assert cooldowns.end(PLACE, clock.now) == clock.now + COOLDOWN
    assert cooldowns.end((HOST, ("p", "other", "")), clock.now) is None, "other models are not affected"
    assert cooldowns.why(PLACE) == "503"


def test_a_success_resets_the_count(cooldowns: Cooldowns, clock: Clock) -> None:
    fail(cooldowns, clock, 4)
    cooldowns.succeeded(PLACE, clock.now)
    fail(cooldowns, clock, 4)
    assert cooldowns.end(PLACE, clock.now) is None


@pytest.mark.parametrize(("calls", "rested"), [(18, False), (20, True)])
def test_ten_failures_of_twenty_in_thirty_seconds_start_a_cooldown(
    cooldowns: Cooldowns, clock: Clock, calls: int, rested: bool
) -> None:
    for _ in range(calls // 2):
        cooldowns.succeeded(PLACE, clock.now)
        fail(cooldowns, clock)
        clock.now += 1
    assert (cooldowns.end(PLACE, clock.now) is not None) is rested


def test_old_failures_do_not_count(cooldowns: Cooldowns, clock: Clock) -> None:
    for _ in range(40):
        cooldowns.succeeded(PLACE, clock.now)
        fail(cooldowns, clock)
        clock.now += 4
    assert cooldowns.end(PLACE, clock.now) is None


def test_consecutive_cooldowns_get_longer_up_to_the_cap(cooldowns: Cooldowns, clock: Clock) -> None:
    lengths = [fail(cooldowns, clock, 5)]
    for _ in range(12):
        clock.now += lengths[-1] or 0.0
        lengths.append(fail(cooldowns, clock))
    assert lengths[:4] == [COOLDOWN, 2 * COOLDOWN, 3 * COOLDOWN, 4 * COOLDOWN]
    assert lengths[-1] == CAP


def test_jitter_is_a_fifth_and_never_exceeds_the_cap(clock: Clock) -> None:
    drawn: list[tuple[float, float]] = []

    def highest(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    cooldowns = Cooldowns(clock, highest)
    assert fail(cooldowns, clock, 5) == pytest.approx(1.2 * COOLDOWN)
    assert drawn == [(0.8, 1.2)]
    for _ in range(20):
        clock.now += CAP
        assert (fail(cooldowns, clock) or 0) <= CAP


@pytest.mark.parametrize("order", [(60.0, 1.0), (1.0, 60.0)])
def test_a_cooldown_is_only_ever_extended(cooldowns: Cooldowns, clock: Clock, order: tuple[float, float]) -> None:
    for seconds in order:
        cooldowns.start(KEY, seconds, "429")
    assert cooldowns.end(PLACE, clock.now) == clock.now + 60


def test_no_cooldown_is_longer_than_the_cap(cooldowns: Cooldowns, clock: Clock) -> None:
    assert cooldowns.start(KEY, 86_400.0, "429") == CAP


def test_one_probe_at_a_time(cooldowns: Cooldowns, clock: Clock) -> None:
    fail(cooldowns, clock, 5)
    clock.now += COOLDOWN
    assert cooldowns.end(PLACE, clock.now) is None, "the cooldown is over"
    assert cooldowns.enter(PLACE, clock.now)
    assert not cooldowns.enter(PLACE, clock.now), "a probe is already in flight"
    assert cooldowns.end(PLACE, clock.now) == clock.now + PROBE
    cooldowns.succeeded(PLACE, clock.now)
    assert cooldowns.enter(PLACE, clock.now) and cooldowns.enter(PLACE, clock.now)


def test_a_lost_probe_only_blocks_for_a_limited_time(cooldowns: Cooldowns, clock: Clock) -> None:
    fail(cooldowns, clock, 5)
    clock.now += COOLDOWN
    assert cooldowns.enter(PLACE, clock.now)
    clock.now += PROBE
    assert cooldowns.enter(PLACE, clock.now)


def test_after_an_inconclusive_probe_the_next_is_allowed(cooldowns: Cooldowns, clock: Clock) -> None:
    fail(cooldowns, clock, 5)
    clock.now += COOLDOWN
    assert cooldowns.enter(PLACE, clock.now)
    cooldowns.leave(PLACE)
    assert cooldowns.enter(PLACE, clock.now)


def test_a_failed_probe_starts_the_next_cooldown_immediately(cooldowns: Cooldowns, clock: Clock) -> None:
    fail(cooldowns, clock, 5)
    clock.now += COOLDOWN
    cooldowns.enter(PLACE, clock.now)
    assert fail(cooldowns, clock) == 2 * COOLDOWN


def test_a_call_that_began_before_the_cooldown_does_not_affect_it(cooldowns: Cooldowns, clock: Clock) -> None:
    began = clock.now
    clock.now += 1
    fail(cooldowns, clock, 5)
    clock.now += 1
    assert not cooldowns.succeeded(PLACE, began)
    assert cooldowns.end(PLACE, clock.now) is not None
    assert cooldowns.failed(MODEL, began, "503") is None, "its failure does not extend the cooldown either"
    assert cooldowns.succeeded(PLACE, clock.now), "an answer to a later call ends it"
    assert cooldowns.end(PLACE, clock.now) is None


def test_a_cooldown_requested_by_the_vendor_only_ends_by_time(cooldowns: Cooldowns, clock: Clock) -> None:
    cooldowns.start(KEY, 60.0, "429")
    clock.now += 1
    assert not cooldowns.succeeded(PLACE, clock.now)
    assert cooldowns.end(PLACE, clock.now) is not None
    clock.now += 60
    assert cooldowns.end(PLACE, clock.now) is None


def test_memory_is_bounded(clock: Clock) -> None:
    cooldowns = Cooldowns(clock, most=100)
    for number in range(1000):
        cooldowns.start(("p", "m", f"own:{number}"), 60.0, "429")
    assert len(cooldowns._states) == 100
    assert cooldowns._active == 100


def test_of_many_threads_one_probes(clock: Clock) -> None:
    cooldowns = Cooldowns(clock)
    fail(cooldowns, clock, 5)
    clock.now += CAP
    entered: list[bool] = []
    gate = threading.Barrier(8)

    def call() -> None:
        gate.wait()
        entered.append(cooldowns.enter(PLACE, clock.now))

    at_once([call] * 8)
    assert sorted(entered) == [False] * 7 + [True]
