"""The window against an exact log: never over the limit in any interval, and at most a sixtieth of it late."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.limits.quota import SECOND, Demand, Granted, Quota, Refused
from nexus.limits.window import BUCKETS, CELLS, Window, reserve, width_of
from tests.limits.kit import PROFILE, START, ExactLog, demand

MOMENTS = st.lists(
    st.tuples(st.one_of(st.integers(0, 30), st.integers(0, 2_000), st.just(1_000), st.just(999)), st.integers(1, 60)),
    max_size=80,
)
"""Pauses and amounts, for intervals of about a thousand microseconds."""


def no_cells() -> memoryview:
    """Memory for a window without admissions."""
    return memoryview(bytearray(8 * CELLS)).cast("q")


def asked(amount: int, limit: int, interval: int) -> Demand:
    return Demand(Quota("k", "input_tokens", limit, interval, "rule"), amount)


@PROFILE
@given(interval=st.integers(1, 3_000), limit=st.integers(1, 100), moments=MOMENTS)
def test_decisions_match_the_exact_log(interval: int, limit: int, moments: list[tuple[int, int]]) -> None:
    window, log, now = Window(interval, no_cells()), ExactLog(interval), START
    for pause, amount in moments:
        now += pause
        decision = reserve(now, [asked(amount, limit, interval)], [window])
        if isinstance(decision, Granted):
            log.add(now, amount)
            assert log.spent(now) <= limit
        elif amount > limit:
            assert decision.never
        else:
            # The documented error: a refused amount would not fit into an interval longer by one bucket.
            assert log.spent(now, interval + width_of(interval) - 1) + amount > limit
    assert log.worst() <= limit


@PROFILE
@given(interval=st.integers(1, 3_000), limit=st.integers(1, 100), moments=MOMENTS)
def test_the_reported_wait_is_exact_to_the_microsecond(
    interval: int, limit: int, moments: list[tuple[int, int]]
) -> None:
    window, now = Window(interval, no_cells()), START
    for pause, amount in moments:
        now += pause
        demands = [asked(amount, limit, interval)]
        decision = reserve(now, demands, [window])
        if isinstance(decision, Refused) and decision.wait is not None:
            assert 0 < decision.wait <= interval
            assert isinstance(reserve(now + decision.wait - 1, demands, [window]), Refused)
            now += decision.wait
            assert isinstance(reserve(now, demands, [window]), Granted)


@PROFILE
@given(
    interval=st.integers(60, 3_000),
    limit=st.integers(1, 200),
    calls=st.lists(
        st.tuples(st.integers(0, 700), st.integers(1, 60), st.integers(0, 60), st.integers(0, 4)), max_size=60
    ),
)
def test_settling_replaces_the_reserved_amount_in_its_bucket(
    interval: int, limit: int, calls: list[tuple[int, int, int, int]]
) -> None:
    """Actual amounts never exceed the reserved ones here, so no interval holds more than the limit."""
    window, log, now = Window(interval, no_cells()), ExactLog(interval), START
    running: list[tuple[int, int, int, int]] = []
    for pause, amount, actual, until in calls:
        now += pause
        decision = reserve(now, [asked(amount, limit, interval)], [window])
        if isinstance(decision, Granted):
            running.append((log.add(now, amount), decision.receipt.buckets[0], amount, min(actual, amount)))
        assert log.worst() <= limit
        while len(running) > until:
            event, bucket, reserved, spent = running.pop(0)
            window.change(now, bucket, spent - reserved)
            log.events[event][1] = spent
        assert log.spent(now) <= window.total <= log.spent(now, interval + width_of(interval) - 1)


def test_a_total_that_a_dead_process_left_wrong_is_right_again_when_an_entry_expires() -> None:
    cells = no_cells()
    window = Window(60 * SECOND, cells)
    for seconds in (0, 30):
        window.add(START + seconds * SECOND, 10)
    cells[1] += 500
    window.advance(START + 61 * SECOND)
    assert window.total == 10


def test_the_longest_wait_is_reported_and_never_outranks_all() -> None:
    windows = [Window(60 * SECOND, no_cells()), Window(10 * SECOND, no_cells()), Window(SECOND, no_cells())]
    full = [demand(100, 100, 60, "a"), demand(7, 7, 10, "b"), demand(1, 1, 1, "c")]
    assert isinstance(reserve(START, full, windows), Granted)
    refused = reserve(START, full, windows)
    assert isinstance(refused, Refused)
    assert (refused.demand.quota.key, refused.wait) == ("{t}:a", 60 * SECOND)
    never = reserve(START, [full[0], demand(8, 7, 10, "b"), full[2]], windows)
    assert isinstance(never, Refused)
    assert (never.demand.quota.key, never.never) == ("{t}:b", True)


@pytest.mark.parametrize("interval", [1, 7, 59, 60, 61, 1000, 60 * SECOND, 366 * 86_400 * SECOND])
def test_memory_is_bounded(interval: int) -> None:
    window, now = Window(interval, no_cells()), START
    step = max(1, interval // 1000)
    for _ in range(3000):
        now += step
        window.advance(now)
        window.add(now, 1)
        assert len(window) <= BUCKETS + 1
    window.advance(now + interval)
    assert (len(window), window.total, window.reset(now + interval)) == (0, 0, 0)


def test_steady_traffic_gets_all_but_a_sixtieth() -> None:
    """Measures the error in amounts: one request every millisecond against 1000 in 10 s."""
    window, granted = Window(10 * SECOND, no_cells()), 0
    for number in range(100_000):
        now = START + number * 1000
        granted += isinstance(reserve(now, [demand(1, 1000, 10)], [window]), Granted)
    assert 10_000 * BUCKETS / (BUCKETS + 1) <= granted <= 10_000
