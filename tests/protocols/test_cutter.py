"""Answers that Nexus cuts for the vendor: the same end however the text is split, and nothing after it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.events import (
    Event,
    Order,
    PartDelta,
    PartEnd,
    PartStart,
    Ping,
    ResponseEnd,
    ResponseStart,
    UsageUpdate,
)
from nexus.conversation.fold import fold
from nexus.conversation.parts import Reasoning, Request, Response, Stop, Text, ToolCall
from nexus.conversation.usage import Usage
from nexus.errors import InvalidRequest
from nexus.protocols.checks import Drops
from nexus.protocols.codec import Cut
from nexus.protocols.cutter import Cutter, cut_for

ESTIMATE = Usage(input=7, output=3)


def cut(events: list[Event], how: Cut) -> tuple[Response, Cutter, list[Event]]:
    cutter, order = Cutter(how, lambda size: ESTIMATE), Order()
    told = [kept for event in events for kept in cutter.feed(event)]
    for event in told:
        order.check(event)
    return fold(told), cutter, told


def stream(*pieces: str, before: tuple[Event, ...] = ()) -> list[Event]:
    first = sum(isinstance(event, PartStart) for event in before)
    return [
        ResponseStart("r", "m"),
        *before,
        PartStart(first, Text("")),
        *(PartDelta(first, piece) for piece in pieces),
        PartEnd(first),
        UsageUpdate(Usage(input=5, output=99)),
        ResponseEnd(Stop("end")),
    ]


CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...], str, str | None]] = {
    "in one piece": (("one STOP two",), ("STOP",), "one ", "STOP"),
    "over two deltas": (("one ST", "OP two"), ("STOP",), "one ", "STOP"),
    "letter by letter": (tuple("one STOP two"), ("STOP",), "one ", "STOP"),
    "almost": (("one ST", "ART"), ("STOP",), "one START", None),
    "almost, then really": (("STSTOP",), ("STOP",), "ST", "STOP"),
    "held to the end": (("one STO",), ("STOP",), "one STO", None),
    "at the start": (("STOP",), ("STOP",), "", "STOP"),
    "the first of two": (("a b c",), ("c", "b"), "a ", "b"),
    "the one that is complete first": (("xabcd",), ("abcd", "bc"), "xa", "bc"),
    "the longer of two that end together": (("xab",), ("b", "ab"), "x", "ab"),
    "lines": (("a\n", "\nb"), ("\n\n",), "a", "\n\n"),
    "no such text": (("all", " of it"), ("STOP",), "all of it", None),
}


@pytest.mark.parametrize("case", CASES)
def test_answers_are_cut_at_stop_sequences(case: str) -> None:
    pieces, stops, words, sequence = CASES[case]
    response, cutter, told = cut(stream(*pieces), Cut(stops))
    assert "".join(part.text for part in response.parts if isinstance(part, Text)) == words
    assert response.stop == (Stop("stop_sequence", sequence) if sequence else Stop("end"))
    assert response.usage == (ESTIMATE if sequence else Usage(input=5, output=99))
    assert cutter.cut == (sequence is not None)
    assert isinstance(told[-1], ResponseEnd)


WORDS = st.text(alphabet="ab", max_size=12)


@given(st.lists(WORDS, max_size=6), st.lists(st.text(alphabet="ab", min_size=1, max_size=4), min_size=1, max_size=3))
def test_the_end_does_not_depend_on_how_text_is_split(pieces: list[str], stops: list[str]) -> None:
    whole, _, _ = cut(stream("".join(pieces)), Cut(tuple(stops)))
    parted, _, told = cut(stream(*pieces), Cut(tuple(stops)))
    assert (whole.parts, whole.stop) == (parted.parts, parted.stop)
    words = "".join(event.text for event in told if isinstance(event, PartDelta))
    assert not any(stop in words for stop in stops)


def test_nothing_follows_the_cut_and_open_parts_are_closed() -> None:
    thought = (PartStart(0, Reasoning("")), PartDelta(0, "STOP"), PartEnd(0))
    call = (PartStart(1, ToolCall("c", "f", "")), PartDelta(1, '{"a": "STOP"}'))
    events = stream("say ST", "OP more", before=(*thought, *call))
    response, _, told = cut([*events[:-3], Ping(), *events[-3:]], Cut(("STOP",)))
    assert [type(part).__name__ for part in response.parts] == ["Reasoning", "ToolCall", "Text"]
    assert response.parts[0] == Reasoning("STOP") and response.stop.sequence == "STOP"
    assert not any(isinstance(event, Ping) for event in told)


@pytest.mark.parametrize(
    ("pieces", "limit", "words", "reason"),
    [
        (("Hello there",), 1, "Hell", "max_tokens"),
        (("He", "llo there"), 1, "Hell", "max_tokens"),
        (("Hell",), 1, "Hell", "end"),
        (("Hello there",), 15, "Hello there", "end"),
        (("Hello there",), 0, "", "max_tokens"),
        ((), 0, "", "max_tokens"),
    ],
)
def test_answers_are_cut_at_limits_below_the_vendors_minimum(
    pieces: tuple[str, ...], limit: int, words: str, reason: str
) -> None:
    response, _, _ = cut(stream(*pieces), Cut(max_tokens=limit))
    assert "".join(part.text for part in response.parts if isinstance(part, Text)) == words
    assert response.stop.reason == reason


@pytest.mark.parametrize("stop", [("a",) * 65, ("a" * 1025,)])
def test_invalid_stop_sequences_are_rejected(stop: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest, match="stop"):
        cut_for(Request(()), stop, Drops())
