"""The Responses client: what the official SDK makes of an answer, how Codex sends it back, and the stream grammar.

The SDK accumulates; the tests also add up the deltas themselves and compare the sum with the completed answer.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from openai import omit
from openai._models import construct_type_unchecked
from openai._utils import maybe_transform
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent

from nexus.wire import Json, decode
from tests.protocols.responses.kit import check_event

Item = dict[str, Any]
Frames = Sequence[tuple[str | None, str]]


def echo_items(answer: Mapping[str, Json]) -> list[Item]:
    """The items of a whole answer, as the SDK sends them when its user adds them to the next ``input``."""
    return _sent(construct_type_unchecked(type_=Response, value=answer).output)


def gather_items(found: Frames) -> list[Item]:
    """The same for a stream, whose snapshots must hold as much."""
    shown = accumulated(found)
    output = _sent(shown[-1].response.output)
    _check_snapshots(shown, output)
    return output


def as_codex(items: Sequence[Mapping[str, Any]]) -> list[Item]:
    """Codex sends neither ids nor null members."""
    return [{name: value for name, value in item.items() if name != "id" and value is not None} for item in items]


def _sent(output: Any) -> list[Item]:
    return [cast(Item, maybe_transform(item, object)) for item in output]


def accumulated(found: Frames) -> list[Any]:
    """The events that the SDK's own stream shows, each with its snapshot."""
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    wire = cast(Any, ResponseStreamEvent)
    return [
        shown
        for _, data in found
        for shown in state.handle_event(construct_type_unchecked(type_=wire, value=decode(data)))
    ]


def check_items(found: Frames, *, ended: bool) -> None:
    """The full grammar. A stream that has not ended holds no end, and announces no truncated item as done."""
    documents = [decode(data) for _, data in found]
    assert [event for event, _ in found] == [document["type"] for document in documents]
    assert [document["sequence_number"] for document in documents] == list(range(len(documents)))
    names = "".join(_SHORT[document["type"]] for document in documents)
    assert re.fullmatch(f"ci({_ITEM})*[CN]" if ended else f"(ci({_ITEM})*({_CUT_ITEM})?)?", names)
    # The last item of a truncated stream is incomplete, so its events are checked only in ended streams.
    for document in documents if ended else ():
        check_event(document)
    _check_places(documents)
    done = [document["item"] for document in documents if document["type"] == "response.output_item.done"]
    output = summed(documents)
    assert output[: len(done)] == done
    if ended:
        final = documents[-1]["response"]
        _check_wholeness(final, done)
        assert final["output"] == output == done
        assert f"response.{final['status']}" == documents[-1]["type"]


def summed(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The output, added up from the deltas alone."""
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


def check_failure(found: Frames) -> None:
    """The end of a broken stream: an error for the SDK and a failed response for Codex, both numbered correctly."""
    documents = [decode(data) for _, data in found]
    assert [document["type"] for document in documents[-2:]] == ["error", "response.failed"]
    numbers = [document["sequence_number"] for document in documents]
    assert numbers == sorted(set(numbers))


def _check_places(documents: Sequence[Mapping[str, Any]]) -> None:
    """Items are numbered in order, and every event about an item has its number and id."""
    ids: list[str] = []
    for document in documents:
        match document["type"]:
            case "response.output_item.added":
                assert document["output_index"] == len(ids)
                ids.append(document["item"]["id"])
            case "response.output_item.done":
                assert (document["output_index"], document["item"]["id"]) == (len(ids) - 1, ids[-1])
            case _ if "item_id" in document:
                assert (document["output_index"], document["item_id"]) == (len(ids) - 1, ids[-1])
            case _:
                pass
    assert len(set(ids)) == len(ids)


def _check_snapshots(shown: Sequence[Any], output: Sequence[Item]) -> None:
    """The snapshots that the SDK's stream shows besides the deltas end up equal to the item."""
    snapshots = {event.output_index: event.snapshot for event in shown if hasattr(event, "snapshot")}
    for at, item in enumerate(output):
        match item:
            case {"type": "function_call"}:
                assert snapshots.get(at, "") == item["arguments"]
            case {"type": "message", "content": [{"type": "output_text", "text": words}]}:
                assert snapshots[at] == words
            case _:
                assert at not in snapshots


def _check_wholeness(final: Mapping[str, Any], done: Sequence[Item]) -> None:
    """Only the items at the end of a truncated answer may be incomplete, and only such calls lack arguments."""
    cut = [at for at, item in enumerate(done) if item.get("status") == "incomplete"]
    assert not cut or final["status"] == "incomplete"
    assert all(item["type"] == "reasoning" for at, item in enumerate(done) if at > min(cut, default=len(done)))
    assert all(item.get("arguments", "{}") or item["status"] == "incomplete" for item in done)


_SHORT = {
    "response.created": "c",
    "response.in_progress": "i",
    "response.output_item.added": "a",
    "response.output_item.done": "d",
    "response.content_part.added": "P",
    "response.content_part.done": "p",
    "response.output_text.delta": "t",
    "response.output_text.done": "T",
    "response.refusal.delta": "r",
    "response.refusal.done": "R",
    "response.reasoning_summary_part.added": "S",
    "response.reasoning_summary_part.done": "v",
    "response.reasoning_summary_text.delta": "s",
    "response.reasoning_summary_text.done": "u",
    "response.function_call_arguments.delta": "f",
    "response.function_call_arguments.done": "F",
    "response.output_text.annotation.added": "n",
    "response.image_generation_call.in_progress": "G",
    "response.image_generation_call.generating": "g",
    "response.image_generation_call.completed": "I",
    "response.custom_tool_call_input.delta": "x",
    "response.custom_tool_call_input.done": "X",
    "response.completed": "C",
    "response.incomplete": "N",
}
_ITEM = "a(P(t[tn]*T|r+R)p|(Ss+uv)?|f*F|x?X|GgI)d"
_CUT_ITEM = "a(P(t[tn]*)?|Pr*|Ss+|f*|Gg)?"
