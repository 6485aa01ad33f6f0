"""The bridge between worker threads and the loop: backpressure, wake-ups, the race for the head, and waits.

Every scene has a hard time limit. No test sleeps to wait for another thread; it checks where that thread is.
"""

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine
from contextlib import closing
from functools import wraps
from typing import Any, TypeVar

import pytest

from nexus.server import bridge
from nexus.server.bridge import CAPACITY, Bell, Channel
from tests.peers import HARD_LIMIT, Job
from tests.serving import wait_until

T = TypeVar("T")
HEAD = "200 OK"
FULL_PIECE = b"x" * CAPACITY
SILENCE = 0.01
"""A timeout that is expected to expire."""


class Broken(Exception):
    """The error that a worker ends with."""


def on_the_loop(scene: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that runs on its own loop, with a channel of that loop."""

    async def limited(fixtures: dict[str, Any]) -> None:
        with closing(Bell(asyncio.get_running_loop())) as bell:
            await asyncio.wait_for(scene(Channel(bell), **fixtures), HARD_LIMIT)

    @wraps(scene)
    def test(**fixtures: Any) -> None:
        asyncio.run(limited(fixtures))

    shown = inspect.signature(scene)
    test.__signature__ = shown.replace(parameters=[*shown.parameters.values()][1:])  # type: ignore[attr-defined]
    return test


async def finished(job: Job[T]) -> T:
    """A worker's result, awaited without blocking the loop."""
    return await asyncio.get_running_loop().run_in_executor(None, job.result)


def blocked(job: Job[T]) -> bool:
    """Whether the worker waits inside the channel."""
    return job.stack[:2] == ["_pause_worker", "put"]


async def rest(channel: Channel[str]) -> bytes:
    pieces: list[bytes] = []
    while (taken := await channel.take(HARD_LIMIT)) is not None:
        pieces += taken
    return b"".join(pieces)


# -- backpressure --------------------------------------------------------------------------------------------------


@on_the_loop
async def test_a_full_channel_blocks_the_worker_and_a_take_frees_it(channel: Channel[str]) -> None:
    assert channel.publish(HEAD, FULL_PIECE), "a piece that fills the channel is still taken"
    job = Job(lambda: channel.put(b"next"))
    wait_until(lambda: blocked(job))
    assert await channel.take(HARD_LIMIT) == [FULL_PIECE]
    assert await finished(job) is True
    assert await channel.take(HARD_LIMIT) == [b"next"]


@on_the_loop
async def test_below_its_capacity_a_channel_never_blocks(channel: Channel[str]) -> None:
    pieces = [b"x" * 1024] * (CAPACITY // 1024)
    assert all(channel.put(piece) for piece in pieces)
    assert await channel.take(HARD_LIMIT) == pieces


@on_the_loop
async def test_a_slow_reader_holds_no_more_than_the_capacity(channel: Channel[str]) -> None:
    size = 48 * 1024
    pieces = [bytes([number]) * size for number in range(64)]

    def worker() -> None:
        assert channel.publish(HEAD, pieces[0])
        for piece in pieces[1:]:
            assert channel.put(piece)
        channel.end()

    job = Job(worker)
    assert await channel.head(None) == HEAD
    received = b""
    while True:
        wait_until(lambda: job.done or blocked(job))
        taken = await channel.take(HARD_LIMIT)
        if taken is None:
            break
        received += b"".join(taken)
        assert sum(map(len, taken)) < CAPACITY + size
    assert received == b"".join(pieces), "nothing is lost and the order is kept"


@on_the_loop
async def test_a_close_releases_a_worker_blocked_in_put(channel: Channel[str]) -> None:
    assert channel.put(FULL_PIECE)
    job = Job(lambda: channel.put(b"next"))
    wait_until(lambda: blocked(job))
    channel.close()
    assert await finished(job) is False
    assert channel.put(b"more") is False, "and so does every later put"
    assert channel.publish(HEAD, b"") is False


@on_the_loop
async def test_a_full_channel_is_still_read_after_its_end(channel: Channel[str]) -> None:
    assert channel.put(FULL_PIECE)
    channel.end()
    assert await rest(channel) == FULL_PIECE
    assert await channel.take(HARD_LIMIT) is None, "the end stays the end"


# -- wake-ups ------------------------------------------------------------------------------------------------------


def counted_wake_ups(monkeypatch: pytest.MonkeyPatch) -> list[Bell]:
    """Counts every wake-up from now on."""
    pulled: list[Bell] = []
    pull = Bell.pull

    def counted(bell: Bell) -> None:
        pulled.append(bell)
        pull(bell)

    monkeypatch.setattr(Bell, "pull", counted)
    return pulled


@pytest.mark.parametrize("waits", [pytest.param(True, id="the loop waits"), pytest.param(False, id="no reader waits")])
@on_the_loop
async def test_many_pieces_cost_one_wake_up(
    channel: Channel[str], monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    wake_ups = counted_wake_ups(monkeypatch)

    def worker() -> None:
        for _ in range(1000):
            assert channel.put(b"x")

    taking = asyncio.create_task(channel.take(HARD_LIMIT)) if waits else None
    await asyncio.sleep(0)
    Job(worker).result()  # the loop is busy meanwhile
    taken = await (taking or channel.take(HARD_LIMIT))
    assert taken == [b"x"] * 1000
    assert len(wake_ups) == (1 if waits else 0)


@on_the_loop
async def test_a_cancelled_take_loses_nothing(channel: Channel[str]) -> None:
    taking = asyncio.create_task(channel.take(HARD_LIMIT))
    await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    await finished(Job(lambda: channel.put(b"x")))
    assert await channel.take(HARD_LIMIT) == [b"x"]


def test_a_worker_outlives_the_loop() -> None:
    """The loop stops while a reader waits on it; the worker is not affected."""
    loop = asyncio.new_event_loop()
    bell = Bell(loop)
    channel: Channel[str] = Channel(bell)
    waiting = loop.create_task(channel.head(None))
    loop.call_soon(loop.stop)
    loop.run_forever()
    waiting.cancel()
    loop.run_until_complete(asyncio.wait([waiting]))
    bell.close()
    loop.close()

    def worker() -> bool:
        taken = channel.publish(HEAD, b"x") and channel.put(b"y")
        channel.end()
        return taken

    assert Job(worker).result() is True


# -- the head ------------------------------------------------------------------------------------------------------


@on_the_loop
async def test_the_head_comes_with_the_first_piece(channel: Channel[str]) -> None:
    job = Job(lambda: channel.publish(HEAD, b"first"))
    assert await channel.head(None) == HEAD
    assert await channel.take(HARD_LIMIT) == [b"first"]
    assert await finished(job) is True
    assert await channel.head(None) == HEAD, "it can be requested again"


@on_the_loop
async def test_after_the_silence_the_loop_commits_first(channel: Channel[str]) -> None:
    """The worker's head comes too late: neither it nor its piece is taken; later pieces flow."""
    assert await channel.head(SILENCE) is None
    assert channel.commit() is True
    assert channel.publish(HEAD, b"first") is False
    assert await channel.take(SILENCE) == []
    assert channel.put(b"first") is True
    assert await channel.take(HARD_LIMIT) == [b"first"]


@on_the_loop
async def test_after_the_silence_the_worker_publishes_first(channel: Channel[str]) -> None:
    """The worker was faster than the loop's own head, so the loop's head is not sent."""
    assert await channel.head(SILENCE) is None
    assert channel.publish(HEAD, b"first") is True
    assert channel.commit() is False
    assert await channel.head(None) == HEAD
    assert await channel.take(HARD_LIMIT) == [b"first"]


@on_the_loop
async def test_after_the_silence_the_worker_fails_first(channel: Channel[str]) -> None:
    assert await channel.head(SILENCE) is None
    channel.end(Broken())
    assert channel.commit() is False, "an error can still be sent with its own status"
    with pytest.raises(Broken):
        await channel.head(None)


@on_the_loop
async def test_exactly_one_head_wins_the_race(channel: Channel[str]) -> None:
    for _ in range(300):
        racing: Channel[str] = Channel(channel._bell)
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


# -- the end -------------------------------------------------------------------------------------------------------


@on_the_loop
async def test_an_end_before_the_head_raises_its_error(channel: Channel[str]) -> None:
    job = Job(lambda: channel.end(Broken("no vendor")))
    with pytest.raises(Broken, match="no vendor"):
        await channel.head(None)
    await finished(job)


@on_the_loop
async def test_an_end_without_head_or_error_is_reported_as_a_bug(channel: Channel[str]) -> None:
    channel.end()
    with pytest.raises(RuntimeError, match="without a head"):
        await channel.head(None)


@on_the_loop
async def test_an_end_after_the_head_follows_the_pieces(channel: Channel[str]) -> None:
    assert channel.publish(HEAD, b"a")
    assert channel.put(b"b")
    channel.end(Broken())
    assert await channel.head(None) == HEAD
    assert await channel.take(HARD_LIMIT) == [b"a", b"b"]
    with pytest.raises(Broken):
        await channel.take(HARD_LIMIT)


@on_the_loop
async def test_an_end_wakes_a_reader(channel: Channel[str]) -> None:
    taking = asyncio.create_task(channel.take(HARD_LIMIT))
    await asyncio.sleep(0)
    await finished(Job(channel.end))
    assert await taking is None


@on_the_loop
async def test_silence_gives_an_empty_list_and_the_next_piece_still_comes(channel: Channel[str]) -> None:
    assert channel.publish(HEAD, b"")
    assert await channel.take(SILENCE) == []
    assert await channel.take(0) == []
    assert channel.put(b"x")
    assert await channel.take(SILENCE) == [b"x"]


# -- pieces that flow ----------------------------------------------------------------------------------------------


class Client:
    """Takes pieces; those in ``slow`` are not written immediately."""

    def __init__(self, *slow: bytes) -> None:
        self.got: list[bytes] = []
        self._slow = slow

    def send(self, piece: bytes) -> bool:
        self.got.append(piece)
        return piece not in self._slow


@on_the_loop
async def test_pieces_flow_to_the_end_in_order(channel: Channel[str]) -> None:
    def worker() -> None:
        for number in range(1000):
            assert channel.put(b"%d " % number)
        channel.end()

    client = Client()
    job = Job(worker)
    assert await channel.flow(client.send, HARD_LIMIT) == "end"
    await finished(job)
    assert b"".join(client.got).split() == [b"%d" % number for number in range(1000)]


@on_the_loop
async def test_an_unwritten_piece_stops_the_flow_and_the_worker(channel: Channel[str]) -> None:
    client = Client(b"slow")
    assert channel.put(b"slow")
    assert await channel.flow(client.send, HARD_LIMIT) == "full"
    assert channel.put(FULL_PIECE)
    job = Job(lambda: channel.put(b"next"))
    wait_until(lambda: blocked(job))
    assert client.got == [b"slow"], "nothing is sent until requested again"
    flowing = asyncio.create_task(channel.flow(client.send, HARD_LIMIT))
    assert await finished(job) is True
    channel.end()
    assert await flowing == "end"
    assert client.got == [b"slow", FULL_PIECE, b"next"]


@on_the_loop
async def test_a_worker_waits_for_a_loop_that_is_behind(channel: Channel[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "BEHIND", HARD_LIMIT)

    def worker() -> None:
        assert channel.put(b"a")
        assert channel.put(b"b")
        channel.end()

    client = Client()
    flowing = asyncio.create_task(channel.flow(client.send, HARD_LIMIT))
    await asyncio.sleep(0)
    job = Job(worker)
    wait_until(lambda: blocked(job))  # the loop is busy meanwhile
    assert client.got == []
    assert await flowing == "end"
    assert client.got == [b"ab"]


@on_the_loop
async def test_a_workers_wait_is_bounded(channel: Channel[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "BEHIND", SILENCE)
    client = Client()
    flowing = asyncio.create_task(channel.flow(client.send, HARD_LIMIT))
    await asyncio.sleep(0)
    assert Job(lambda: [channel.put(b"a"), channel.put(b"b"), channel.put(b"c")]).result() == [True] * 3
    channel.end()
    assert await flowing == "end"
    assert client.got == [b"abc"]


@on_the_loop
async def test_silence_ends_the_flow_and_the_next_piece_still_comes(channel: Channel[str]) -> None:
    client = Client()
    assert channel.put(b"a")
    assert await channel.flow(client.send, SILENCE) == "silence"
    assert channel.put(b"b")
    channel.end()
    assert await channel.flow(client.send, HARD_LIMIT) == "end"
    assert client.got == [b"a", b"b"]


@on_the_loop
async def test_silence_begins_with_the_last_piece(channel: Channel[str]) -> None:
    client, loop = Client(), asyncio.get_running_loop()
    came: list[float] = []

    def later() -> None:
        came.append(loop.time())
        assert channel.put(b"a")

    loop.call_later(SILENCE / 2, later)
    assert await channel.flow(client.send, SILENCE) == "silence"
    assert client.got == [b"a"] and loop.time() - came[0] >= SILENCE


@on_the_loop
async def test_the_flow_raises_the_workers_error_after_its_pieces(channel: Channel[str]) -> None:
    client = Client()
    assert channel.put(b"a")
    channel.end(Broken("no vendor"))
    with pytest.raises(Broken, match="no vendor"):
        await channel.flow(client.send, HARD_LIMIT)
    assert client.got == [b"a"]


@on_the_loop
async def test_the_flow_raises_errors_of_sending(channel: Channel[str]) -> None:
    def send(piece: bytes) -> bool:
        raise Broken("the client disconnected")

    flowing = asyncio.create_task(channel.flow(send, HARD_LIMIT))
    await finished(Job(lambda: channel.put(b"a")))
    with pytest.raises(Broken, match="the client disconnected"):
        await flowing


@on_the_loop
async def test_many_channels_cost_one_wake_up(channel: Channel[str], monkeypatch: pytest.MonkeyPatch) -> None:
    wake_ups = counted_wake_ups(monkeypatch)
    client = Client()
    channels: list[Channel[str]] = [Channel(channel._bell) for _ in range(100)]

    def worker() -> None:
        for one in channels:
            assert one.put(b"x")
            one.end()

    flows = [asyncio.create_task(one.flow(client.send, HARD_LIMIT)) for one in channels]
    await asyncio.sleep(0)
    Job(worker).result()  # the loop is busy meanwhile
    assert len(wake_ups) == 1
    assert await asyncio.gather(*flows) == ["end"] * 100
    assert len(client.got) == 100


# -- a whole answer ------------------------------------------------------------------------------------------------


@on_the_loop
async def test_a_whole_answer_wakes_the_loop_once_at_its_end(channel: Channel[str]) -> None:
    waiting = asyncio.ensure_future(channel.head(None))
    await asyncio.sleep(0)
    assert channel.publish(HEAD, b"all of it", whole=True)
    # Every woken reader has its turn before the second of these.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    assert channel.whole() is None, "it has not ended"
    channel.end(over=True)
    assert await waiting == HEAD
    assert (channel.whole(), channel.is_over) == (b"all of it", True)


@pytest.mark.parametrize("error", [None, RuntimeError("broken")], ids=["unfinished", "failed"])
@on_the_loop
async def test_an_unfinished_or_failed_answer_is_not_whole(channel: Channel[str], error: Exception | None) -> None:
    assert channel.publish(HEAD, b"a part of it")
    if error is not None:
        channel.end(error)
    assert channel.whole() is None
    assert await channel.take(HARD_LIMIT) == [b"a part of it"], "no piece was taken"
