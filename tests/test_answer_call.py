"""The text of an answer as the call that was asked for: how it begins decides, and nothing is lost."""

import pytest

from nexus.conversation.events import Event, PartDelta, PartEnd, PartStart, ResponseEnd, ResponseStart
from nexus.conversation.fold import fold, unfold
from nexus.conversation.parts import Citation, Reasoning, Response, Stop, Text, ToolCall
from nexus.protocols.forced_answer import AnswerCall
from tests.protocols.kit import ordered

END, TOOL = Stop("end", raw="end_turn"), Stop("tool_use", raw="end_turn")
CUT = Stop("max_tokens", raw="max_tokens")
CITED = Citation(0, 1, "https://e.org/a")
CALL = ToolCall("new", "f", '{"x": 1}')

ANSWERS: dict[str, tuple[tuple[Text | Reasoning, ...], Stop, tuple[object, ...], Stop]] = {
    "the arguments": ((Text('{"x": 1}'),), END, (CALL,), TOOL),
    "after thinking": ((Reasoning("hm"), Text('{"x": 1}')), END, (Reasoning("hm"), CALL), TOOL),
    "after white space": ((Text("\n\n"), Text(' {"x": 1}')), END, (Text("\n\n"), CALL), TOOL),
    "cut off": ((Text('{"x"'),), CUT, (ToolCall("new", "f", '{"x"'),), CUT),
    "words": ((Text("I cannot do that."),), END, (Text("I cannot do that."),), END),
    "words after the call": ((Text('{"x": 1}'), Text("Done.")), END, (CALL, Text("Done.")), TOOL),
    "cited arguments": ((Text('{"x": 1}', citations=(CITED,)),), END, (CALL,), TOOL),
    "cited white space": ((Text(" ", citations=(CITED,)),), END, (Text(" ", citations=(CITED,)),), END),
    "nothing": ((Text(""),), END, (Text(""),), END),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_whole_answers_become_text_or_calls(case: str) -> None:
    parts, stop, expected, ends = ANSWERS[case]
    maker = AnswerCall("f", lambda: "new")
    events = [made for event in unfold(Response("r", "m", parts, stop)) for made in maker.feed(event)]
    answer = fold(ordered(events))
    assert (answer.parts, answer.stop) == (expected, ends)


def test_a_stream_is_passed_on_as_it_arrives() -> None:
    maker = AnswerCall("f", lambda: "new")
    sent: list[Event] = [
        ResponseStart("r", "m"),
        PartStart(0, Text("")),
        PartDelta(0, " "),
        PartDelta(0, '{"x"'),
        PartDelta(0, ":1}"),
        PartEnd(0),
        ResponseEnd(END),
    ]
    made = [maker.feed(event) for event in sent]
    assert made == [
        [sent[0]],
        [],
        [],
        [PartStart(0, ToolCall("new", "f", "")), PartDelta(0, '{"x"')],
        [PartDelta(0, ":1}")],
        [PartEnd(0)],
        [ResponseEnd(TOOL)],
    ]
