"""Streams of events fold into whole answers, and events must be in order.

``fold(unfold(answer)) == answer`` for every answer, and every stream that ``unfold`` makes is in order.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.events import (
    Event,
    IllegalOrder,
    Order,
    PartDelta,
    PartEnd,
    PartStart,
    Ping,
    ResponseEnd,
    ResponseStart,
)
from nexus.conversation.fold import fold, unfold
from nexus.conversation.parts import (
    Citation,
    Image,
    Link,
    Reasoning,
    Refusal,
    Response,
    Signature,
    Stop,
    Text,
    ToolCall,
)
from nexus.conversation.usage import Usage

START = ResponseStart("id", "model")
END = ResponseEnd(Stop("end"))
TEXT = Text("")
SIGNATURE = Signature("messages", "c2VhbA==")

texts = st.text(max_size=8)
signatures = st.none() | st.builds(Signature, st.just("gemini"), texts)
citations = st.builds(Citation, st.integers(0, 9), st.integers(0, 9), texts, texts, texts)
parts = st.one_of(
    st.builds(Text, texts, cache=st.none(), signature=signatures, citations=st.lists(citations, max_size=2).map(tuple)),
    st.builds(Image, st.builds(Link, texts), st.none(), st.none(), signatures),
    st.builds(Reasoning, texts, signatures, st.booleans()),
    st.builds(ToolCall, texts, texts, texts, signatures, st.none()),
    st.builds(Refusal, texts),
)
counts = st.integers(0, 9)
answers = st.builds(
    Response,
    id=texts,
    model=texts,
    parts=st.lists(parts, max_size=4).map(tuple),
    stop=st.builds(Stop, st.sampled_from(["end", "tool_use", "unknown"]), st.none() | texts, st.none() | texts),
    usage=st.builds(Usage, counts, counts, counts, counts, counts, counts),
)


@given(answers)
def test_folding_an_unfolded_answer_returns_it(answer: Response) -> None:
    events = list(unfold(answer))
    order = Order()
    for event in events:
        order.check(event)
    assert fold(events) == answer


@pytest.mark.parametrize(
    ("events", "message"),
    [
        pytest.param([], "no start", id="nothing"),
        pytest.param([END], "no start", id="no start"),
        pytest.param([START, PartStart(0, TEXT), PartEnd(0)], "no end", id="no end"),
        pytest.param(
            [START, PartStart(0, Refusal("")), PartEnd(0, SIGNATURE), END], "no signature", id="a signed refusal"
        ),
    ],
)
def test_incomplete_streams_cannot_be_folded(events: list[Event], message: str) -> None:
    with pytest.raises(IllegalOrder, match=message):
        fold(events)


# -- order ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "message"),
    [
        pytest.param([Ping()], "Ping before the response", id="before the start"),
        pytest.param([END], "ResponseEnd before the response", id="an end without start"),
        pytest.param([START, START], "ResponseStart inside the response", id="two starts"),
        pytest.param([START, END, Ping()], "Ping after the response", id="after the end"),
        pytest.param([START, END, START], "ResponseStart after the response", id="a second response"),
        pytest.param([START, END, END], "ResponseEnd after the response", id="two ends"),
        pytest.param([START, PartStart(1, TEXT)], "part 1 started, expected 0", id="counting from one"),
        pytest.param([START, PartStart(0, TEXT), PartStart(0, TEXT)], "part 0 started, expected 1", id="twice"),
        pytest.param([START, PartStart(0, TEXT), PartEnd(0), PartStart(0, TEXT)], "expected 1", id="again"),
        pytest.param([START, PartDelta(0, "x")], "part 0 is not open", id="a delta without a part"),
        pytest.param([START, PartEnd(0)], "part 0 is not open", id="an end without a part"),
        pytest.param(
            [START, PartStart(0, TEXT), PartEnd(0), PartDelta(0, "x")],
            "not open",
            id="a delta after the end of its part",
        ),
        pytest.param([START, PartStart(0, TEXT), PartEnd(0), PartEnd(0)], "not open", id="ended twice"),
        pytest.param([START, PartStart(0, TEXT), END], r"still open at the end: \[0\]", id="left open"),
    ],
)
def test_illegal_orders_are_rejected(events: list[Event], message: str) -> None:
    order = Order()
    for event in events[:-1]:
        order.check(event)
    with pytest.raises(IllegalOrder, match=message):
        order.check(events[-1])
