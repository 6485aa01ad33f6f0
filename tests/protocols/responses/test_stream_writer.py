"""The stream that a client reads: its grammar by the SDK's types, the whole answer equal to the sum of the deltas."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import omit
from openai._models import construct_type_unchecked
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent

from nexus.conversation.events import (
    ContentDropped,
    Event,
    PartDelta,
    PartEnd,
    PartStart,
    Ping,
    ResponseEnd,
    ResponseStart,
    StreamPart,
    UsageUpdate,
)
from nexus.conversation.fold import fold, unfold
from nexus.conversation.parts import Part, Reasoning, Refusal, Request, Response, Signature, Stop, Text, ToolCall
from nexus.conversation.usage import Usage
from nexus.protocols.responses.read_request import read_request
from nexus.protocols.responses.read_response import read_response
from nexus.protocols.responses.write_response import write_response
from tests.examples import examples
from tests.protocols.kit import envelope, origin

from .kit import check_response, frames, replay, told, writer, written

USAGE = Usage(input=5, cache_read=3, cache_write_5m=2, output=7, reasoning=4)


def answer(*parts: Part, stop: Stop | None = None) -> Response:
    return Response("up_1", "vendor-model", parts, stop or Stop("end"), USAGE)


def request_of(**fields: Any) -> Request:
    return read_request({"model": "m", "input": "x", **fields}).request


CUSTOM = request_of(
    tools=[
        {"type": "custom", "name": "apply_patch", "description": "d", "format": {"type": "text"}},
        {"type": "namespace", "name": "agents", "description": "a", "tools": [{"type": "function", "name": "spawn"}]},
    ]
)


def kinds(documents: list[dict[str, Any]]) -> list[str]:
    return [document["type"].removeprefix("response.") for document in documents]


MESSAGE = ["output_item.added", "content_part.added", "content_part.done", "output_item.done"]


def test_text() -> None:
    documents = told(
        [
            ResponseStart("up", "v"),
            PartStart(0, Text("He")),
            PartDelta(0, "llo"),
            PartEnd(0),
            UsageUpdate(USAGE),
            ResponseEnd(Stop("end")),
        ]
    )
    assert kinds(documents) == [
        *("created", "in_progress", "output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.delta", "output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    assert documents[2]["item"] == {
        "id": "msg_1_0",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    final = documents[-1]["response"]
    assert (final["id"], final["model"], final["created_at"], final["status"]) == ("resp_1", "a/m", 7, "completed")
    assert final["output"] == [documents[-2]["item"]]
    assert final["output"][0]["content"][0]["text"] == "Hello"
    assert final["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "output_tokens": 11,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 21,
    }


def test_reasoning_and_calls() -> None:
    parts = (Reasoning("think", Signature("messages", "sig")), ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", ""))
    documents = told(unfold(answer(*parts, stop=Stop("tool_use"))))
    assert kinds(documents)[2:] == [
        *("output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done") * 2,
        "completed",
    ]
    reasoning, first, second = documents[-1]["response"]["output"]
    assert reasoning["encrypted_content"] == "nexus.messages.sig"
    assert (first["call_id"], first["name"], first["arguments"]) == ("c1", "f", '{"a":1}')
    assert second["arguments"] == "{}", "a client parses it"


def test_refusal() -> None:
    documents = told(unfold(answer(Refusal("no"), stop=Stop("refusal"))))
    assert kinds(documents)[4:6] == ["refusal.delta", "refusal.done"]
    assert documents[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "no"}]
    assert documents[-1]["type"] == "response.completed"


def test_custom_and_namespaced_calls_come_back_in_their_own_form() -> None:
    events: list[Event] = [
        ResponseStart("up", "v"),
        PartStart(0, ToolCall("c1", "apply_patch", "")),
        PartDelta(0, '{"input": "*** Beg'),
        PartDelta(0, 'in\\n"}'),
        PartEnd(0),
        PartStart(1, ToolCall("c2", "agents__spawn", '{"a":1}')),
        PartEnd(1),
        ResponseEnd(Stop("tool_use")),
    ]
    documents = told(events, CUSTOM)
    assert kinds(documents)[2:6] == [
        *("output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done")
    ]
    custom, function = documents[-1]["response"]["output"]
    assert custom == {
        "id": "ctc_1_0",
        "type": "custom_tool_call",
        "call_id": "c1",
        "name": "apply_patch",
        "input": "*** Begin\n",
    }
    assert (function["namespace"], function["name"]) == ("agents", "spawn")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        pytest.param('{"input":"x"}', "x", id="as asked"),
        pytest.param("*** Begin Patch", "*** Begin Patch", id="no JSON"),
        pytest.param('{"patch":"x"}', '{"patch":"x"}', id="another shape"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_custom_tools_input_survives_a_model_that_slips(arguments: str, found: str) -> None:
    documents = told(unfold(answer(ToolCall("c", "apply_patch", arguments))), CUSTOM)
    assert documents[-1]["response"]["output"][0]["input"] == found
    deltas = [event["delta"] for event in documents if event["type"].endswith("input.delta")]
    assert "".join(deltas) == found


def test_interleaved_parts_become_items_one_after_the_other() -> None:
    events: list[Event] = [
        ResponseStart("up", "v"),
        PartStart(0, ToolCall("c0", "f", "")),
        PartStart(1, ToolCall("c1", "g", "")),
        PartDelta(1, '{"b"'),
        PartDelta(0, '{"a"'),
        PartStart(2, Text("")),
        PartEnd(2),
        PartDelta(1, ":2}"),
        PartDelta(0, ":1}"),
        PartEnd(0),
        PartEnd(1),
        ResponseEnd(Stop("tool_use")),
    ]
    documents = told(events)
    assert [document.get("output_index") for document in documents[2:-1]] == [0] * 5 + [1] * 4
    assert [item["arguments"] for item in documents[-1]["response"]["output"]] == ['{"a":1}', '{"b":2}']


def test_seals_ride_beside_what_they_signature() -> None:
    early, late = Signature("gemini", "s1"), Signature("gemini", "s2")
    events: list[Event] = [
        ResponseStart("up", "v"),
        PartStart(0, ToolCall("c", "f", "{}", early)),
        PartEnd(0),
        PartStart(1, Text("x")),
        PartEnd(1, late),
        PartStart(2, Text("", signature=early)),
        PartEnd(2),
        ResponseEnd(Stop("end")),
    ]
    output = told(events)[-1]["response"]["output"]
    assert [item.get("encrypted_content", item["type"]) for item in output] == [
        "nexus.next.gemini.s1",
        "function_call",
        "message",
        "nexus.prev.gemini.s2",
        "nexus.here.gemini.s1",
    ]


def test_an_empty_answer() -> None:
    documents = told(unfold(answer()))
    assert kinds(documents) == ["created", "in_progress", "completed"]
    assert documents[-1]["response"]["output"] == []


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        pytest.param(Stop("max_tokens"), "max_output_tokens", id="max_tokens"),
        pytest.param(Stop("context_window"), "max_output_tokens", id="context_window"),
        pytest.param(Stop("pause"), "max_output_tokens", id="pause"),
        pytest.param(Stop("content_filter"), "content_filter", id="content_filter"),
        pytest.param(Stop("refusal"), "content_filter", id="a refusal without words"),
        pytest.param(Stop("stop_sequence", "x"), None, id="stop_sequence"),
        pytest.param(Stop("tool_use"), None, id="tool_use"),
    ],
)
def test_stops(stop: Stop, reason: str | None) -> None:
    last = told(unfold(answer(Text("x"), stop=stop)))[-1]
    assert last["type"] == ("response.completed" if reason is None else "response.incomplete")
    assert last["response"]["incomplete_details"] == (None if reason is None else {"reason": reason})


def test_an_unknown_stop_is_the_nearest_published_reason_with_the_vendors_word_beside_it() -> None:
    last = frames(written(unfold(answer(Text("x"), stop=Stop("unknown", raw="tired")))))[-1]
    assert (last["type"], last["response"]["incomplete_details"]) == (
        "response.incomplete",
        {"reason": "max_output_tokens"},
    )
    assert last["response"]["native_finish_reason"] == "tired"


def test_pings_and_notices_say_nothing() -> None:
    stream = writer()
    stream.write(ResponseStart("up", "v"))
    assert stream.write(Ping()) == stream.write(ContentDropped("x")) == b""


def test_a_cut_item_is_never_announced_done() -> None:
    stream = writer()
    raw = stream.write(ResponseStart("up", "v")) + stream.write(PartStart(0, ToolCall("c", "f", '{"cmd":"rm')))
    assert not any(kind.endswith("done") or kind in ("completed", "failed") for kind in kinds(frames(raw)))


WORDS = st.text(alphabet='a"\\\n\u2028é{}', max_size=5)
SIGNATURES = st.none() | st.builds(Signature, st.sampled_from(["messages", "gemini", "responses"]), st.just("s.1"))
PARTS: st.SearchStrategy[StreamPart] = st.one_of(
    st.builds(Text, WORDS, signature=SIGNATURES),
    st.builds(Refusal, WORDS),
    st.builds(Reasoning, WORDS, SIGNATURES),
    st.builds(ToolCall, st.uuids().map(str), st.sampled_from(["f", "apply_patch", "agents__spawn"]), WORDS, SIGNATURES),
)


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Any interleaving that the grammar allows."""
    waiting = draw(st.lists(PARTS, max_size=5))
    dice = random.Random(draw(st.integers(0, 10**6)))
    events: list[Event] = [ResponseStart("up", "v")]
    open_parts: list[int] = []
    started = 0
    while started < len(waiting) or open_parts:
        if started < len(waiting) and (not open_parts or dice.random() < 0.4):
            events.append(PartStart(started, waiting[started]))
            open_parts.append(started)
            started += 1
            continue
        index = dice.choice(open_parts)
        if dice.random() < 0.6:
            events.append(PartDelta(index, draw(WORDS)))
        else:
            open_parts.remove(index)
            signed = not isinstance(waiting[index], Refusal)
            events.append(PartEnd(index, draw(SIGNATURES) if signed else None))
    return [*events, UsageUpdate(USAGE), ResponseEnd(Stop("end"))]


def summed(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The output by the deltas alone."""
    output: list[dict[str, Any]] = []
    for event in documents:
        item = output[event["output_index"]] if event.get("output_index", len(output)) < len(output) else {}
        match event["type"]:
            case "response.output_item.added":
                assert event["output_index"] == len(output)
                output.append(event["item"])
            case "response.content_part.added":
                item["content"].append(event["part"])
            case "response.reasoning_summary_part.added":
                item["summary"].append(event["part"])
            case "response.output_text.delta":
                item["content"][event["content_index"]]["text"] += event["delta"]
            case "response.output_text.annotation.added":
                annotations = item["content"][event["content_index"]]["annotations"]
                assert event["annotation_index"] == len(annotations)
                annotations.append(event["annotation"])
            case "response.refusal.delta":
                item["content"][event["content_index"]]["refusal"] += event["delta"]
            case "response.reasoning_summary_text.delta":
                item["summary"][event["summary_index"]]["text"] += event["delta"]
            case "response.function_call_arguments.delta":
                item["arguments"] += event["delta"]
            case "response.custom_tool_call_input.delta":
                item["input"] += event["delta"]
            case "response.output_item.done":
                if item["type"] == "image_generation_call":
                    item |= {name: event["item"][name] for name in ("result", "output_format") if name in event["item"]}
                if item["type"] == "reasoning":
                    item |= {name: value for name, value in event["item"].items() if name == "encrypted_content"}
                if "status" in item:
                    item["status"] = event["item"]["status"]
                assert item == event["item"]
            case _:
                pass
    return output


@examples(150)
@given(streams())
def test_the_completed_response_is_the_sum_of_the_deltas(events: list[Event]) -> None:
    documents = told(events, CUSTOM)
    final = documents[-1]["response"]
    check_response(final)
    assert summed(documents) == final["output"]


@examples(50)
@given(streams())
def test_the_sdk_adds_up_the_same(events: list[Event]) -> None:
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    documents = told(events, CUSTOM)
    last: Any = None
    for document in documents:
        event = construct_type_unchecked(type_=cast(Any, ResponseStreamEvent), value=document)
        for shown in state.handle_event(event):
            last = shown
    assert last.type == "response.completed"
    assert [item.type for item in last.response.output] == [
        item["type"] for item in documents[-1]["response"]["output"]
    ]
    texts = [
        part["text"]
        for item in documents[-1]["response"]["output"]
        if item["type"] == "message"
        for part in item["content"]
        if part["type"] == "output_text"
    ]
    assert last.response.output_text == "".join(texts)


@examples(100)
@given(streams())
def test_reading_the_stream_gives_what_reading_the_whole_gives(events: list[Event]) -> None:
    raw = written(events, CUSTOM)
    read, reader = replay([raw])
    assert reader.complete
    response = fold(read)
    carried = any(isinstance(event, PartStart | PartEnd) and _signed(event) for event in events)
    if not carried:
        assert response == read_response(frames(raw)[-1]["response"], origin()).response


def _signed(event: PartStart | PartEnd) -> bool:
    if isinstance(event, PartEnd):
        return event.signature is not None
    return isinstance(event.part, Text | ToolCall) and event.part.signature is not None


@examples(50)
@given(streams())
def test_the_whole_answer_is_the_end_of_the_stream(events: list[Event]) -> None:
    """Late signatures become early ones when an answer is whole: leave them out of the comparison."""
    events = [PartEnd(event.index) if isinstance(event, PartEnd) else event for event in events]
    whole = fold(events)
    response = write_response(whole, envelope(CUSTOM, id="resp_1", model="a/m"))
    assert response == told(events, CUSTOM)[-1]["response"]
    check_response(response)
