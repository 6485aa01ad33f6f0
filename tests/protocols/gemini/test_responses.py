"""Answers, whole and streamed, and their expected meaning."""

import json

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.events import PartEnd, PartStart, ResponseEnd, ResponseStart, UsageUpdate
from nexus.conversation.fold import fold
from nexus.conversation.parts import (
    Citation,
    Image,
    Inline,
    Reasoning,
    Refusal,
    Response,
    Signature,
    Stop,
    Text,
    ToolCall,
)
from nexus.conversation.usage import Usage
from nexus.errors import VendorError
from nexus.protocols.gemini.read_stream import StreamReader
from nexus.protocols.gemini.stops import READ, read_stop
from nexus.protocols.gemini.usage import read_usage
from nexus.wire import Json
from tests.protocols.kit import events_from, losses, ordered, origin

from .kit import RECORDED

SIG = "CiQB0e2Kb2Zha2Utc2lnbmF0dXJlLW9uZQ=="
OWN = Signature("gemini", "")
FLASH = "gemini-3.8-flash"

EXPECTED: dict[str, tuple[Response, tuple[str, ...]]] = {
    "text": (
        Response(
            "resp-1",
            "gemini-2.5-flash",
            (Text("Grüße aus 東京 - line\u2028two."),),
            Stop("end", raw="STOP"),
            Usage(input=8, output=9),
        ),
        (),
    ),
    "thinking": (
        Response(
            "resp-1",
            FLASH,
            (Reasoning("**Counting** the letters.", OWN), Text("Three.", signature=Signature("gemini", SIG))),
            Stop("end", raw="STOP"),
            Usage(input=4, cache_read=16, output=3, reasoning=41),
        ),
        (),
    ),
    "tools": (
        Response(
            "resp-1",
            FLASH,
            (
                Reasoning("Looking up.", OWN),
                Text("One moment."),
                ToolCall("fc_1", "get_weather", '{"city":"Paris"}', Signature("gemini", SIG)),
                ToolCall("fc_2", "get_weather", '{"city":"Rome","days":[1,2]}'),
                ToolCall("fc_3", "now", "{}"),
            ),
            Stop("end", raw="STOP"),
            Usage(input=100, output=30, reasoning=12),
        ),
        (),
    ),
    "tools_without_ids": (
        Response(
            "resp-1",
            "gemini-2.0-flash",
            (ToolCall("call_1", "get_weather", '{"city":"Paris"}'), ToolCall("call_2", "now", "{}")),
            Stop("end", raw="STOP"),
            Usage(input=50, output=10),
        ),
        (),
    ),
    "blocked": (Response("resp-1", FLASH, (), Stop("content_filter", raw="PROHIBITED_CONTENT"), Usage(input=7)), ()),
    "safety": (
        Response("resp-1", FLASH, (Text("It begins"),), Stop("content_filter", raw="SAFETY"), Usage(input=7, output=2)),
        (),
    ),
    "max_tokens": (
        Response("resp-1", FLASH, (), Stop("max_tokens", raw="MAX_TOKENS"), Usage(input=7, reasoning=64)),
        (),
    ),
    "server_tools": (
        Response(
            "resp-1",
            FLASH,
            (
                Text(
                    "Let me compute. It is 42.",
                    citations=(
                        Citation(0, 4, "https://example.com/b"),
                        Citation(0, 25, "https://example.com/a", "example.com"),
                    ),
                ),
            ),
            Stop("end", raw="STOP"),
            Usage(input=44, output=9),
        ),
        ("executableCode", "codeExecutionResult", "groundingMetadata.webSearchQueries"),
    ),
    "grounding": (
        Response(
            "resp-1",
            FLASH,
            (
                Text(
                    "Größe 🎈: 5 m. Gewicht: 3 kg.",
                    signature=Signature("gemini", "CiQB0e2Kb2Zha2Utc2lnbmF0dXJlLXR3bw=="),
                    citations=(
                        Citation(6, 13, "https://e.org/a", "A"),
                        Citation(6, 13, "https://e.org/b", "B"),
                        Citation(14, 28, "https://e.org/b", "B"),
                    ),
                ),
            ),
            Stop("end", raw="STOP"),
            Usage(input=7, output=9),
        ),
        (
            "groundingMetadata.webSearchQueries",
            "groundingMetadata.searchEntryPoint",
            "groundingMetadata.groundingChunks",
        ),
    ),
    "image_output": (
        Response(
            "resp-1",
            "gemini-3-pro-image",
            (
                Text("Here: "),
                Image(
                    Inline("image/png", "aGVsbG8="),
                    signature=Signature("gemini", "CiQB0e2Kb2Zha2Utc2lnbmF0dXJlLXR3bw=="),
                ),
            ),
            Stop("end", raw="STOP"),
            Usage(input=5, output=1290),
        ),
        (),
    ),
    "usage_last": (Response("resp-1", FLASH, (Text("Hi."),), Stop("end", raw="STOP"), Usage(input=4, output=2)), ()),
    "malformed_call": (
        Response(
            "resp-1", FLASH, (Text("Let me look."),), Stop("unknown", raw="MALFORMED_FUNCTION_CALL"), Usage(input=9)
        ),
        ("finishMessage",),
    ),
}


def reader() -> StreamReader:
    return StreamReader(origin())


def piece(**body: object) -> str:
    return json.dumps(body)


def parts(*wire: object, finish: str | None = "STOP") -> str:
    candidate: dict[str, object] = {"content": {"role": "model", "parts": wire}}
    if finish:
        candidate["finishReason"] = finish
    return piece(candidates=[candidate])


def test_every_recorded_answer_has_its_expectation() -> None:
    assert sorted(EXPECTED) == RECORDED.answers
    assert sorted([*EXPECTED, "cut"]) == RECORDED.streams


@pytest.mark.parametrize("case", EXPECTED)
def test_fixtures_conform_to_what_google_publishes(case: str) -> None:
    types.GenerateContentResponse.model_validate(RECORDED.answer(case))
    for line in RECORDED.stream(case).decode().split("\n"):
        if line.strip():
            types.GenerateContentResponse.model_validate_json(line.strip().removeprefix("data: "))


@pytest.mark.parametrize("case", EXPECTED)
def test_a_whole_answer_is_read(case: str) -> None:
    response, dropped = EXPECTED[case]
    events = StreamReader(origin()).read_whole(RECORDED.answer(case))
    assert fold(events) == response
    assert tuple(losses(events)) == dropped


@pytest.mark.parametrize("case", EXPECTED)
def test_a_stream_is_read(case: str) -> None:
    response, dropped = EXPECTED[case]
    one = reader()
    events = events_from(RECORDED.stream(case), one)
    assert one.complete
    assert fold(events) == response
    assert tuple(losses(events)) == dropped


def test_a_truncated_stream_has_no_end() -> None:
    one = reader()
    events = events_from(RECORDED.stream("cut"), one)
    assert not one.complete
    assert not any(isinstance(event, ResponseEnd) for event in events)
    assert fold([*events, ResponseEnd(Stop("unknown"))]).parts == (Text("Half a "),)


def test_usage_is_reported_at_the_start_and_updated() -> None:
    events = events_from(RECORDED.stream("text"), reader())
    assert isinstance(events[0], ResponseStart)
    assert events[0].usage == Usage(input=8, output=2)
    assert [event.usage.output for event in events if isinstance(event, UsageUpdate)] == [6, 9]


def test_a_signature_ends_its_text_part() -> None:
    one = reader()
    events = one.feed(None, parts({"text": "a", "thoughtSignature": SIG}, {"text": "b"})) + one.finish()
    assert fold(ordered(events)).parts == (Text("a", signature=Signature("gemini", SIG)), Text("b"))


def test_a_signature_after_a_thought_signs_it() -> None:
    one = reader()
    events = one.feed(
        None, parts({"text": "hm", "thought": True}, {"text": "", "thought": True, "thoughtSignature": SIG})
    )
    assert fold(ordered(events + one.finish())).parts == (Reasoning("hm", Signature("gemini", SIG)),)


def test_a_signature_after_a_call_gets_its_own_part() -> None:
    one = reader()
    events = one.feed(None, parts({"functionCall": {"name": "f"}}, {"text": "", "thoughtSignature": SIG}))
    assert fold(ordered(events + one.finish())).parts == (
        ToolCall("call_1", "f", "{}"),
        Text("", signature=Signature("gemini", SIG)),
    )


def test_a_signature_without_text_signs_the_part_before_it() -> None:
    one = reader()
    events = one.feed(None, parts({"text": "a"}, {"thoughtSignature": SIG}))
    assert fold(ordered(events + one.finish())).parts == (Text("a", signature=Signature("gemini", SIG)),)


def test_calls_arrive_complete() -> None:
    one = reader()
    events = one.feed(None, parts({"functionCall": {"name": "f", "args": {"a": 1}, "id": "x"}}))
    assert events[1:] == [PartStart(0, ToolCall("x", "f", '{"a":1}')), PartEnd(0)]


@pytest.mark.parametrize(
    "body",
    [
        {"candidates": None},
        {"candidates": []},
        {"candidates": [{}]},
        {"candidates": [None]},
        {"candidates": [{"content": None}]},
        {"candidates": [{"content": {"parts": None}}]},
        {"candidates": [{"content": {"parts": [{}, None, {"text": None}, {"functionCall": None}]}}]},
        {"usageMetadata": {"promptTokenCount": "many", "totalTokenCount": None}, "promptFeedback": {}},
    ],
)
def test_empty_answers_are_accepted(body: dict[str, object]) -> None:
    events = StreamReader(origin()).read_whole(body)
    assert (fold(events).parts, tuple(losses(events))) == ((), ())
    assert fold(events).stop == Stop("unknown")


@pytest.mark.parametrize("frame", ['{"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}'])
@pytest.mark.parametrize("form", ["%s", "[%s]", "[\n%s\n]\n"])
def test_errors_in_the_stream_are_raised(frame: str, form: str) -> None:
    one = reader()
    one.feed(None, parts({"text": "a"}, finish=None))
    with pytest.raises(VendorError) as caught:
        one.feed(None, form % frame)
    assert (caught.value.kind, caught.value.status, caught.value.message) == ("overloaded", 503, "m")
    assert not one.complete


@pytest.mark.parametrize("data", ["no", '"text"', "7", "[1]", '{"a": NaN}', "null"])
def test_garbage_is_rejected(data: str) -> None:
    with pytest.raises(ValueError):
        reader().feed(None, data)


def test_arguments_in_pieces_are_rejected() -> None:
    with pytest.raises(ValueError):
        reader().feed(None, parts({"functionCall": {"name": "f", "willContinue": True}}))


@pytest.mark.parametrize("data", [" ", "[DONE]"])
def test_a_frame_without_an_answer_is_ignored(data: str) -> None:
    """Some compatible servers end every stream as OpenAI does."""
    assert reader().feed(None, data) == []


def test_every_published_stop_reason_has_a_row() -> None:
    assert READ.keys() == {reason.value for reason in types.FinishReason}


@pytest.mark.parametrize("reason", sorted(READ))
def test_stop_reasons_are_read(reason: str) -> None:
    wire = {"finishReason": reason}
    assert read_stop(wire) == Stop(READ[reason], raw=reason)


def test_an_unknown_stop_reason_stays_unknown() -> None:
    assert read_stop({"finishReason": "NEW_REASON"}) == Stop("unknown", raw="NEW_REASON")
    assert read_stop({}) == Stop("unknown")


@pytest.mark.parametrize("reason", [reason.value for reason in types.BlockedReason] + ["NEW"])
def test_block_reasons_are_content_filter_stops(reason: str) -> None:
    assert read_stop({"blockReason": reason}) == Stop("content_filter", raw=reason)


USAGES: dict[str, tuple[dict[str, int], Usage]] = {
    "plain": ({"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 8}, Usage(input=5, output=3)),
    "cached": (
        {"promptTokenCount": 5, "cachedContentTokenCount": 4, "candidatesTokenCount": 1, "totalTokenCount": 6},
        Usage(input=1, cache_read=4, output=1),
    ),
    "tool results": ({"promptTokenCount": 5, "toolUsePromptTokenCount": 6, "totalTokenCount": 11}, Usage(input=11)),
    "thoughts not itemised": (
        {"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 20},
        Usage(input=5, output=15),
    ),
    "thoughts counted twice": (
        {"promptTokenCount": 5, "candidatesTokenCount": 10, "thoughtsTokenCount": 7, "totalTokenCount": 15},
        Usage(input=5, output=3, reasoning=7),
    ),
    "no total": ({"promptTokenCount": 5, "candidatesTokenCount": 3}, Usage(input=5, output=3)),
    "more cached tokens than prompt tokens": (
        {"promptTokenCount": 5, "cachedContentTokenCount": 9},
        Usage(cache_read=5),
    ),
    "nothing": ({}, Usage()),
}


@pytest.mark.parametrize("case", sorted(USAGES))
def test_usage_is_read(case: str) -> None:
    metadata, usage = USAGES[case]
    assert read_usage(metadata) == usage


counts = st.integers(0, 10_000)


@given(counts, counts, counts, counts, counts)
def test_usage_adds_up_to_the_total(prompt: int, cached: int, tool: int, output: int, thoughts: int) -> None:
    total = prompt + tool + output + thoughts
    usage = read_usage(
        {
            "promptTokenCount": prompt,
            "cachedContentTokenCount": min(cached, prompt),
            "toolUsePromptTokenCount": tool,
            "candidatesTokenCount": output,
            "thoughtsTokenCount": thoughts,
            "totalTokenCount": total,
        }
    )
    assert usage.total == total
    assert (usage.output, usage.reasoning) == (output, thoughts)


FAILED = ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"]


@pytest.mark.parametrize("reason", FAILED)
def test_a_failure_before_any_content_is_an_error(reason: str) -> None:
    candidate = {"content": {"parts": []}, "finishReason": reason, "finishMessage": "Malformed function call: x("}
    body = {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 9}}
    with pytest.raises(VendorError, match="Malformed function call") as caught:
        StreamReader(origin()).read_whole(body)
    assert caught.value.kind == "upstream"
    with pytest.raises(VendorError):
        reader().feed(None, json.dumps(body))


STOPPED: dict[str, dict[str, Json]] = {
    "SAFETY": {"candidates": [{"finishReason": "SAFETY", "finishMessage": "The text broke a rule."}]},
    "OTHER": {"promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": "The text broke a rule."}},
}


@pytest.mark.parametrize("reason", STOPPED)
def test_googles_reason_for_stopping_becomes_a_refusal(reason: str) -> None:
    events = StreamReader(origin()).read_whole(STOPPED[reason])
    assert fold(events).parts == (Refusal("The text broke a rule."),)
    assert fold(events).stop == Stop("content_filter", raw=reason)
    assert losses(events) == []
