"""Concurrency limits per provider, retry budgets, and alarms."""

import threading
import time
import weakref

from nexus.gateway.alarms import FEW, Alarm, Alarms
from nexus.gateway.bounds import RetryBudgets, Rooms
from nexus.processes.counter_rows import Rows


def test_processes_share_slots_and_never_exceed_the_limit() -> None:
    rows = Rows(3)
    workers = [Rooms() for _ in range(3)]
    for index, rooms in enumerate(workers):
        rooms.share(rows, rows.parts[index])
    assert [rooms.enter("v", 2) for rooms in workers] == [True, True, False]
    assert workers[2].enter("w", 1) and not workers[0].enter("w", 1)
    workers[0].leave("v")
    assert workers[2].enter("v", 2) and not workers[1].enter("v", 2)
    # A killed worker held a slot; its replacement starts with none.
    rows.parts[1].end()
    workers[1] = Rooms()
    workers[1].share(rows, rows.parts[1])
    assert workers[1].enter("v", 2) and not workers[1].enter("v", 2)


def test_a_retry_budget_starts_full_and_is_refilled_by_calls_and_time() -> None:
    now = 0.0
    budgets = RetryBudgets(lambda: now)
    assert [budgets.take("v") for _ in range(11)] == [True] * 10 + [False]
    assert budgets.take("other"), "each provider has its own"
    for _ in range(5):
        budgets.pay("v")
    assert [budgets.take("v") for _ in range(2)] == [True, False]
    now += 2.0
    assert [budgets.take("v") for _ in range(3)] == [True, True, False]
    now += 1000.0
    assert [budgets.take("v") for _ in range(11)] == [True] * 10 + [False], "it holds at most ten"


def test_cancelled_alarms_are_freed() -> None:
    """Otherwise a timeout of ten minutes would keep the memory of every call of the last ten minutes."""
    alarms, kept = Alarms(), weakref.WeakSet[Alarm]()
    try:
        for _ in range(1000):
            alarm = alarms.set(time.monotonic() + 600, lambda: None)
            kept.add(alarm)
            alarm.cancel()
        assert len(kept) <= FEW
    finally:
        alarms.close()


def test_alarms_go_off_and_cancelled_ones_do_not() -> None:
    alarms, rung, done = Alarms(), list[str](), threading.Event()
    alarms.set(0.3, lambda: rung.append("b"))
    alarms.set(0.1, lambda: rung.append("a"))
    alarms.set(0.2, lambda: rung.append("never")).cancel()
    alarms.set(0.4, done.set)
    assert done.wait(60)
    assert rung in (["a", "b"], ["b", "a"])
