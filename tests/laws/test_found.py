"""Regressions that the laws have found, each as its smallest case."""

import json

import pytest

from nexus.conversation.events import ContentDropped, Event, PartDelta, PartEnd, PartStart, ResponseEnd, ResponseStart
from nexus.conversation.fold import fold, unfold
from nexus.conversation.parts import (
    Image,
    Inline,
    Message,
    Part,
    Reasoning,
    Request,
    Response,
    Signature,
    Stop,
    StreamPart,
    Text,
    ToolCall,
    ToolResult,
)
from nexus.models.bedrock import ConverseModel
from nexus.models.chat_server import ChatServer
from nexus.protocols import loader
from nexus.protocols.codec import Target
from nexus.wire import decode
from tests.protocols.kit import answer_from, envelope

from .kit import CLIENTS, check_stream, echo_stream, frames, origin, parts_of_echo, read, write
from .test_answers import read_back, written

HI = Message("user", (Text("hi"),))


def stream(*inner: Event, stop: Stop | None = None) -> list[Event]:
    return [ResponseStart("id", "m"), *inner, ResponseEnd(stop or Stop("end"))]


@pytest.mark.parametrize("client", CLIENTS)
def test_redacted_thinking_with_a_late_signature_keeps_it(client: str) -> None:
    """As Bedrock streams it: Messages clients got the block with an empty signature."""
    signature = Signature("converse", "b3BhcXVl")
    start = PartStart(0, Reasoning("", Signature("converse", ""), redacted=True))
    raw = written(client, stream(start, PartEnd(0, signature)))
    assert parts_of_echo(client, echo_stream(client, raw)) == (Reasoning("", signature, redacted=True),)


def test_redacted_thinking_that_is_cut_leaves_no_block_open() -> None:
    writer = loader.client("messages").stream_writer(envelope())
    start = PartStart(0, Reasoning("", None, redacted=True))
    check_stream("messages", writer.write(ResponseStart("r", "m")) + writer.write(start), ended=False)


def test_a_late_signature_of_a_call_is_read_by_the_sdk() -> None:
    """The official client's stream helper asserts that every piece of a call has ``function``."""
    signature = Signature("gemini", "c2VhbA==")
    raw = written(
        "chat",
        stream(PartStart(0, ToolCall("c", "f", "")), PartDelta(0, "{}"), PartEnd(0, signature), stop=Stop("tool_use")),
    )
    assert parts_of_echo("chat", echo_stream("chat", raw)) == (ToolCall("c", "f", "{}", signature),)


def test_reasoning_repeated_by_another_gateway_is_read_once() -> None:
    """The last chunk repeats streamed reasoning with its signatures: the reader returned it twice."""
    signature = Signature("messages", "s")
    raw = written(
        "chat",
        stream(
            PartStart(0, Reasoning("")),
            PartDelta(0, "thinking"),
            PartEnd(0, signature),
            PartStart(1, Text("so")),
            PartEnd(1),
        ),
    )
    events = read_back("chat", raw)
    assert [part.text for part in fold(events).parts if isinstance(part, Reasoning)] == ["thinking"]
    assert ContentDropped("reasoning_details") in events


def test_thinking_removed_from_the_end_of_a_turn_is_reported() -> None:
    """Claude rejects turns that end in thinking: Nexus removed it without reporting it."""
    thought = Message("assistant", (Reasoning("hm", Signature("messages", "s")),))
    sent = write("messages", Request((HI, thought, HI)), Target("claude-sonnet-4-5"))
    assert "hm" not in json.dumps(sent.body)
    assert sent.dropped == ("reasoning",)


CALL = Message("assistant", (ToolCall("c", "f", ""),))


def results(*parts: Part) -> Request:
    return Request((HI, CALL, Message("user", parts)))


def test_a_cache_hint_on_an_empty_result_is_reported_as_dropped() -> None:
    sent = write("chat", results(ToolResult("c", cache="5m")), Target("m", chat=ChatServer(cache_control=True)))
    assert sent.dropped == ("cache",)


def test_a_cache_hint_on_blank_text_is_reported_as_dropped() -> None:
    assert write("messages", Request((HI,), system=(Text(" ", cache="5m"),)), Target("claude")).dropped == ("cache",)


def test_a_failed_result_with_only_an_image_stays_failed() -> None:
    """For Bedrock models that take results as JSON and have no status."""
    failed = ToolResult("c", (Image(Inline("image/png", "QUJD")),), is_error=True)
    sent = write("converse", results(failed), Target("m", converse=ConverseModel(json_results=True, mixed_turns=True)))
    result, *_ = sent.body["messages"][-1]["content"]
    assert result["toolResult"]["content"][0] == {"json": {"error": "The tool call failed."}}


SIGNED: tuple[StreamPart, ...] = (
    Reasoning("hm", Signature("messages", "s1")),
    Reasoning("", Signature("messages", "s2"), redacted=True),
    Text("so", signature=Signature("gemini", "s3")),
    ToolCall("c", "f", "{}", Signature("gemini", "s4")),
)


def test_reasoning_items_of_another_gateway_go_back_unchanged() -> None:
    """They belong to that vendor: Nexus unpacked those of whole answers and lost their signatures."""
    raw = written("responses", unfold(Response("id", "m", SIGNED, Stop("tool_use"))))
    answer = decode(frames(raw)[-1][1])["response"]
    streamed = fold(read_back("responses", raw))
    assert streamed == answer_from(answer, loader.vendor("responses").stream_reader(origin()))
    sent = write("responses", Request((HI, Message("assistant", streamed.parts))), Target("m")).body["input"]
    packed = [
        [item["encrypted_content"] for item in items if item.get("encrypted_content")]
        for items in (sent, answer["output"])
    ]
    assert packed[0] == packed[1]
    assert len(packed[0]) == 4


@pytest.mark.parametrize("arguments", ["", '{"cmd": "rm'])
def test_a_truncated_call_is_marked_as_incomplete(arguments: str) -> None:
    """Codex runs calls announced as done: Nexus gave truncated calls empty arguments and completed them."""
    cut = ToolCall("c2", "f", arguments)
    told = [decode(data) for _, data in frames(written("responses", unfold(answer_cut(ToolCall("c1", "f", ""), cut))))]
    first, second = (event["item"] for event in told if event["type"] == "response.output_item.done")
    assert (first["arguments"], first["status"]) == ("{}", "completed")
    assert (second["arguments"], second["status"]) == (arguments, "incomplete")
    assert told[-1]["response"]["output"] == [first, second]


def test_truncated_text_is_marked_as_incomplete() -> None:
    whole = loader.client("responses").write_response(answer_cut(Text("a"), Text("b")), envelope())
    assert [item["status"] for item in whole["output"]] == ["completed", "incomplete"]


def answer_cut(*parts: StreamPart) -> Response:
    return Response("id", "m", parts, Stop("max_tokens"))


@pytest.mark.parametrize(
    ("content", "held"),
    [
        ([], ToolResult("c", cache="5m")),
        ([{"type": "input_text", "text": "w"}], ToolResult("c", (Text("w", cache="5m"),))),
    ],
)
def test_a_cache_hint_on_empty_text_moves_to_the_part_before(content: list[object], held: ToolResult) -> None:
    """Anthropic accepts no empty text: Nexus removed it with its hint and did not report it."""
    hint = {"type": "input_text", "text": "", "prompt_cache_breakpoint": {"mode": "explicit"}}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": [*content, hint]}
    request = read("responses", {"model": "m", "input": [call, output]}).request
    assert request.messages[-1].parts == (held,)
    assert "cache_control" in json.dumps(write("messages", request, Target("claude-sonnet-4-5")).body)
