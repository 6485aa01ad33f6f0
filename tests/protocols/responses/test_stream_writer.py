"""The stream that a client reads: its order by the SDK's types, the whole answer equal to the sum of the deltas."""

from typing import Any

import pytest

from nexus.conversation.events import (
    ContentDropped,
    Event,
    PartDelta,
    PartEnd,
    PartStart,
    Ping,
    ResponseEnd,
    ResponseStart,
    UsageUpdate,
)
from nexus.conversation.fold import unfold
from nexus.conversation.parts import Reasoning, Refusal, Request, Response, Signature, Stop, StreamPart, Text, ToolCall
from nexus.conversation.usage import Usage
from nexus.protocols.responses.read_request import read_request

from .kit import frames, told, writer, written

USAGE = Usage(input=5, cache_read=3, cache_write_5m=2, output=7, reasoning=4)


def answer(*parts: StreamPart, stop: Stop | None = None) -> Response:
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


def test_text_is_streamed() -> None:
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


def test_reasoning_and_calls_are_streamed() -> None:
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


def test_a_refusal_is_streamed() -> None:
    documents = told(unfold(answer(Refusal("no"), stop=Stop("refusal"))))
    assert kinds(documents)[4:6] == ["refusal.delta", "refusal.done"]
    assert documents[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "no"}]
    assert documents[-1]["type"] == "response.completed"


def test_custom_and_namespaced_calls_return_in_their_own_form() -> None:
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
        pytest.param("*** Begin Patch", "*** Begin Patch", id="not JSON"),
        pytest.param('{"patch":"x"}', '{"patch":"x"}', id="another shape"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_custom_tools_input_survives_invalid_arguments_from_the_model(arguments: str, found: str) -> None:
    documents = told(unfold(answer(ToolCall("c", "apply_patch", arguments))), CUSTOM)
    assert documents[-1]["response"]["output"][0]["input"] == found
    deltas = [event["delta"] for event in documents if event["type"].endswith("input.delta")]
    assert "".join(deltas) == found


def test_interleaved_parts_become_consecutive_items() -> None:
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
    assert [document.get("output_index") for document in documents[2:-1]] == [0] * 5 + [1] * 5
    assert [item["arguments"] for item in documents[-1]["response"]["output"]] == ['{"a":1}', '{"b":2}']


def test_signatures_are_sent_next_to_their_parts() -> None:
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


def test_an_empty_answer_has_no_items() -> None:
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
        pytest.param(Stop("refusal"), "content_filter", id="a refusal without text"),
        pytest.param(Stop("stop_sequence", "x"), None, id="stop_sequence"),
        pytest.param(Stop("tool_use"), None, id="tool_use"),
    ],
)
def test_stop_reasons_are_written(stop: Stop, reason: str | None) -> None:
    last = told(unfold(answer(Text("x"), stop=stop)))[-1]
    assert last["type"] == ("response.completed" if reason is None else "response.incomplete")
    assert last["response"]["incomplete_details"] == (None if reason is None else {"reason": reason})


def test_an_unknown_stop_is_written_as_the_nearest_published_reason_with_the_vendors_word() -> None:
    last = frames(written(unfold(answer(Text("x"), stop=Stop("unknown", raw="tired")))))[-1]
    assert (last["type"], last["response"]["incomplete_details"]) == (
        "response.incomplete",
        {"reason": "max_output_tokens"},
    )
    assert last["response"]["native_finish_reason"] == "tired"


def test_pings_and_dropped_content_write_nothing() -> None:
    stream = writer()
    stream.write(ResponseStart("up", "v"))
    assert stream.write(Ping()) == stream.write(ContentDropped("x")) == b""


def test_a_truncated_item_is_never_announced_as_done() -> None:
    stream = writer()
    raw = stream.write(ResponseStart("up", "v")) + stream.write(PartStart(0, ToolCall("c", "f", '{"cmd":"rm')))
    assert not any(kind.endswith("done") or kind in ("completed", "failed") for kind in kinds(frames(raw)))
