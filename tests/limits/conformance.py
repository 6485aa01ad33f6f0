"""Conformance tests for every spending store; a subclass creates the store, with a manual clock."""

import itertools
import random
import threading
from dataclasses import replace
from functools import partial

import pytest

from nexus.errors import Overloaded
from nexus.limits.quota import SECOND, Granted, Refused, Store
from tests.limits.kit import START, Clock, ExactLog, demand
from tests.threads import at_once


def granted(decision: Granted | Refused) -> Granted:
    assert isinstance(decision, Granted)
    return decision


def refused(decision: Granted | Refused) -> Refused:
    assert isinstance(decision, Refused)
    return decision


class StoreConformance:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def store(self, clock: Clock) -> Store:
        raise NotImplementedError

    def test_the_limit_can_be_reached_but_not_exceeded(self, store: Store) -> None:
        for _ in range(10):
            granted(store.reserve([demand(10, 100)]))
        refusal = refused(store.reserve([demand(1, 100)]))
        assert (refusal.wait, refusal.standing.used, refusal.standing.remaining) == (60 * SECOND, 100, 0)
        assert refusal.standing.reset == 60 * SECOND

    def test_a_grant_reports_the_current_usage(self, store: Store) -> None:
        granted(store.reserve([demand(30, 100)]))
        standing = granted(store.reserve([demand(20, 100)])).standings[0]
        assert (standing.used, standing.remaining, standing.reset) == (50, 50, 60 * SECOND)

    def test_a_refused_demand_spends_nothing(self, store: Store) -> None:
        for _ in range(5):
            refused(store.reserve([demand(101, 100)]))
        granted(store.reserve([demand(100, 100)]))
        for _ in range(5):
            refused(store.reserve([demand(1, 100, key="other"), demand(1, 100)]))
        granted(store.reserve([demand(100, 100, key="other")]))

    def test_a_demand_above_the_limit_is_refused_as_never(self, store: Store) -> None:
        assert refused(store.reserve([demand(101, 100)])).never

    def test_a_bound_larger_than_the_rest_is_reserved_in_full(self, store: Store, clock: Clock) -> None:
        """One call that could use more than is left is granted; a second one is refused while it runs."""
        granted(store.reserve([demand(70, 100)]))
        held = granted(store.reserve([demand(50, 100, least=5)]))
        assert ([taken.amount for taken in held.demands], held.standings[0].used) == ([50], 120)
        refusal = refused(store.reserve([demand(50, 100, least=5)]))
        assert (refusal.wait, refusal.standing.used, refusal.standing.remaining) == (60 * SECOND, 120, 0)
        store.settle(held, [26])
        assert not refused(store.reserve([demand(50, 100, least=5)])).never
        store.settle(granted(store.reserve([demand(50, 100, least=4)])), [0])
        clock.tick(60)
        assert granted(store.reserve([demand(50, 100, least=5)])).standings[0].used == 50

    def test_a_bound_settles_to_what_was_used(self, store: Store) -> None:
        held = granted(store.reserve([demand(500, 100, least=1)]))
        store.settle(held, [40])
        assert granted(store.reserve([demand(60, 100)])).standings[0].used == 100

    def test_a_bound_whose_minimum_exceeds_the_limit_is_refused_as_never(self, store: Store) -> None:
        assert refused(store.reserve([demand(500, 100, least=101)])).never

    def test_the_limit_holds_across_interval_boundaries(self, store: Store, clock: Clock) -> None:
        clock.tick(59.5)
        granted(store.reserve([demand(100, 100)]))
        clock.tick(1)
        assert refused(store.reserve([demand(1, 100)])).wait == 59 * SECOND
        clock.tick(59)
        granted(store.reserve([demand(100, 100)]))

    def test_the_reported_wait_is_exact(self, store: Store, clock: Clock) -> None:
        for pause in (0.0, 5.0, 5.0, 5.0):
            clock.tick(pause)
            granted(store.reserve([demand(25, 100)]))
        wait = refused(store.reserve([demand(60, 100)])).wait
        assert wait is not None
        clock.now += wait - 1
        refused(store.reserve([demand(60, 100)]))
        clock.now += 1
        granted(store.reserve([demand(60, 100)]))

    def test_a_refund_can_be_spent_at_once(self, store: Store) -> None:
        held = granted(store.reserve([demand(100, 100)]))
        store.settle(held, [0])
        granted(store.reserve([demand(100, 100)]))

    def test_settling_for_less_and_for_more(self, store: Store) -> None:
        held = granted(store.reserve([demand(50, 100)]))
        store.settle(held, [20])
        assert refused(store.reserve([demand(81, 100)])).standing.used == 20
        second = granted(store.reserve([demand(10, 100)]))
        store.settle(second, [130])
        refusal = refused(store.reserve([demand(1, 100)]))
        assert (refusal.standing.used, refusal.standing.remaining) == (150, 0)

    def test_settling_after_the_interval(self, store: Store, clock: Clock) -> None:
        early = [granted(store.reserve([demand(50, 100)])) for _ in range(2)]
        clock.tick(61)
        granted(store.reserve([demand(40, 100)]))
        store.settle(early[0], [0])
        assert refused(store.reserve([demand(61, 100)])).standing.used == 40
        store.settle(early[1], [80])
        assert refused(store.reserve([demand(31, 100)])).standing.used == 70

    def test_quotas_are_independent(self, store: Store) -> None:
        granted(store.reserve([demand(100, 100, key="a"), demand(1, 1, key="b")]))
        granted(store.reserve([demand(100, 100, key="c")]))
        assert refused(store.reserve([demand(1, 100, key="c"), demand(1, 1, key="b")])).wait == 60 * SECOND

    def test_one_decision_covers_several_intervals(self, store: Store, clock: Clock) -> None:
        both = [demand(10, 100, 60, "minute"), demand(10, 20, 1, "second")]
        granted(store.reserve(both))
        granted(store.reserve(both))
        refusal = refused(store.reserve(both))
        assert (refusal.demand.quota.key, refusal.wait) == ("{t}:second", SECOND)
        for _ in range(4):
            clock.tick(1)
            granted(store.reserve(both))
            granted(store.reserve(both))
        clock.tick(1)
        refusal = refused(store.reserve(both))
        assert (refusal.demand.quota.key, refusal.wait) == ("{t}:minute", 55 * SECOND)

    def test_a_calendar_period_expires_all_at_once(self, store: Store, clock: Clock) -> None:
        """The period lasts an hour and began twenty minutes ago."""
        hour = partial(demand, limit=100, interval=3600, key="2026-11-28")
        held = granted(store.reserve([replace(hour(70), ago=1200 * SECOND)]))
        assert (held.standings[0].used, held.standings[0].reset) == (70, 2400 * SECOND)
        clock.tick(2000)
        assert refused(store.reserve([replace(hour(31), ago=3200 * SECOND)])).wait == 400 * SECOND
        store.settle(held, [20])
        granted(store.reserve([replace(hour(80), ago=3200 * SECOND)]))
        refusal = refused(store.reserve([replace(hour(1), ago=3200 * SECOND)]))
        assert (refusal.wait, refusal.standing.used, refusal.standing.reset) == (400 * SECOND, 100, 400 * SECOND)
        clock.tick(399)
        refused(store.reserve([replace(hour(1), ago=3599 * SECOND)]))
        clock.tick(1)
        granted(store.reserve([demand(100, 100, 3600, "2026-11-29")]))

    def test_one_decision_covers_a_period_and_a_window(self, store: Store, clock: Clock) -> None:
        both = [demand(10, 20), replace(demand(10, 1000, 86_400, "day"), ago=80_000 * SECOND)]
        granted(store.reserve(both))
        granted(store.reserve(both))
        assert refused(store.reserve(both)).wait == 60 * SECOND
        both[1] = replace(both[1], amount=981)
        assert refused(store.reserve(both)).wait == 6400 * SECOND

    def test_small_clock_differences_lose_no_spending(self, store: Store, clock: Clock) -> None:
        """Each process computes from its own clock how long ago a period began."""
        held = [
            granted(store.reserve([replace(demand(10, 1000, 60), ago=30 * SECOND + jitter)]))
            for jitter in (0, 3, -5, 2, 900_000, -700_000, 0)
        ]
        for one in held[1:]:
            store.settle(one, [0])
        assert granted(store.reserve([replace(demand(1, 1000, 60), ago=30 * SECOND)])).standings[0].used == 11

    def test_the_largest_numbers_that_settings_allow_work(self, store: Store) -> None:
        year = 366 * 86_400
        held = granted(store.reserve([demand(10**12, 10**12, year)]))
        assert refused(store.reserve([demand(1, 10**12, year)])).standing.used == 10**12
        store.settle(held, [10**12 - 1])
        assert granted(store.reserve([demand(1, 10**12, year)])).standings[0].used == 10**12

    @pytest.mark.parametrize("seed", range(5))
    def test_no_interval_exceeds_the_limit(self, store: Store, clock: Clock, seed: int) -> None:
        """Random refunds, bursts and pauses."""
        dice, log = random.Random(seed), ExactLog(60 * SECOND)
        running: list[tuple[int, Granted]] = []
        for _ in range(400):
            clock.tick(dice.choice((0, 0, 0.01, 0.4, 1, 7, 30)))
            amount = dice.randint(1, 40)
            decision = store.reserve([demand(amount, 100)])
            if isinstance(decision, Granted):
                running.append((log.add(clock.now, amount), decision))
            while len(running) > dice.randint(0, 4):
                event, held = running.pop(dice.randrange(len(running)))
                log.events[event][1] = dice.randint(0, held.demands[0].amount)
                store.settle(held, [log.events[event][1]])
            assert log.worst() <= 100
        assert sum(amount for _, amount in log.events) > 1000

    def test_many_threads_share_one_quota_exactly(self, store: Store) -> None:
        wins = itertools.count()
        start = threading.Barrier(64)

        def hammer() -> None:
            start.wait()
            for _ in range(10):
                if isinstance(store.reserve([demand(3, 1000), demand(1, 10**6, key="other")]), Granted):
                    next(wins)

        at_once([hammer] * 64)
        assert next(wins) == 333
        assert refused(store.reserve([demand(2, 1000)])).standing.used == 999

    def test_threads_that_reserve_and_settle_lose_no_spending(self, store: Store) -> None:
        def churn(seed: int) -> None:
            dice = random.Random(seed)
            for _ in range(20):
                store.settle(granted(store.reserve([demand(10, 10**6)])), [dice.choice((10, 7))])
                store.settle(granted(store.reserve([demand(5, 10**6)])), [0])

        at_once(partial(churn, seed) for seed in range(16))
        spent = 0
        for seed in range(16):
            dice = random.Random(seed)
            spent += sum(dice.choice((10, 7)) for _ in range(20))
        assert granted(store.reserve([demand(1, 10**6)])).standings[0].used == spent + 1

    def test_the_clock_may_start_at_any_time(self, store: Store, clock: Clock) -> None:
        clock.now = START // 7
        granted(store.reserve([demand(1, 1, key="elsewhere")]))
        assert refused(store.reserve([demand(1, 1, key="elsewhere")])).wait == 60 * SECOND


class FullStoreConformance:
    """A store in memory with room for ten keys; a subclass creates it."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def few(self, clock: Clock) -> Store:
        raise NotImplementedError

    @pytest.fixture
    def full(self, few: Store) -> Store:
        for number in range(10):
            granted(few.reserve([demand(10, 10, 60, f"k{number}")]))
        return few

    def test_a_full_store_refuses_new_keys_and_keeps_existing_ones(self, full: Store) -> None:
        for number in range(100):
            with pytest.raises(Overloaded, match="too many distinct callers"):
                full.reserve([demand(1, 10, 60, f"new{number}")])
        for number in range(10):
            refused(full.reserve([demand(1, 10, 60, f"k{number}")]))

    def test_expired_windows_make_room(self, full: Store, clock: Clock) -> None:
        clock.tick(60)
        for number in range(10):
            granted(full.reserve([demand(10, 10, 60, f"new{number}")]))

    def test_late_spending_is_booked_only_if_there_is_room(self, full: Store, clock: Clock) -> None:
        clock.tick(60)
        held = granted(full.reserve([demand(1, 10, 60, "one"), demand(3, 10, 3600, "other")]))
        clock.tick(60)
        for number in range(9):
            granted(full.reserve([demand(1, 10, 60, f"new{number}")]))
        full.settle(held, [50, 5])
        assert granted(full.reserve([demand(1, 10, 3600, "other")])).standings[0].used == 6
