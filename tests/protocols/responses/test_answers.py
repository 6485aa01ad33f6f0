"""A vendor's answers: streams, whole answers, and errors."""

import itertools
import json
import re
from typing import Any

import pytest

from nexus.conversation.events import ContentDropped, Ping, ResponseStart
from nexus.conversation.fold import fold
from nexus.conversation.parts import (
    Citation,
    Image,
    Inline,
    Part,
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
from nexus.protocols.responses.read_error import read_error
from nexus.protocols.responses.read_stream import StreamReader
from nexus.protocols.responses.stops import read_stop, write_stop
from nexus.protocols.responses.usage import read_usage
from tests.protocols.kit import answer_from, events_from, losses, ordered, origin

from .kit import RECORDED, check_response, replay

MODEL = "gpt-5.2-2026-01-15"


WORDS = {"end": "completed", "max_tokens": "max_output_tokens", "content_filter": "content_filter"}


def answer(stop: str, usage: Usage, *parts: Any) -> Response:
    return Response("resp_68a", MODEL, parts, Stop(stop, raw=WORDS[stop]), usage)  # type: ignore[arg-type]


EXPECTED: dict[str, Response] = {
    "text": answer("end", Usage(input=4, cache_read=16, output=9), Text("Hello wörld\u2028")),
    "reasoning_and_tools": answer(
        "end",
        Usage(input=26, cache_read=64, cache_write_5m=10, output=20, reasoning=30),
        Reasoning("**Plan** first\n\nthen act", Signature("responses", "rs_1:gAAAAABencrypted")),
        Text("I will."),
        ToolCall("call_1", "exec_command", '{"cmd":"ls"}'),
        ToolCall("call_2", "agents__spawn", "{}"),
        ToolCall("call_3", "apply_patch", '{"input":"*** Begin Patch\\n"}'),
    ),
    "refusal": answer("end", Usage(input=5, output=4), Refusal("I can't help.")),
    "max_output_tokens": answer("max_tokens", Usage(input=5, output=16), Text("Once upon")),
    "web_search": answer(
        "end", Usage(input=300, output=12), Text("Found it.", citations=(Citation(0, 5, "https://e.org", "t"),))
    ),
    "image_generation": answer(
        "end",
        Usage(input=300, output=12),
        Image(Inline("image/webp", "UklGRg=="), signature=Signature("responses", "ig_1")),
        Text("Done."),
    ),
    "empty": answer("end", Usage(input=5)),
}


LOST = {
    "web_search": {"output.web_search_call"},
    "image_generation": {"output.image_generation_call", "annotations.file_citation"},
}


def test_every_recorded_answer_has_its_expectation() -> None:
    assert set(RECORDED.streams) == set(EXPECTED) | {"failed"}


@pytest.mark.parametrize("case", EXPECTED)
def test_a_stream_is_read(case: str) -> None:
    events, reader = replay(case)
    assert reader.complete
    assert fold(events) == EXPECTED[case]
    assert set(losses(events)) == LOST.get(case, set())


@pytest.mark.parametrize("case", EXPECTED)
def test_a_whole_answer_is_read(case: str) -> None:
    events = StreamReader(origin()).read_whole(RECORDED.answer(case))
    assert fold(events) == EXPECTED[case]
    assert set(losses(events)) == LOST.get(case, set())


@pytest.mark.parametrize(
    ("kind", "number"), [("reasoning_summary_text", "summary_index"), ("reasoning_text", "content_index")]
)
def test_several_thoughts_of_one_item_are_separated_as_in_a_whole_answer(kind: str, number: str) -> None:
    reader = StreamReader(origin())
    member = "summary" if kind == "reasoning_summary_text" else "content"
    item = {"type": "reasoning", member: [{"type": kind, "text": "One."}, {"type": kind, "text": "Two."}]}
    response = {"id": "resp_1", "object": "response", "status": "completed", "output": [item]}
    deltas = [
        {"type": f"response.{kind}.delta", "output_index": 0, number: at, "delta": words}
        for at, words in enumerate(["One.", "Two."])
    ]
    stream = [*deltas, {"type": "response.completed", "response": response}]
    events = [event for one in stream for event in reader.feed(None, json.dumps(one))]
    assert fold(events).parts == answer_from(response, StreamReader(origin())).parts


def parts_of_item(begun: dict[str, Any], *rest: dict[str, Any]) -> tuple[Part, ...]:
    """What a stream with one item gives; the last of ``rest`` is the whole item."""
    *between, item = rest
    frames = [
        {"type": "response.output_item.added", "item": begun},
        *between,
        {"type": "response.output_item.done", "item": item},
        {"type": "response.completed", "response": {"id": "r", "output": [item]}},
    ]
    reader = StreamReader(origin())
    events = [event for frame in frames for event in reader.feed(None, json.dumps({"output_index": 0, **frame}))]
    return fold(ordered(events)).parts


WHOLE: dict[str, tuple[dict[str, Any], dict[str, Any], Part]] = {
    "arguments": (
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""},
        {"type": "response.function_call_arguments.done", "arguments": '{"a":1}'},
        ToolCall("c", "f", '{"a":1}'),
    ),
    "input": (
        {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": ""},
        {"type": "response.custom_tool_call_input.done", "input": "x"},
        ToolCall("c", "f", '{"input":"x"}'),
    ),
    "text": (
        {"type": "message", "content": []},
        {"type": "response.output_text.done", "content_index": 0, "text": "Hi"},
        Text("Hi"),
    ),
    "refusal": (
        {"type": "message", "content": []},
        {"type": "response.refusal.done", "content_index": 0, "refusal": "No"},
        Refusal("No"),
    ),
}


@pytest.mark.parametrize(("item", "done", "part"), WHOLE.values(), ids=WHOLE)
def test_what_comes_only_in_its_own_done_is_read(item: dict[str, Any], done: dict[str, Any], part: Part) -> None:
    """Codex Spark sends a call's arguments so, and leaves them out of the item."""
    kind = "refusal" if isinstance(part, Refusal) else "output_text"
    begun = {"type": "response.content_part.added", "content_index": 0, "part": {"type": kind}}
    assert parts_of_item(item, *([begun] if item["type"] == "message" else []), done, item) == (part,)


CALL = {"type": "function_call", "call_id": "c", "name": "f"}
LOOSE: dict[str, tuple[dict[str, Any], Part]] = {
    "arguments as an object": ({**CALL, "arguments": {"a": 1}}, ToolCall("c", "f", '{"a":1}')),
    "null for arguments": ({**CALL, "arguments": None}, ToolCall("c", "f", "")),
    "no arguments": (CALL, ToolCall("c", "f", "")),
    "control tokens in the name": ({**CALL, "name": "f<|channel|>commentary"}, ToolCall("c", "f", "")),
    "no id": ({"type": "function_call", "name": "f", "arguments": "{}"}, ToolCall("", "f", "{}")),
    "no input": ({**CALL, "type": "custom_tool_call"}, ToolCall("c", "f", '{"input":""}')),
    "content as a string": ({"type": "message", "role": "assistant", "content": "Hi"}, Text("Hi")),
    "text of chat": ({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hi"}]}, Text("Hi")),
    "no role": ({"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}, Text("Hi")),
    "other content": (
        {"type": "message", "content": [{"type": "output_text", "text": "Hi"}, {"type": "output_audio"}]},
        Text("Hi"),
    ),
}
"""As compatible servers send them. Source: farion1231/cc-switch, pull request 5100, about arguments."""


@pytest.mark.parametrize(("item", "part"), LOOSE.values(), ids=LOOSE)
def test_answers_of_compatible_servers_are_read_whole_and_streamed(item: dict[str, Any], part: Part) -> None:
    assert answer_from({"output": [item]}, StreamReader(origin())).parts == (part,)
    assert parts_of_item(item, item) == (part,)


def test_unknown_content_is_reported_as_dropped() -> None:
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_audio"}]}
    assert losses(StreamReader(origin()).read_whole({"output": [item]})) == ["output.content.output_audio"]
    frames = [{"type": "response.output_item.done", "item": item}, {"type": "response.completed", "response": {}}]
    reader = StreamReader(origin())
    events = [event for frame in frames for event in reader.feed(None, json.dumps(frame))]
    assert ContentDropped("output.content.output_audio") in events


SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}


@pytest.mark.parametrize(
    ("output", "parts"),
    [
        ([SAID], (Text("Hi"),)),
        (
            [SAID, {**CALL, "arguments": "{}"}, {**CALL, "call_id": "d", "arguments": "{}"}],
            (Text("Hi"), *(ToolCall(id, "f", "{}") for id in "cd")),
        ),
    ],
    ids=["text", "calls"],
)
def test_content_that_comes_only_with_the_final_response_is_read(output: list[Any], parts: tuple[Part, ...]) -> None:
    """Some servers stream the thinking and leave out the events of all else. Source: NVIDIA-NeMo/Switchyard, pull
    request 777."""
    thinking = {"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "So"}
    response = {"id": "r", "output": [{"type": "reasoning"}, *output]}
    reader = StreamReader(origin())
    frames = [thinking, {"type": "response.completed", "response": response}]
    events = [event for frame in frames for event in reader.feed(None, json.dumps(frame))]
    assert fold(ordered(events)).parts == (Reasoning("So"), *parts)


def test_text_is_not_repeated_for_an_output_index_that_is_always_0() -> None:
    """As LiteLLM counts."""
    frames = [
        {"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "So"},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hi"},
        {"type": "response.completed", "response": {"id": "r", "output": [{"type": "reasoning"}, SAID]}},
    ]
    reader = StreamReader(origin())
    events = [event for frame in frames for event in reader.feed(None, json.dumps(frame))]
    assert fold(ordered(events)).parts == (Reasoning("So"), Text("Hi"))


def test_an_answer_whose_ids_change_with_every_event_is_one() -> None:
    numbers = itertools.count()
    raw = re.sub(rb'"(id|item_id)":\s*"[^"]*"', lambda _: b'"id":"r%d"' % next(numbers), RECORDED.stream("text"))
    events = events_from(raw, StreamReader(origin()))
    assert fold(events).parts == EXPECTED["text"].parts


def test_thinking_that_comes_only_with_its_item_is_read() -> None:
    summary = [{"type": "summary_text", "text": "So"}]
    item = {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "E"}
    begun = {**item, "summary": [], "encrypted_content": None}
    assert parts_of_item(begun, item) == (Reasoning("So", Signature("responses", "rs_1:E")),)


def test_a_keepalive_becomes_a_ping() -> None:
    events, _ = replay("reasoning_and_tools")
    assert events.count(Ping()) == 1


def test_a_failed_answer_is_raised() -> None:
    with pytest.raises(VendorError, match="try again in 11") as rejected:
        StreamReader(origin()).read_whole(RECORDED.answer("failed"))
    assert (rejected.value.kind, rejected.value.status) == ("rate_limit", 429)
    with pytest.raises(VendorError, match="try again in 11"):
        replay("failed")


@pytest.mark.parametrize("garbage", [{"output": [{"type": "function_call", "name": None}]}])
def test_garbage_is_rejected(garbage: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        StreamReader(origin()).read_whole(garbage)


@pytest.mark.parametrize("data", ["{", "[]", "5"])
def test_garbage_in_a_stream_is_rejected(data: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        StreamReader(origin()).feed(None, data)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_text.delta"},
        {"type": "response.output_item.done", "item": None},
        {"type": "response.output_item.added", "item": []},
        {"type": "response.content_part.added", "part": {"type": "future"}},
        {"type": "response.future", "x": 1},
        {"x": 1},
    ],
)
def test_malformed_events_are_ignored(event: dict[str, Any]) -> None:
    reader = StreamReader(origin())
    assert [
        one for one in reader.feed(None, json.dumps(event)) if not isinstance(one, ContentDropped | ResponseStart)
    ] == []


def test_fixtures_conform_to_the_published_types() -> None:
    for case in EXPECTED:
        body = RECORDED.answer(case)
        del body["store"]
        body["output"] = [
            item for item in body["output"] if item["type"] not in ("web_search_call", "custom_tool_call")
        ]
        check_response(body)


def test_errors_that_are_not_json_are_classified() -> None:
    error = read_error(502, {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, b"<html>")
    assert (error.kind, error.retry_after) == ("upstream", 0.0)
    assert "502" in error.message


@pytest.mark.parametrize("reason", ["max_tokens", "content_filter", "end", "refusal", "tool_use"])
def test_stop_reasons_are_read_and_written(reason: Any) -> None:
    told = write_stop(Stop(reason), refused=reason == "refusal")
    # tidy.py fits the reason of a completed answer to its content.
    read: Any = "end" if reason in ("refusal", "tool_use") else reason
    assert read_stop(told) == Stop(read, raw=WORDS[read])


@pytest.mark.parametrize(
    ("wire", "raw"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, "steered"),
        ({"status": "incomplete", "incomplete_details": None}, "incomplete"),
        ({"status": "cancelled"}, "cancelled"),
        ({}, None),
    ],
)
def test_unknown_stop_reasons_stay_unknown(wire: dict[str, Any], raw: str | None) -> None:
    stop = read_stop(wire)
    assert stop == Stop("unknown", raw=raw)
    if wire.get("status") == "incomplete":
        told = write_stop(stop, refused=False)
        assert (told["incomplete_details"], told["native_finish_reason"]) == ({"reason": "max_output_tokens"}, raw)


def test_searches_are_counted_but_not_pages_that_were_opened() -> None:
    kinds = ("search", "open_page", "find_in_page", "search")
    output = [{"type": "web_search_call", "action": {"type": kind}} for kind in kinds]
    assert read_usage({"input_tokens": 1}, output=[*output, {"type": "message"}, "odd"]).searches == 2
