"""Answers, whole and streamed: the same values, in the legal order."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.events import ContentDropped, Event, Order, PartEnd, ResponseEnd, ResponseStart, UsageUpdate
from nexus.conversation.fold import fold
from nexus.conversation.parts import Citation, Image, Inline, Reasoning, Response, Signature, Stop, Text, ToolCall
from nexus.conversation.usage import Usage
from nexus.errors import VendorError
from nexus.protocols.converse.codec import CLIENT
from nexus.protocols.converse.read_stream import StreamReader
from nexus.protocols.converse.stops import READ, read_stop
from nexus.protocols.converse.usage import read_usage
from tests.protocols.kit import answer_from, losses, ordered, origin

from .published import RECORDED, check_output, service, streamed

_20 = Usage(input=14, output=6)
END = Stop("end", raw="end_turn")

EXPECTED: dict[str, tuple[Response, tuple[str, ...]]] = {
    "text": (Response("r", "m", (Text("Grüße, \u2028world ☃"),), END, _20), ()),
    "tools": (
        Response(
            "r",
            "m",
            (Text("Looking."), ToolCall("tooluse_A1", "weather", '{"city":"Åre"}'), ToolCall("tooluse_B2", "time", "")),
            Stop("tool_use", raw="tool_use"),
            _20,
        ),
        (),
    ),
    "reasoning": (
        Response("r", "m", (Reasoning("Let me think.", Signature("converse", "c2lnbmF0dXJl")), Text("42")), END, _20),
        (),
    ),
    "reasoning_unsigned": (
        Response("r", "m", (Reasoning("Hm.", Signature("converse", "")), Text("Yes")), END, _20),
        (),
    ),
    "redacted": (
        Response(
            "r", "m", (Reasoning("", Signature("converse", "b3BhcXVlIGJ5dGVz"), redacted=True), Text("ok")), END, _20
        ),
        (),
    ),
    "citations": (Response("r", "m", (Text("It grew by 3 %."),), END, _20), ("citations.documentPage",)),
    "image_output": (
        Response("r", "m", (Text("Here: "), Image(Inline("image/png", "iVBORw0KGgpzb21lIG1vcmU="))), END, _20),
        (),
    ),
    "web_citations": (
        Response(
            "r",
            "m",
            (
                Text("So: "),
                Text(
                    "It grew by 3 %.",
                    citations=(
                        Citation(0, 15, "https://e.org/a", "A", "as it says"),
                        Citation(0, 15, "https://e.org/s", "S"),
                    ),
                ),
            ),
            END,
            _20,
        ),
        (),
    ),
    "empty": (Response("r", "m", (), END, Usage(input=9)), ()),
    "guardrail": (
        Response(
            "r",
            "m",
            (Text("Sorry, the model cannot answer this question."),),
            Stop("content_filter", raw="guardrail_intervened"),
            Usage(input=3, output=17),
        ),
        (),
    ),
    "cache": (Response("r", "m", (Text("hi"),), Stop("max_tokens", raw="max_tokens"), Usage(4, 1000, 200, 300, 6)), ()),
    "stop_sequence": (Response("r", "m", (Text("one"),), Stop("stop_sequence", "END", "stop_sequence"), _20), ()),
    "server_tool": (Response("r", "m", (Text("found"),), END, _20), ("server_tool_use", "toolResult")),
}


def feed_all(lines: list[tuple[str, Any]]) -> tuple[list[Event], StreamReader]:
    reader = StreamReader(origin())
    events = [event for name, payload in lines for event in reader.feed(name, json.dumps(payload))]
    return events + reader.finish(), reader


def test_every_recorded_answer_has_its_expectation() -> None:
    assert sorted(EXPECTED) == RECORDED.answers


@pytest.mark.parametrize("case", EXPECTED)
def test_fixtures_conform_to_what_aws_publishes(case: str) -> None:
    check_output("ConverseResponse", RECORDED.answer(case))
    members = service().shape_for("ConverseStreamOutput").members
    for event, payload in streamed(case):
        check_output(members[event].name, payload)


@pytest.mark.parametrize("case", EXPECTED)
def test_a_whole_answer_is_read(case: str) -> None:
    events = StreamReader(origin()).read_whole(RECORDED.answer(case))
    assert (fold(events), tuple(losses(events))) == EXPECTED[case]


@pytest.mark.parametrize("case", EXPECTED)
def test_a_stream_folds_into_the_whole_answer(case: str) -> None:
    events, reader = feed_all(streamed(case))
    assert reader.complete
    assert (fold(ordered(events)), tuple(losses(events))) == EXPECTED[case]
    assert events[-2:] == [UsageUpdate(EXPECTED[case][0].usage), ResponseEnd(EXPECTED[case][0].stop)]


def test_open_parts_are_closed_and_events_after_the_end_are_ignored() -> None:
    lines: list[tuple[str, Any]] = [
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "a"}}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}),
        ("metadata", {"usage": {"inputTokens": 9, "outputTokens": 9, "totalTokens": 18}}),
        ("throttlingException", {"message": "too late"}),
    ]
    events, _ = feed_all(lines)
    assert fold(events) == Response("r", "m", (Text("a"),), END, Usage(1, output=1))


def test_a_block_that_changes_its_type_becomes_several_parts() -> None:
    deltas = [{"reasoningContent": {"text": "hm"}}, {"reasoningContent": {"redactedContent": "AAAA"}}, {"text": "so"}]
    lines: list[tuple[str, Any]] = [("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta}) for delta in deltas]
    events, _ = feed_all([*lines, ("messageStop", {"stopReason": "end_turn"})])
    redacted = Reasoning("", Signature("converse", "AAAA"), redacted=True)
    assert fold(events).parts == (Reasoning("hm", Signature("converse", "")), redacted, Text("so"))


def test_unknown_events_are_reported_once() -> None:
    lines: list[tuple[str, Any]] = [
        ("initial-response", {}),
        ("somethingNew", {"a": 1}),
        ("somethingNew", {"a": 2}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"image": {"source": {"bytes": "AAAA"}}}}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"reasoningContent": {"mood": "x"}}}),
    ]
    events, _ = feed_all(lines)
    noticed = [ContentDropped("somethingNew"), ContentDropped("image"), ContentDropped("reasoningContent.mood")]
    assert events == [ResponseStart("r", "m"), *noticed]


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("messageStop", "{"),
        ("messageStop", "[]"),
        ("contentBlockDelta", '{"delta":{"text":"a"}}'),
        ("contentBlockStop", '{"contentBlockIndex":"0"}'),
        ("contentBlockDelta", '{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{"}}}'),
    ],
)
def test_garbage_is_rejected(event: str, data: str) -> None:
    with pytest.raises(ValueError):
        StreamReader(origin()).feed(event, data)


def test_content_after_the_stop_is_rejected() -> None:
    reader = StreamReader(origin())
    reader.feed("messageStop", "{}")
    with pytest.raises(ValueError, match="after messageStop"):
        reader.feed("contentBlockDelta", '{"contentBlockIndex":0,"delta":{"text":"a"}}')


def test_redacted_content_that_is_not_base64_is_rejected() -> None:
    reader = StreamReader(origin())
    deltas = [
        json.dumps({"contentBlockIndex": 0, "delta": {"reasoningContent": {"redactedContent": piece}}})
        for piece in ("AAAA", "=!")
    ]
    reader.feed("contentBlockDelta", deltas[0])
    with pytest.raises(ValueError, match="not base64"):
        reader.feed("contentBlockDelta", deltas[1])


KINDS = {
    "throttlingException": ("rate_limit", 429),
    "modelStreamErrorException": ("upstream", 424),
    "validationException": ("invalid_request", 400),
    "serviceUnavailableException": ("overloaded", 503),
    "internalServerException": ("upstream", 500),
    "modelTimeoutException": ("timeout", 408),
}


def test_every_published_stream_exception_has_a_row() -> None:
    members = service().shape_for("ConverseStreamOutput").members
    published = {name: shape.metadata for name, shape in members.items() if shape.metadata.get("exception")}
    assert set(published) <= set(KINDS)
    for name, metadata in published.items():
        assert metadata["error"]["httpStatusCode"] == KINDS[name][1]


def test_a_stream_error_has_the_models_own_status() -> None:
    data = '{"message":"the model failed","originalStatusCode":429,"originalMessage":"slow down"}'
    with pytest.raises(VendorError) as caught:
        StreamReader(origin()).feed("modelStreamErrorException", data)
    assert (caught.value.kind, caught.value.message) == ("rate_limit", "the model failed (slow down)")


def test_an_unmodelled_error_is_raised() -> None:
    with pytest.raises(VendorError) as caught:
        StreamReader(origin()).feed("error", '{"__type":"InternalFailure","message":"no"}')
    assert (caught.value.kind, caught.value.status, caught.value.message) == ("upstream", 500, "no")
    with pytest.raises(VendorError, match="ended the stream with someNewException"):
        StreamReader(origin()).feed("someNewException", "")


def test_every_published_stop_reason_has_a_row() -> None:
    assert set(READ) == set(service().shape_for("StopReason").enum)


@pytest.mark.parametrize(
    ("wire", "stop"),
    [
        ({"stopReason": "model_context_window_exceeded"}, Stop("context_window", raw="model_context_window_exceeded")),
        ({"stopReason": "malformed_tool_use"}, Stop("unknown", raw="malformed_tool_use")),
        ({"stopReason": "brand_new"}, Stop("unknown", raw="brand_new")),
        ({"stopReason": None}, Stop("unknown")),
        ({}, Stop("unknown")),
    ],
)
def test_stop_reasons_are_read(wire: dict[str, Any], stop: Stop) -> None:
    assert read_stop(wire) == stop


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        ({}, Usage()),
        ({"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}, Usage(3, output=2)),
        (
            {"inputTokens": 3, "outputTokens": 2, "totalTokens": 105, "cacheWriteInputTokens": 100},
            Usage(3, cache_write_5m=100, output=2),
        ),
        (
            {"inputTokens": 120, "outputTokens": 5, "totalTokens": 125, "cacheReadInputTokens": 100},
            Usage(20, cache_read=100, output=5),
        ),
        (
            {"inputTokens": 1, "cacheWriteInputTokens": 5, "cacheDetails": [{"ttl": "1h", "inputTokens": 99}, None]},
            Usage(1, cache_write_1h=5),
        ),
        ({"inputTokens": "3", "outputTokens": -1, "cacheDetails": 7}, Usage()),
    ],
)
def test_usage_is_read(wire: dict[str, Any], usage: Usage) -> None:
    assert read_usage(wire) == usage
    if "totalTokens" in wire:
        assert usage.total == wire["totalTokens"]


def test_a_name_ends_before_the_models_control_tokens() -> None:
    call = {"toolUse": {"toolUseId": "t", "name": "time<|channel|>commentary"}}
    stop = {"stopReason": "tool_use"}
    events, _ = feed_all([("contentBlockStart", {"contentBlockIndex": 0, "start": call}), ("messageStop", stop)])
    whole = answer_from({"output": {"message": {"content": [call]}}, **stop}, StreamReader(origin()))
    assert fold(events).parts == whole.parts == (ToolCall("t", "time", ""),)


def test_a_call_that_names_its_type_is_the_clients() -> None:
    call = {"toolUse": {"toolUseId": "t", "name": "time", "type": "tool_use"}}
    stop = {"stopReason": "tool_use"}
    events, _ = feed_all([("contentBlockStart", {"contentBlockIndex": 0, "start": call}), ("messageStop", stop)])
    message = {"role": "assistant", "content": [call]}
    answered = answer_from({"output": {"message": message}, **stop}, StreamReader(origin()))
    sent_back = CLIENT.read_request({"messages": [message]}).request.messages[0]
    assert fold(events).parts == answered.parts == sent_back.parts == (ToolCall("t", "time", ""),)


def test_malformed_blocks_are_read_leniently() -> None:
    content = [
        {"toolUse": {"toolUseId": "a", "name": "t", "input": "not json"}},
        {"toolUse": {"toolUseId": "b", "name": "t", "input": None}},
        {"image": {"format": "png"}},
        {"reasoningContent": None},
    ]
    events = StreamReader(origin()).read_whole({"output": {"message": {"content": content}}})
    parts = (ToolCall("a", "t", "not json"), ToolCall("b", "t", ""))
    assert (fold(events).parts, tuple(losses(events))) == (parts, ("image",))


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_interleaved_parallel_calls_are_put_back_together(arguments: list[str], chance: random.Random) -> None:
    pending = {}
    for block, argument in enumerate(arguments):
        start = {"contentBlockIndex": block, "start": {"toolUse": {"toolUseId": f"id{block}", "name": f"t{block}"}}}
        deltas = [
            ("contentBlockDelta", {"contentBlockIndex": block, "delta": {"toolUse": {"input": piece}}})
            for piece in ["", *argument]
        ]
        pending[block] = [("contentBlockStart", start), *deltas, ("contentBlockStop", {"contentBlockIndex": block})]
    lines: list[tuple[str, Any]] = []
    while pending:
        block = chance.choice(list(pending))
        lines.append(pending[block].pop(0))
        if not pending[block]:
            del pending[block]
    events, _ = feed_all([*lines, ("messageStop", {"stopReason": "tool_use"})])
    order = Order()
    for event in events:
        order.check(event)
    assert sum(isinstance(event, PartEnd) for event in events) == len(arguments)
    calls = [part for part in fold(events).parts if isinstance(part, ToolCall)]
    assert {call.id: call.arguments for call in calls} == {f"id{n}": text for n, text in enumerate(arguments)}
