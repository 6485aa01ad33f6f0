"""Answers that are not streams: when an answer that only keeps its connection open is given up."""

import itertools
from types import SimpleNamespace

import pytest

from nexus.errors import UpstreamTimeout
from nexus.relay import answer, stream
from nexus.relay.answer import read_whole
from nexus.upstream.request import LocalReply
from tests.laws.kit import new_attempt

BLANKS = [b"\n"] * 30
"""Thirty minutes of them, below."""


@pytest.fixture(autouse=True)
def minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock is half a minute later than the one before."""
    ticks = itertools.count(0, 30)
    clock = SimpleNamespace(monotonic=lambda: float(next(ticks)))
    for module in (answer, stream):
        monkeypatch.setattr(module, "time", clock)


def test_a_vendor_that_only_sends_blank_lines_times_out() -> None:
    """Source: DeepSeek's documentation of its rate limit: an answer that is not a stream begins with empty lines."""
    with pytest.raises(UpstreamTimeout, match="only blank lines for 900 s"):
        read_whole(new_attempt("chat", stream=False), LocalReply(200, {}, BLANKS))


def test_blank_lines_within_an_answer_are_part_of_it() -> None:
    pieces = [*BLANKS[:10], b"{", *BLANKS, b"}"]
    assert read_whole(new_attempt("chat", stream=False), LocalReply(200, {}, pieces)) == b"".join(pieces)
