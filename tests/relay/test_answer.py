"""Answers that are not streams: when one that does not end is given up, and how much of it is held."""

import itertools
from types import SimpleNamespace

import pytest

from nexus.dataclasses import replace
from nexus.errors import Overloaded, UpstreamTimeout
from nexus.relay import answer, stream
from nexus.relay.answer import HELD, read_whole
from nexus.server.in_flight import BytesInFlight, Load
from nexus.upstream.request import LocalReply
from tests.laws.kit import new_attempt

PIECE = b"x" * (HELD // 4)

TRICKLES = {
    # Source: DeepSeek's documentation of its rate limit: an answer that is not a stream begins with empty lines.
    "blank lines": [b"\n"] * 30,
    "letters": [b"{", *[b" "] * 30],
}


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock is half a minute later than the one before."""
    ticks = itertools.count(0, 30)
    clock = SimpleNamespace(monotonic=lambda: float(next(ticks)))
    for module in (answer, stream):
        monkeypatch.setattr(module, "time", clock)


@pytest.mark.parametrize("pieces", TRICKLES.values(), ids=TRICKLES.keys())
def test_an_answer_that_trickles_times_out(minutes: None, pieces: list[bytes]) -> None:
    with pytest.raises(UpstreamTimeout, match="no complete answer within 900 s"):
        read_whole(new_attempt("chat", stream=False), LocalReply(200, {}, pieces))


def test_a_slow_answer_is_read_to_its_end(minutes: None) -> None:
    pieces = [*[b"\n"] * 8, b"{", b"}"]
    assert read_whole(new_attempt("chat", stream=False), LocalReply(200, {}, pieces)) == b"".join(pieces)


def held(status: int, pieces: int, others: int = 0, limit: int = 10 * HELD) -> tuple[int, int]:
    """The bytes that were read of an answer, and those counted in flight, beside ``others``."""
    flight = BytesInFlight(limit)
    flight.used = others
    one = new_attempt("chat", stream=False)
    one.state.call = replace(one.call, hold=Load(flight).hold)
    body = read_whole(one, LocalReply(status, {}, [PIECE] * pieces))
    return len(body), flight.used - others


def test_a_large_answer_counts_in_flight() -> None:
    assert held(200, pieces=4) == (HELD, 0)
    assert held(200, pieces=8) == (2 * HELD, 2 * HELD)


def test_a_large_answer_that_has_no_room_is_refused_unless_it_is_alone() -> None:
    with pytest.raises(Overloaded, match="the answer is too large beside what else is in flight"):
        held(200, pieces=8, others=HELD, limit=2 * HELD)
    assert held(200, pieces=8, limit=HELD) == (2 * HELD, 2 * HELD)


def test_only_the_beginning_of_an_error_is_read() -> None:
    assert held(500, pieces=100) == (HELD + len(PIECE), 0)
