"""The timer of a client's connection, in time that the test sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from nexus.errors import ClientError, RequestTimeout
from nexus.server.http.client_stream import ClientStream
from nexus.server.http.clocks import Clocks, PhaseClock

CLOCKS = Clocks(idle=1, upload=5, keep_alive=10, largest_body=100)


class Timer:
    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due, self.callback, self.cancelled = due, callback, False

    def when(self) -> float:
        return self.due

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, due: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(due, callback))
        return self.timers[-1]

    def pass_until(self, now: float) -> None:
        while due := [timer for timer in self.pending if timer.due <= now]:
            timer = min(due, key=Timer.when)
            self.timers.remove(timer)
            self.now = timer.due
            timer.callback()
        self.now = now

    @property
    def pending(self) -> list[Timer]:
        return [timer for timer in self.timers if not timer.cancelled]


class Stream:
    is_greeting = False

    def __init__(self) -> None:
        self.loop, self.last_read = Loop(), 0.0

    def closed(self) -> bool:
        return False


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def late(stream: Stream) -> list[tuple[float, str]]:
    return []


@pytest.fixture
def clock(stream: Stream, late: list[tuple[float, str]]) -> PhaseClock:
    clock = PhaseClock(cast(ClientStream, stream))
    clock.until_head(CLOCKS, report(stream, late))
    return clock


def report(stream: Stream, late: list[tuple[float, str]]) -> Any:
    def told(error: ClientError | None) -> None:
        assert error is None or isinstance(error, RequestTimeout)
        late.append((stream.loop.now, str(error)))

    return told


def test_a_call_may_take_longer_than_any_timeout(stream: Stream, clock: PhaseClock, late: list[Any]) -> None:
    clock.stop()
    stream.loop.pass_until(1000)
    assert late == []


def test_each_request_is_waited_for_in_full(stream: Stream, clock: PhaseClock, late: list[Any]) -> None:
    """Although the timer of an earlier request still runs."""
    stream.loop.pass_until(6)
    clock.stop()
    clock.end()
    clock.until_head(CLOCKS, report(stream, late))
    assert len(stream.loop.timers) == 1, "requests in quick succession share a timer"
    stream.loop.pass_until(100)
    assert late == [(16, "None")]


def test_a_shorter_phase_ends_in_time(stream: Stream, clock: PhaseClock, late: list[Any]) -> None:
    clock.within_head()
    stream.loop.pass_until(100)
    assert late == [(1, "the request headers did not arrive in time")]


def test_a_body_is_waited_for_while_it_arrives(stream: Stream, clock: PhaseClock, late: list[Any]) -> None:
    clock.within_body()
    for second in (0.5, 1.0, 1.5):
        stream.loop.pass_until(second)
        stream.last_read = second
    stream.loop.pass_until(100)
    assert late == [(2.5, "the request body did not arrive in time")]


def test_the_end_of_a_connection_leaves_no_timer(stream: Stream, clock: PhaseClock) -> None:
    clock.close()
    assert stream.loop.pending == []
