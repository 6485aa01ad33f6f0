"""The stream that a client reads: its order by the SDK's types, the whole answer equal to the sum of the deltas."""

from typing import Any

from nexus.conversation.events import (
    ContentDropped,
    PartDelta,
    PartEnd,
    PartStart,
    Ping,
    ResponseEnd,
    ResponseStart,
    UsageUpdate,
)
from nexus.conversation.fold import unfold
from nexus.conversation.parts import Refusal, Response, Stop, StreamPart, Text, ToolCall
from nexus.conversation.usage import Usage

from .kit import frames, told, writer, written

USAGE = Usage(input=5, cache_read=3, cache_write_5m=2, output=7, reasoning=4)


def answer(*parts: StreamPart, stop: Stop | None = None) -> Response:
    return Response("up_1", "vendor-model", parts, stop or Stop("end"), USAGE)


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


def test_a_refusal_is_streamed() -> None:
    documents = told(unfold(answer(Refusal("no"), stop=Stop("refusal"))))
    assert kinds(documents)[4:6] == ["refusal.delta", "refusal.done"]
    assert documents[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "no"}]
    assert documents[-1]["type"] == "response.completed"


def test_an_empty_answer_has_no_items() -> None:
    documents = told(unfold(answer()))
    assert kinds(documents) == ["created", "in_progress", "completed"]
    assert documents[-1]["response"]["output"] == []


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
