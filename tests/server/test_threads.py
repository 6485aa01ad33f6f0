"""Blocking worker threads: their maximum, the effects of failed jobs, and when threads end."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest

from nexus.errors import Overloaded
from nexus.server import threads
from nexus.server.threads import Task, Workers
from tests.peers import HARD_LIMIT, Job
from tests.serving import wait_until
from tests.threads import no_thread


class Broken(Exception):
    """The error that a worker ends with."""


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Blocks jobs until it is set; the fixture always sets it at the end."""
    event = threading.Event()
    yield event
    event.set()


def done(task: Task) -> None:
    task.future.result(HARD_LIMIT)


def test_beyond_the_limit_jobs_are_rejected_immediately(gate: threading.Event) -> None:
    workers = Workers(2)
    jobs = [workers.start(lambda: done_waiting(gate)) for _ in range(2)]
    with pytest.raises(Overloaded):
        workers.start(lambda: done_waiting(gate))
    assert workers.busy == 2
    gate.set()
    for job in jobs:
        done(job)
    wait_until(lambda: workers.busy == 0)
    done(workers.start(lambda: None))
    workers.stop()


def done_waiting(gate: threading.Event) -> None:
    assert gate.wait(HARD_LIMIT)


def test_a_job_that_raises_frees_its_worker() -> None:
    workers = Workers(1)

    def job() -> None:
        raise Broken

    for _ in range(3):
        with pytest.raises(Broken):
            done(workers.start(job))
        wait_until(lambda: workers.busy == 0)
    workers.stop()


@pytest.mark.parametrize("fails", [False, True])
def test_a_cancelled_job_frees_its_worker(gate: threading.Event, fails: bool) -> None:
    """A cancelled caller gets no result; the worker continues with the next job."""
    workers = Workers(1)

    def job() -> None:
        done_waiting(gate)
        if fails:
            raise Broken

    async def leave() -> None:
        waits = asyncio.ensure_future(workers.work(job))
        await asyncio.sleep(0)
        waits.cancel()
        with suppress(asyncio.CancelledError):
            await waits

    asyncio.run(leave())
    gate.set()
    wait_until(lambda: workers.idle == 1)
    done(workers.start(lambda: None))
    workers.stop()


def test_many_jobs_leave_no_worker_busy() -> None:
    workers = Workers(4)
    ran: list[int] = []
    refused = 0
    for number in range(500):
        try:
            workers.start(partial(ran.append, number))
        except Overloaded:
            refused += 1
    wait_until(lambda: workers.busy == 0)
    assert len(ran) + refused == 500
    workers.stop()


def test_every_job_runs_once_however_many_callers_start_them() -> None:
    workers = Workers(64)
    ran: list[int] = []

    def calls(first: int) -> None:
        for number in range(first, first + 200):
            done(workers.start(partial(ran.append, number)))

    callers = [Job(partial(calls, 1000 * number)) for number in range(8)]
    for caller in callers:
        caller.result()
    assert sorted(ran) == [1000 * caller + number for caller in range(8) for number in range(200)]
    wait_until(lambda: workers.busy == 0)
    assert 0 < workers.idle <= 8, "no more threads than jobs at a time"
    workers.stop()


def test_jobs_that_start_together_all_run_at_the_same_time(gate: threading.Event) -> None:
    """Although their threads wake one another, one after the other."""
    workers = Workers(8)
    for _ in range(3):
        meet = threading.Barrier(8)
        jobs = [workers.start(lambda meet=meet: meet.wait(HARD_LIMIT) and None) for _ in range(8)]  # type: ignore[misc]
        for job in jobs:
            done(job)
        wait_until(lambda: workers.idle == 8)
    workers.stop()


def test_a_job_started_before_the_stop_runs_and_every_thread_ends() -> None:
    for _ in range(50):
        workers = Workers(2)
        done(workers.start(lambda: None))
        wait_until(lambda workers=workers: workers.idle == 1)  # type: ignore[misc]
        ran: list[threading.Thread] = []
        last = workers.start(lambda ran=ran: ran.append(threading.current_thread()))  # type: ignore[misc]
        workers.stop()
        done(last)
        ran[0].join(HARD_LIMIT)
        assert not ran[0].is_alive()


def test_stopping_does_not_wait(gate: threading.Event) -> None:
    workers = Workers(1)
    running = workers.start(lambda: done_waiting(gate))
    Job(workers.stop).result()
    assert not running.future.done(), "a running job is not interrupted"
    gate.set()
    done(running)


def test_a_job_rejected_after_the_stop_holds_no_worker() -> None:
    workers = Workers(1)
    workers.stop()
    with pytest.raises(Overloaded):
        workers.start(lambda: None)
    assert workers.busy == 0


def test_a_job_whose_thread_cannot_be_started_never_runs(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine is out of threads: a rejected job is not run later by the next free worker."""
    workers = Workers(2)
    running = workers.start(lambda: done_waiting(gate))
    ran: list[str] = []

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(Overloaded):
            workers.start(lambda: ran.append("refused"))
    assert workers.busy == 1
    gate.set()
    done(running)
    wait_until(lambda: workers.busy <= 0)
    done(workers.start(lambda: ran.append("next")))
    wait_until(lambda: workers.busy <= 0)
    assert ran == ["next"]
    assert workers.busy == 0
    workers.stop()


def test_threads_above_the_base_end(monkeypatch: pytest.MonkeyPatch, gate: threading.Event) -> None:
    monkeypatch.setattr(threads, "BASE", 2)
    workers = Workers(8, linger=0.01)
    for _ in range(8):
        workers.start(lambda: done_waiting(gate))
    gate.set()
    wait_until(lambda: not workers.busy and workers.idle == 2)
    ran: list[int] = []
    for number in range(100):
        done(workers.start(partial(ran.append, number)))
    assert ran == list(range(100)), "a thread about to end runs the new job first"
    workers.stop()
    assert workers.idle == 0


def test_no_thread_ends_while_jobs_wait_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waiting job counts on an idle thread, which may have been idle for long."""
    monkeypatch.setattr(threads, "BASE", 0)
    workers = Workers(2)
    done(workers.start(lambda: None))
    wait_until(lambda: workers.idle == 1)
    with workers._lock:
        idle = workers._idle[0]
    workers._waiting.append(Task(lambda: None))
    assert not workers.lets_end(idle)
    workers._waiting.clear()
    assert workers.lets_end(idle)
