"""What holds after every reader: distinct ids, whole characters, fitting stop reasons; and the same in histories."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.events import Event, Order, PartDelta, PartEnd, PartStart, ResponseEnd, ResponseStart
from nexus.conversation.parts import Message, Refusal, Request, Stop, StopReason, StreamPart, Text, ToolCall, ToolResult
from nexus.protocols.tidy import Tidy, with_distinct_calls
from nexus.wire import decode, decode_delta, encode


def tidied(events: list[Event]) -> list[Event]:
    numbers = itertools.count(1)
    tidy, order = Tidy(lambda: f"new_{next(numbers)}"), Order()
    out = [passed for event in events for passed in tidy.feed(event)]
    for event in out:
        order.check(event)
    return out


def said(pieces: list[str]) -> str:
    events: list[Event] = [ResponseStart("r", "m"), PartStart(0, Text(""))]
    events += [PartDelta(0, piece) for piece in pieces]
    out = tidied([*events, PartEnd(0), ResponseEnd(Stop("end"))])
    return "".join(event.text for event in out if isinstance(event, PartDelta))


HALVES = {
    "a pair over two deltas": (["a \ud83d", "\ude00 b"], "a \U0001f600 b"),
    "a pair over three, one empty": (["a \ud83d", "", "\ude00"], "a \U0001f600"),
    "a first half alone": (["a \ud83d", "b"], "a \ufffdb"),
    "a first half at the end": (["a \ud83d"], "a \ufffd"),
    "a second half alone": (["\ude00 b"], "\ufffd b"),
    "two first halves": (["\ud83d", "\ud83d", "\ude00"], "\ufffd\U0001f600"),
    "already whole": (["\U0001f600"], "\U0001f600"),
}


@pytest.mark.parametrize(("pieces", "whole"), HALVES.values(), ids=HALVES.keys())
def test_characters_are_whole(pieces: list[str], whole: str) -> None:
    assert said(pieces) == whole


@given(st.text(alphabet=st.sampled_from(["a", "\U0001f600", "\u00e9", "\U0001f468"]), max_size=6), st.data())
def test_characters_are_whole_however_the_vendor_splits_them(text: str, data: st.DataObject) -> None:
    units = text.encode("utf-16-le")
    halves = [units[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(units), 2)]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(halves)))))
    pieces = ["".join(halves[a:b]) for a, b in itertools.pairwise([0, *cuts, len(halves)])]
    assert said(pieces) == text


def calls(*ids: str) -> list[str]:
    events: list[Event] = [ResponseStart("r", "m")]
    for index, call_id in enumerate(ids):
        events += [PartStart(index, ToolCall(call_id, "t", "{}")), PartEnd(index)]
    out = tidied([*events, ResponseEnd(Stop("tool_use"))])
    return [event.part.id for event in out if isinstance(event, PartStart) and isinstance(event.part, ToolCall)]


CALL = ToolCall("a", "t", "{}")


def test_a_repeated_id_is_replaced_and_a_missing_one_generated() -> None:
    assert calls("a", "b", "a", "", "a") == ["a", "b", "new_1", "new_2", "new_3"]


@pytest.mark.parametrize(
    ("reason", "parts", "fitting"),
    [
        ("end", (CALL,), "tool_use"),
        ("end", (Refusal("no"),), "refusal"),
        ("end", (Refusal("no"), CALL), "tool_use"),
        ("tool_use", (Text("x"),), "end"),
        ("end", (Text("x"),), "end"),
        ("tool_use", (CALL,), "tool_use"),
        ("max_tokens", (CALL,), "max_tokens"),
        ("content_filter", (CALL,), "content_filter"),
        ("content_filter", (Refusal("no"),), "content_filter"),
        ("unknown", (CALL,), "unknown"),
    ],
)
def test_a_stop_reason_fits_the_content(reason: StopReason, parts: tuple[StreamPart, ...], fitting: StopReason) -> None:
    held = (event for at, part in enumerate(parts) for event in (PartStart(at, part), PartEnd(at)))
    out = tidied([ResponseStart("r", "m"), *held, ResponseEnd(Stop(reason, raw="their_word"))])
    assert out[-1] == ResponseEnd(Stop(fitting, raw="their_word"))


def history(*parts: ToolCall | ToolResult) -> Request:
    return Request(tuple(Message("assistant" if isinstance(p, ToolCall) else "user", (p,)) for p in parts))


def ids(request: Request) -> list[str]:
    parts = [part for message in request.messages for part in message.parts]
    return [str(getattr(part, "id", None) or getattr(part, "call_id", "")) for part in parts]


def call(call_id: str) -> ToolCall:
    return ToolCall(call_id, "t", "{}")


HISTORIES = {
    "two of one turn": ((call("a"), call("a"), ToolResult("a"), ToolResult("a")), ["a", "a_2", "a", "a_2"]),
    "two turns": ((call("a"), ToolResult("a"), call("a"), ToolResult("a")), ["a", "a", "a_2", "a_2"]),
    "other ids are kept": (
        (call("a"), call("b"), call("a"), ToolResult("b"), ToolResult("a"), ToolResult("a")),
        ["a", "b", "a_2", "b", "a", "a_2"],
    ),
    "an extra result": (
        (call("a"), call("a"), ToolResult("a"), ToolResult("a"), ToolResult("a")),
        ["a", "a_2", "a", "a_2", "a_2"],
    ),
    "an id that a numbered one would repeat": (
        (call("a"), call("a"), call("a_2"), ToolResult("a"), ToolResult("a"), ToolResult("a_2")),
        ["a", "a_2_", "a_2", "a", "a_2_", "a_2"],
    ),
    "no repeated id": ((call("a"), ToolResult("a")), ["a", "a"]),
}


@pytest.mark.parametrize(("parts", "told"), HISTORIES.values(), ids=HISTORIES.keys())
def test_the_nth_result_answers_the_nth_call(parts: tuple[ToolCall | ToolResult, ...], told: list[str]) -> None:
    assert ids(with_distinct_calls(history(*parts))) == told


# -- JSON ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'"a \\ud83d"', "a \ufffd"),
        (b'{"\\ude00": ["\\ud83d\\ude00"]}', {"\ufffd": ["\U0001f600"]}),
        (b'["\\\\ud83d"]', ["\\ud83d"]),
        ('{"a": "\ud83d\ude00"}', {"a": "\U0001f600"}),
        ('["\ude00"]', ["\ufffd"]),
    ],
)
def test_lone_surrogates_in_a_body_are_replaced(raw: bytes | str, value: object) -> None:
    assert decode(raw) == value
    assert decode(encode(decode(raw))) == value


def test_lone_surrogates_in_a_delta_are_kept() -> None:
    assert decode_delta(b'{"content":"a \\ud83d"}') == {"content": "a \ud83d"}


_DEEP = [b"[" * depth + b'"\\ud83d"' + b"]" * depth for depth in (300, 900)]


@pytest.mark.parametrize(
    "raw", ['["\ude00"', b'{"a": NaN}', b'["\\ud83d", NaN]', b'["\\ud83d"', b"\xff", b"[" * 100_000, *_DEEP]
)
def test_invalid_json_is_rejected(raw: bytes | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(raw)


def test_infinite_numbers_are_written_as_null() -> None:
    assert decode(encode(decode(b'{"a": 1e999, "b": [-1e999]}'))) == {"a": None, "b": [None]}
