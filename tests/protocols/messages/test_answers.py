"""Answers from an Anthropic vendor and answers to a Messages client, whole and streamed."""

import json
from typing import Any

import pytest

from nexus.conversation.events import Event, Ping
from nexus.conversation.fold import fold, unfold
from nexus.conversation.parts import Citation, Reasoning, Refusal, Response, Signature, Stop, StopReason, Text, ToolCall
from nexus.conversation.usage import Usage
from nexus.errors import VendorError
from nexus.protocols.messages.read_stream import StreamReader
from nexus.protocols.messages.stops import read_stop, write_stop
from nexus.protocols.messages.usage import merge_usage, read_usage
from nexus.protocols.messages.write_response import write_response
from nexus.protocols.messages.write_stream import StreamWriter
from tests.protocols.kit import answer_from, envelope, losses, origin

from .kit import RECORDED, accumulated, check_event, check_message, frames, replay

EXPECTED: dict[str, Response] = {
    "text": Response(
        "msg_01XFDUDYJgAACzvnptvVoYEL",
        "claude-opus-5-20260601",
        (Text("Héllo \u2028 world"),),
        Stop("end", raw="end_turn"),
        Usage(input=25, output=15),
    ),
    "cached": Response(
        "msg_01XFDUDYJgAACzvnptvVoYEL",
        "claude-opus-5-20260601",
        (Text("ok"),),
        Stop("max_tokens", raw="max_tokens"),
        Usage(input=3, cache_read=1000, cache_write_5m=20, cache_write_1h=7, output=9),
    ),
    "thinking_and_tools": Response(
        "msg_01XFDUDYJgAACzvnptvVoYEL",
        "claude-opus-5-20260601",
        (
            Reasoning("Let me see.", Signature("messages", "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk")),
            Text("Checking."),
            ToolCall("toolu_01T1x1fJ34qAmk2tNTrN7Up6", "get_weather", '{"city":"San Francisco","n":1}'),
            ToolCall("toolu_02", "now", ""),
        ),
        Stop("tool_use", raw="tool_use"),
        Usage(input=472, output=59, reasoning=30),
    ),
    "redacted_thinking": Response(
        "msg_01XFDUDYJgAACzvnptvVoYEL",
        "claude-opus-5-20260601",
        (
            Reasoning("", Signature("messages", "EmwKAhgBEgy3va3pzix"), redacted=True),
            Reasoning("", Signature("messages", "Eonly")),
            Text("Done."),
        ),
        Stop("stop_sequence", "END", "stop_sequence"),
        Usage(input=9, output=5),
    ),
    "citations": Response(
        "msg_01",
        "claude-opus-5-20260601",
        (
            Text("Größe: "),
            Text(
                "5 m 🎈.",
                citations=(
                    Citation(0, 6, "https://e.org/a", "A", "as it says"),
                    Citation(0, 6, "https://e.org/s", "S", "found"),
                ),
            ),
            Text(" Ende."),
        ),
        Stop("end", raw="end_turn"),
        Usage(input=9, output=7),
    ),
    "server_tools": Response(
        "msg_01XFDUDYJgAACzvnptvVoYEL",
        "claude-opus-5-20260601",
        (Text("Let me search."), Text("Found.", citations=(Citation(0, 6, "https://e.org", "T", "c"),))),
        Stop("pause", raw="pause_turn"),
        Usage(input=9, output=7),
    ),
    "refused": Response(
        "msg_01XFDUDYJgAACzvnptvVoYEL",
        "claude-opus-5-20260601",
        (Refusal("no"),),
        Stop("content_filter", raw="refusal"),
        Usage(input=9, output=3),
    ),
    "unknown": Response(
        "msg_01XFDUDYJgAACzvnptvVoYEL",
        "claude-opus-5-20260601",
        (Text("a"), Text("bc")),
        Stop("unknown", raw="new_reason"),
        Usage(input=9, output=3),
    ),
    "compatible": Response(
        "m1", "k", (ToolCall("t", "f", '{"x":1}'), Text("left open")), Stop("tool_use", raw="tool_use")
    ),
}

DROPPED = {
    "citations": {"citations.char_location"},
    "server_tools": {"server_tool_use", "web_search_tool_result"},
    "refused": {"stop_details.category"},
    "unknown": {"hologram", "sparkle_delta"},
}


def test_every_recorded_answer_has_its_expectation() -> None:
    assert set(RECORDED.streams) == set(EXPECTED)
    assert set(RECORDED.answers) == set(EXPECTED) - {"unknown"}


@pytest.mark.parametrize("case", RECORDED.streams)
def test_a_stream_is_read(case: str) -> None:
    events, reader = replay(case)
    assert reader.complete
    assert fold(events) == EXPECTED[case]
    assert set(losses(events)) == DROPPED.get(case, set())


@pytest.mark.parametrize("case", RECORDED.answers)
def test_a_whole_answer_is_read(case: str) -> None:
    events = StreamReader(origin()).read_whole(RECORDED.answer(case))
    assert fold(events) == EXPECTED[case]
    assert set(losses(events)) == DROPPED.get(case, set())


def test_events_after_the_end_are_ignored() -> None:
    _, reader = replay("text")
    assert reader.feed("message_start", '{"type":"message_start","message":{}}') == []


@pytest.mark.parametrize("named", ['"type":"error",', ""], ids=["typed", "as compatible servers write it"])
def test_an_error_in_the_stream_is_raised(named: str) -> None:
    reader = StreamReader(origin())
    with pytest.raises(VendorError) as failure:
        reader.feed(None, f'{{{named}"error":{{"type":"overloaded_error","message":"Busy"}},"request_id":"r"}}')
    error = failure.value.failure
    assert (error.kind, error.status, error.message, error.request_id) == ("overloaded", 529, "Busy", "r")


GARBAGE = [
    ["{"],
    ["[]"],
    ['{"type":"message_start"}', '{"type":"content_block_stop"}'],
    [
        '{"type":"message_start"}',
        '{"type":"content_block_start","index":0,"content_block":{"type":"text"}}',
        '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{"}}',
    ],
]


@pytest.mark.parametrize("data", GARBAGE)
def test_garbage_is_rejected(data: list[str]) -> None:
    reader = StreamReader(origin())
    for line in data[:-1]:
        reader.feed(None, line)
    with pytest.raises(ValueError):
        reader.feed(None, data[-1])


def test_a_ping_before_the_start_is_ignored() -> None:
    reader = StreamReader(origin())
    assert reader.feed("ping", '{"type":"ping"}') == []
    reader.feed(None, '{"type":"message_start"}')
    assert reader.feed("ping", '{"type":"ping"}') == [Ping()]


@pytest.mark.parametrize("body", [{"content": []}, {"content": [None, 1, {}]}])
def test_empty_answers_are_accepted(body: dict[str, Any]) -> None:
    assert answer_from(body, StreamReader(origin())).parts == ()


# --- to a client -----------------------------------------------------------------------------------------------------


def write_stream(events: list[Event], id: str = "chatcmpl-1") -> bytes:
    writer = StreamWriter(envelope(id=id, model="asked"))
    return b"".join(map(writer.write, events))


def assembled(raw: bytes) -> dict[str, Any]:
    """The message that a client assembles of events that its SDK knows."""
    told = frames(raw)
    for name, data in told:
        check_event(name, data)
    return accumulated(told).to_dict()


SIGNED = Text("done", signature=Signature("gemini", "s3"))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_signed_text_is_the_only_block_of_its_answer(streamed: bool) -> None:
    """Programs read the text of an answer from its first block or its last."""
    response = Response("x", "m", (SIGNED,), Stop("end"))
    if streamed:
        content = assembled(write_stream(list(unfold(response))))["content"]
    else:
        content = write_response(response, envelope())["content"]
    assert content == [{"type": "text", "text": "done"}]


def test_a_refusal_becomes_text_and_a_stop_reason() -> None:
    response = Response("x", "m", (Refusal("no"),), Stop("refusal"))
    body = write_response(response, envelope())
    check_message(body)
    assert (body["stop_reason"], body["content"]) == ("refusal", [{"type": "text", "text": "no"}])
    assert assembled(write_stream(list(unfold(response))))["stop_reason"] == "refusal"


def test_iterations_that_the_counts_leave_out_are_added() -> None:
    def iteration(kind: str, sent: int, answered: int) -> dict[str, Any]:
        return {"type": kind, "input_tokens": sent, "cache_read_input_tokens": 1, "output_tokens": answered}

    sent = [iteration("compaction", 180, 35), iteration("message", 23, 10), iteration("advisor_message", 8, 4)]
    delta = {"input_tokens": 23, "output_tokens": 10, "iterations": sent}
    assert read_usage(merge_usage({"input_tokens": 23, "cache_read_input_tokens": 1}, delta)) == Usage(
        211, 3, output=49
    )


REASONS: dict[StopReason, str] = {
    "end": "end_turn",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "refusal": "refusal",
    "content_filter": "refusal",
    "pause": "pause_turn",
    "context_window": "model_context_window_exceeded",
}


@pytest.mark.parametrize("reason", REASONS)
def test_stop_reasons_are_read_and_written(reason: StopReason) -> None:
    assert write_stop(Stop(reason)) == {"stop_reason": REASONS[reason], "stop_sequence": None}
    if reason != "content_filter":
        assert read_stop({"stop_reason": REASONS[reason]}).reason == reason


def test_an_unknown_stop_reason_is_kept_and_written_as_the_nearest_published_one() -> None:
    assert read_stop({"stop_reason": "odd"}) == Stop("unknown", raw="odd")
    assert read_stop({}) == Stop("end")
    nearest = {"stop_reason": "max_tokens", "stop_sequence": None}
    assert write_stop(Stop("unknown")) == nearest
    assert write_stop(Stop("unknown", raw="MALFORMED")) == nearest | {"native_finish_reason": "MALFORMED"}


def test_invalid_json_arguments_are_kept_whole() -> None:
    body = write_response(Response("x", "m", (ToolCall("a", "f", '{"x":'),), Stop("tool_use")), envelope())
    check_message(body)
    assert body["content"][0]["input"] == {"invalid_json": '{"x":'}


@pytest.mark.parametrize(
    ("start", "delta", "parts"),
    [
        # DashScope; Kimi and QwenCloud, which report the input without the cached tokens.
        ({"input_tokens": 3602}, {"cache_read_input_tokens": 3000, "output_tokens": 8}, (602, 3000, 8)),
        ({"input_tokens": 3602}, {"cache_read_input_tokens": 3604, "output_tokens": 8}, (0, 3604, 8)),
        (
            {"input_tokens": 9, "cache_read_input_tokens": 0},
            {"input_tokens": 2, "cache_read_input_tokens": 7},
            (2, 7, 0),
        ),
        # Anthropic.
        ({"input_tokens": 9, "cache_read_input_tokens": 5}, {"cache_read_input_tokens": 5}, (9, 5, 0)),
        ({"input_tokens": 9, "cache_read_input_tokens": 0}, {"output_tokens": 3}, (9, 0, 3)),
        # Servers that count only what the event adds.
        (
            {"input_tokens": 9, "cache_read_input_tokens": 5},
            {"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 3},
            (9, 5, 3),
        ),
        ({"input_tokens": 9}, {"input_tokens": 0, "cache_read_input_tokens": 9, "output_tokens": 3}, (0, 9, 3)),
    ],
)
def test_a_cache_reported_only_at_the_end_is_not_counted_twice(
    start: dict[str, Any], delta: dict[str, Any], parts: tuple[int, int, int]
) -> None:
    usage = read_usage(merge_usage(start, delta))
    assert (usage.input, usage.cache_read, usage.output) == parts


def test_arguments_as_json_text_are_not_lost() -> None:
    block = {"type": "tool_use", "id": "a", "name": "f", "input": '{"city":"Paris"}'}
    (call,) = answer_from({"content": [block], "stop_reason": "tool_use"}, StreamReader(origin())).parts
    assert isinstance(call, ToolCall) and call.arguments == '{"city":"Paris"}'


def test_an_answer_that_its_start_contains_is_read() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
    message = {"id": "msg_1", "content": [{"type": "text", "text": "So:"}, call], "stop_reason": "tool_use"}
    reader = StreamReader(origin())
    begun = reader.feed("message_start", json.dumps({"type": "message_start", "message": message}))
    answer = fold([*begun, *reader.feed("message_stop", '{"type":"message_stop"}')])
    assert answer.parts == (Text("So:"), ToolCall("toolu_1", "f", '{"a":1}'))
    assert answer.stop == Stop("tool_use", raw="tool_use")
