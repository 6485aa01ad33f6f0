"""Where worker threads and the loop meet: backpressure, wake-ups, the race for the head, and who never waits.

Every scene has a hard time limit, and no test sleeps to wait for another thread; it looks where that thread is.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

import pytest

from nexus.bridge import CAPACITY, Channel, Full, Workers
from tests.peers import HARD_LIMIT, Job
from tests.serving import wait_until

T = TypeVar("T")
HEAD = "200 OK"
FULL_PIECE = b"x" * CAPACITY
SILENCE = 0.01
"""A timeout that is meant to pass."""


class Broken(Exception):
    """What a worker ends with."""


def play(scene: Callable[[Channel[str]], Coroutine[Any, Any, T]]) -> T:
    """Runs the loop's side of a scene with a channel of that loop."""

    async def limited() -> T:
        return await asyncio.wait_for(scene(Channel(asyncio.get_running_loop())), HARD_LIMIT)

    return asyncio.run(limited())


async def finished(job: Job[T]) -> T:
    """A worker's result, awaited without blocking the loop."""
    return await asyncio.get_running_loop().run_in_executor(None, job.result)


def blocked(job: Job[T]) -> bool:
    """Whether the worker waits inside the channel."""
    return job.stack[:2] == ["wait", "put"]


async def rest(channel: Channel[str]) -> bytes:
    pieces: list[bytes] = []
    while (taken := await channel.take(HARD_LIMIT)) is not None:
        pieces += taken
    return b"".join(pieces)


# -- backpressure --------------------------------------------------------------------------------------------------


def test_a_full_channel_blocks_the_worker_and_a_take_frees_it() -> None:
    async def scene(channel: Channel[str]) -> None:
        assert channel.publish(HEAD, b"")
        assert channel.put(FULL_PIECE), "a piece that fills the channel is still taken"
        job = Job(lambda: channel.put(b"next"))
        wait_until(lambda: blocked(job))
        assert await channel.take(HARD_LIMIT) == [FULL_PIECE]
        assert await finished(job) is True
        assert await channel.take(HARD_LIMIT) == [b"next"]

    play(scene)


def test_below_its_capacity_a_channel_never_blocks() -> None:
    async def scene(channel: Channel[str]) -> None:
        pieces = [b"x" * 1024] * (CAPACITY // 1024)
        assert all(channel.put(piece) for piece in pieces)
        assert await channel.take(HARD_LIMIT) == pieces

    play(scene)


def test_the_first_piece_counts_towards_the_capacity() -> None:
    async def scene(channel: Channel[str]) -> None:
        assert channel.publish(HEAD, FULL_PIECE)
        job = Job(lambda: channel.put(b"next"))
        wait_until(lambda: blocked(job))
        channel.close()
        assert await finished(job) is False

    play(scene)


def test_a_slow_reader_holds_no_more_than_the_capacity() -> None:
    size = 48 * 1024
    pieces = [bytes([number]) * size for number in range(64)]

    def worker(channel: Channel[str]) -> None:
        assert channel.publish(HEAD, pieces[0])
        for piece in pieces[1:]:
            assert channel.put(piece)
        channel.end()

    async def scene(channel: Channel[str]) -> list[int]:
        job = Job(lambda: worker(channel))
        assert await channel.head(None) == HEAD
        received, held = b"", []
        while True:
            wait_until(lambda: job.done or blocked(job))
            taken = await channel.take(HARD_LIMIT)
            if taken is None:
                break
            received += b"".join(taken)
            held.append(sum(map(len, taken)))
        assert received == b"".join(pieces), "nothing is lost and the order is kept"
        return held

    held = play(scene)
    assert max(held) < CAPACITY + size


def test_a_worker_blocked_in_put_learns_of_the_close() -> None:
    async def scene(channel: Channel[str]) -> None:
        assert channel.put(FULL_PIECE)
        job = Job(lambda: channel.put(b"next"))
        wait_until(lambda: blocked(job))
        channel.close()
        assert await finished(job) is False
        assert channel.put(b"more") is False, "and so does every later put"
        assert channel.publish(HEAD, b"") is False

    play(scene)


def test_after_its_end_a_full_channel_is_still_read() -> None:
    async def scene(channel: Channel[str]) -> None:
        assert channel.put(FULL_PIECE)
        channel.end()
        assert await rest(channel) == FULL_PIECE
        assert await channel.take(HARD_LIMIT) is None, "the end stays the end"

    play(scene)


# -- wake-ups ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [pytest.param(True, id="the loop waits"), pytest.param(False, id="nobody waits")])
def test_many_pieces_cost_one_wake_up(monkeypatch: pytest.MonkeyPatch, waits: bool) -> None:
    wake_ups: list[Callable[..., object]] = []

    def worker(channel: Channel[str]) -> None:
        for _ in range(1000):
            assert channel.put(b"x")

    async def scene(channel: Channel[str]) -> None:
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe

        def counted(callback: Callable[..., object], *arguments: Any) -> object:
            wake_ups.append(callback)
            return wake(callback, *arguments)

        taking = asyncio.create_task(channel.take(HARD_LIMIT)) if waits else None
        await asyncio.sleep(0)
        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        Job(lambda: worker(channel)).result()  # the loop is busy all the while
        monkeypatch.undo()
        taken = await (taking or channel.take(HARD_LIMIT))
        assert taken == [b"x"] * 1000
        assert len(wake_ups) == (1 if waits else 0)

    play(scene)


def test_a_take_that_was_cancelled_loses_nothing() -> None:
    async def scene(channel: Channel[str]) -> None:
        taking = asyncio.create_task(channel.take(HARD_LIMIT))
        await asyncio.sleep(0)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        await finished(Job(lambda: channel.put(b"x")))
        assert await channel.take(HARD_LIMIT) == [b"x"]

    play(scene)


def test_a_worker_outlives_the_loop() -> None:
    """The loop stopped while somebody waited on it: the worker notices nothing."""
    loop = asyncio.new_event_loop()
    channel: Channel[str] = Channel(loop)
    waiting = loop.create_task(channel.head(None))
    loop.call_soon(loop.stop)
    loop.run_forever()
    waiting.cancel()
    loop.run_until_complete(asyncio.wait([waiting]))
    loop.close()

    def worker() -> bool:
        taken = channel.publish(HEAD, b"x") and channel.put(b"y")
        channel.end()
        return taken

    assert Job(worker).result() is True


# -- the head ------------------------------------------------------------------------------------------------------


def test_the_head_comes_with_the_first_piece() -> None:
    async def scene(channel: Channel[str]) -> None:
        job = Job(lambda: channel.publish(HEAD, b"first"))
        assert await channel.head(None) == HEAD
        assert channel.head_sent
        assert await channel.take(HARD_LIMIT) == [b"first"]
        assert await finished(job) is True
        assert await channel.head(None) == HEAD, "it can be asked for again"

    play(scene)


def test_after_the_silence_the_loop_commits_first() -> None:
    """The worker's head comes too late: neither it nor its piece is taken; what follows flows."""

    async def scene(channel: Channel[str]) -> None:
        assert await channel.head(SILENCE) is None
        assert not channel.head_sent
        assert channel.commit() is True
        assert channel.head_sent
        assert channel.publish(HEAD, b"first") is False
        assert await channel.take(SILENCE) == []
        assert not channel.content_sent, "another attempt may still answer"
        assert channel.put(b"first") is True
        assert channel.content_sent
        assert await channel.take(HARD_LIMIT) == [b"first"]

    play(scene)


def test_after_the_silence_the_worker_publishes_first() -> None:
    """The worker was quicker than the loop's own head: the loop's is not sent."""

    async def scene(channel: Channel[str]) -> None:
        assert await channel.head(SILENCE) is None
        assert channel.publish(HEAD, b"first") is True
        assert channel.commit() is False
        assert await channel.head(None) == HEAD
        assert channel.head_sent
        assert await channel.take(HARD_LIMIT) == [b"first"]

    play(scene)


def test_after_the_silence_the_worker_fails_first() -> None:
    async def scene(channel: Channel[str]) -> None:
        assert await channel.head(SILENCE) is None
        channel.end(Broken())
        assert channel.commit() is False, "an error can still be told with its own status"
        with pytest.raises(Broken):
            await channel.head(None)

    play(scene)


def test_exactly_one_head_wins_the_race() -> None:
    async def scene(channel: Channel[str]) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(300):
            racing: Channel[str] = Channel(loop)
            gate = threading.Barrier(2)

            def worker(racing: Channel[str] = racing, gate: threading.Barrier = gate) -> bool:
                gate.wait(HARD_LIMIT)
                return racing.publish(HEAD, b"first")

            job = Job(worker)
            gate.wait(HARD_LIMIT)
            ours = racing.commit()
            theirs = await finished(job)
            assert ours is not theirs
            assert await racing.take(0) == ([b"first"] if theirs else [])

    play(scene)


# -- the end -------------------------------------------------------------------------------------------------------


def test_an_end_before_the_head_raises_its_error() -> None:
    async def scene(channel: Channel[str]) -> None:
        job = Job(lambda: channel.end(Broken("no vendor")))
        with pytest.raises(Broken, match="no vendor"):
            await channel.head(None)
        await finished(job)

    play(scene)


def test_an_end_without_head_or_error_is_a_bug_that_shows() -> None:
    async def scene(channel: Channel[str]) -> None:
        channel.end()
        with pytest.raises(RuntimeError, match="without a head"):
            await channel.head(None)

    play(scene)


def test_an_end_after_the_head_comes_behind_the_pieces() -> None:
    async def scene(channel: Channel[str]) -> None:
        assert channel.publish(HEAD, b"a")
        assert channel.put(b"b")
        channel.end(Broken())
        assert await channel.head(None) == HEAD
        assert await channel.take(HARD_LIMIT) == [b"a", b"b"]
        with pytest.raises(Broken):
            await channel.take(HARD_LIMIT)

    play(scene)


def test_an_end_wakes_a_reader() -> None:
    async def scene(channel: Channel[str]) -> None:
        taking = asyncio.create_task(channel.take(HARD_LIMIT))
        await asyncio.sleep(0)
        await finished(Job(channel.end))
        assert await taking is None

    play(scene)


def test_silence_gives_an_empty_list_and_the_next_piece_still_comes() -> None:
    async def scene(channel: Channel[str]) -> None:
        assert channel.publish(HEAD, b"")
        assert await channel.take(SILENCE) == []
        assert await channel.take(0) == []
        assert channel.put(b"x")
        assert await channel.take(SILENCE) == [b"x"]

    play(scene)


# -- workers -------------------------------------------------------------------------------------------------------


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds jobs until it is set; set at the end in any case."""
    event = threading.Event()
    yield event
    event.set()


def done(job: Future[None]) -> None:
    job.result(HARD_LIMIT)


def test_beyond_the_limit_workers_refuse_at_once(gate: threading.Event) -> None:
    workers = Workers(2)
    jobs = [workers.start(lambda: done_waiting(gate)) for _ in range(2)]
    with pytest.raises(Full):
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


def test_a_job_that_raises_gives_its_worker_back() -> None:
    workers = Workers(1)

    def job() -> None:
        raise Broken

    for _ in range(3):
        with pytest.raises(Broken):
            done(workers.start(job))
        wait_until(lambda: workers.busy == 0)
    workers.stop()


def test_many_jobs_leave_nobody_busy() -> None:
    workers = Workers(4)
    ran: list[int] = []
    refused = 0
    for number in range(500):
        try:
            workers.start(partial(ran.append, number))
        except Full:
            refused += 1
    wait_until(lambda: workers.busy == 0)
    assert len(ran) + refused == 500
    workers.stop()


def test_stopping_does_not_wait(gate: threading.Event) -> None:
    workers = Workers(1)
    running = workers.start(lambda: done_waiting(gate))
    Job(workers.stop).result()
    assert not running.done(), "a running job is left alone"
    gate.set()
    done(running)


def test_a_job_refused_after_the_stop_holds_no_worker() -> None:
    workers = Workers(1)
    workers.stop()
    with pytest.raises((RuntimeError, Full)):
        workers.start(lambda: None)
    assert workers.busy == 0


def test_a_job_whose_thread_cannot_be_started_never_runs(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine is out of threads: refused means refused, and not run later by the next free worker."""
    workers = Workers(2)
    running = workers.start(lambda: done_waiting(gate))
    ran: list[str] = []

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises((RuntimeError, Full)):
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


# -- a whole answer ------------------------------------------------------------------------------------------------


def test_a_whole_answer_wakes_the_loop_once_at_its_end() -> None:
    async def scene(channel: Channel[str]) -> None:
        waiting = asyncio.ensure_future(channel.head(None))
        await asyncio.sleep(0)
        assert channel.publish(HEAD, b"all of it", whole=True)
        assert await channel_is_silent(waiting)
        assert channel.whole() is None, "it has not ended"
        channel.end(over=True)
        assert await waiting == HEAD
        assert (channel.whole(), channel.is_over) == (b"all of it", True)

    async def channel_is_silent(waiting: asyncio.Future[str | None]) -> bool:
        # Whoever was woken has its turn before the second of these.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return not waiting.done()

    play(scene)


@pytest.mark.parametrize("error", [None, RuntimeError("broken")], ids=["unfinished", "failed"])
def test_what_has_not_ended_well_is_no_whole_answer(error: Exception | None) -> None:
    async def scene(channel: Channel[str]) -> None:
        assert channel.publish(HEAD, b"a part of it")
        if error is not None:
            channel.end(error)
        assert channel.whole() is None
        assert await channel.take(HARD_LIMIT) == [b"a part of it"], "nothing of it was taken"

    play(scene)
