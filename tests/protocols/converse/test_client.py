"""Converse clients: the laws that hold for every client dialect, checked against botocore's service model.

Law: answers are processed here as AWS's SDKs process them.
"""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nexus.conversation.events import Event
from nexus.conversation.fold import fold, unfold
from nexus.conversation.parts import (
    Document,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Reasoning,
    Refusal,
    Request,
    Response,
    Signature,
    Stop,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from nexus.protocols.codec import Target
from nexus.protocols.converse.codec import CLIENT, VENDOR
from nexus.protocols.converse.passthrough import edit_request
from nexus.wire import decode, encode
from tests.examples import examples
from tests.laws.kit import TARGETS, VENDORS, check_body, frames, origin, write
from tests.laws.rich import RICH
from tests.laws.scripts import conversations
from tests.laws.streams import streams
from tests.laws.test_answers import fitted as fitted_for
from tests.laws.test_answers import read_back
from tests.laws.test_requests import _check as check_content
from tests.protocols.converse.published import check_output
from tests.protocols.kit import answer_from, envelope

Wire = dict[str, Any]
fitted = partial(fitted_for, "converse")

SHAPES = {
    "messageStart": "MessageStartEvent",
    "contentBlockStart": "ContentBlockStartEvent",
    "contentBlockDelta": "ContentBlockDeltaEvent",
    "contentBlockStop": "ContentBlockStopEvent",
    "messageStop": "MessageStopEvent",
    "metadata": "ConverseStreamMetadataEvent",
}
LETTERS = dict(zip(SHAPES, "MsdeXU", strict=True))


def raw_stream(events: Iterable[Event]) -> bytes:
    writer = CLIENT.stream_writer(envelope())
    return b"".join(map(writer.write, events))


def written(events: Iterable[Event]) -> list[tuple[str, Wire]]:
    return [(name or "", decode(data)) for name, data in frames(raw_stream(events))]


def whole(answer: Response) -> Wire:
    return decode(encode(CLIENT.write_response(answer, envelope())))  # type: ignore[no-any-return]


def gathered(told: Iterable[tuple[str, Wire]]) -> Wire:
    """The message of a stream, block by block."""
    blocks: dict[int, Wire] = {}
    for name, event in told:
        at = blocks.setdefault(event.get("contentBlockIndex", -1), {})
        if name == "contentBlockStart":
            kind, value = next(iter(event["start"].items()))
            at[kind] = {**value, "input": ""} if kind == "toolUse" else dict(value)
        elif name == "contentBlockDelta":
            _add(at, event["delta"])
    blocks.pop(-1, None)
    content = [blocks[at] for at in sorted(blocks)]
    for block in content:
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    return {"role": "assistant", "content": content}


def _add(block: Wire, delta: Wire) -> None:
    match delta:
        case {"text": words}:
            block["text"] = block.get("text", "") + words
        case {"toolUse": {"input": words}}:
            block["toolUse"]["input"] += words
        case {"image": image}:
            block["image"] |= image
        case {"reasoningContent": {"redactedContent": data}}:
            block["reasoningContent"] = {"redactedContent": data}
        case {"reasoningContent": reasoning}:
            held = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
            held["text"] += reasoning.get("text", "")
            held |= {name: value for name, value in reasoning.items() if name == "signature"}
        case _:
            assert "citation" in delta, delta


def brought_back(message: Wire) -> tuple[Part, ...]:
    hello = {"role": "user", "content": [{"text": "hello"}]}
    read = CLIENT.read_request({"messages": [hello, message]})
    return read.request.messages[1].parts


def plain(parts: Iterable[Part]) -> list[Any]:
    """The parts as the dialect can hold them: no refusals, no citations in a history, arguments as an object."""
    found: list[Any] = []
    for part in parts:
        match part:
            case ToolCall():
                found.append((part.id, part.name, json.loads(part.arguments or "{}"), part.signature))
            case Refusal():
                found.append(Text(part.text))
            case Text():
                found.append(replace(part, citations=()))
            case Image():
                found.append(part.source)
            case _:
                found.append(part)
    return found


class TestAnswers:
    @examples(150)
    @given(events=streams())
    def test_events_conform_to_the_service_model(self, events: list[Event]) -> None:
        told = written(fitted(events))
        for name, event in told:
            check_output(SHAPES[name], event)
        assert re.fullmatch(r"M(s?d*e)*XU", "".join(LETTERS[name] for name, _ in told))
        stops = [event["contentBlockIndex"] for name, event in told if name == "contentBlockStop"]
        assert stops == list(range(len(stops)))
        check_output("ConverseResponse", whole(fold(fitted(events))))

    @examples(150)
    @given(events=streams())
    def test_the_dialects_own_reader_gives_the_same_answer(self, events: list[Event]) -> None:
        events = fitted(events)
        answer = fold(events)
        # With nothing in it, a failed answer is an error.
        assume(answer.parts or answer.stop.reason != "unknown")
        streamed, unary = (
            fold(read_back("converse", raw_stream(events))),
            answer_from(whole(answer), VENDOR.stream_reader(origin())),
        )
        assert streamed.usage.total == unary.usage.total == answer.usage.total
        assert streamed.stop.reason == unary.stop.reason == told_stop(answer)
        assert cited(streamed.parts) == cited(unary.parts) == cited(answer.parts)

    @examples(150)
    @given(events=streams())
    def test_streamed_and_whole_answers_return_with_every_signature(self, events: list[Event]) -> None:
        events = fitted(events)
        answer = fold(events)
        wanted = plain(answer.parts)
        assert plain(brought_back(gathered(written(events)))) == wanted
        assert plain(brought_back(whole(answer)["output"]["message"])) == wanted
        assert plain(fold(list(unfold(answer))).parts) == wanted

    def test_a_signed_text_comes_before_its_signature(self) -> None:
        """Programs that did not ask for thinking read the text of an answer from its first block."""
        signed = Response("x", "m", (Text("done", signature=Signature("gemini", "s")),), Stop("end"))
        for message in (whole(signed)["output"]["message"], gathered(written(list(unfold(signed))))):
            assert message["content"][0] == {"text": "done"}

    @examples(80)
    @given(events=streams(), part=st.floats(0, 1))
    def test_a_cut_stream_has_no_end(self, events: list[Event], part: float) -> None:
        events = fitted(events)
        told = written(events[: round(part * (len(events) - 1))])
        assert re.fullmatch(r"(M(s?d*e)*(s?d*)?)?", "".join(LETTERS[name] for name, _ in told))


def cited(parts: Iterable[Part]) -> list[Any]:
    texts = [part for part in parts if isinstance(part, Text)]
    return [(citation.url, citation.title) for part in texts for citation in part.citations]


def told_stop(answer: Response) -> str:
    """Stop reasons that the dialect lacks become the nearest one that it has."""
    return {"refusal": "content_filter", "pause": "max_tokens"}.get(answer.stop.reason, answer.stop.reason)


def wire_of(request: Request) -> Wire:
    """The request as a boto3 user writes it, with the assistant's turns as they were returned."""
    body: Wire = {"messages": [wire for message in request.messages for wire in _message(message)]}
    if request.system:
        body["system"] = [block for part in request.system for block in _blocks(part)]
    if request.tools:
        tools: list[Wire] = []
        for tool in request.tools:
            spec: Wire = {"name": tool.name, "inputSchema": {"json": tool.parameters or {"type": "object"}}}
            tools.append({"toolSpec": spec | ({"description": tool.description} if tool.description else {})})
            tools += _hint(tool.cache)
        body["toolConfig"] = {"tools": tools}
    return body


def _message(message: Message) -> list[Wire]:
    if message.role == "assistant":
        answer = Response("id", "m", message.parts, Stop("end"))  # type: ignore[arg-type]
        return [whole(answer)["output"]["message"]]
    return [{"role": message.role, "content": [block for part in message.parts for block in _blocks(part)]}]


def _hint(hint: str | None) -> list[Wire]:
    return [] if hint is None else [{"cachePoint": {"type": "default", "ttl": hint}}]


def _blocks(part: Part) -> list[Wire]:
    match part:
        case Text():
            block: Wire = {"text": part.text}
        case Image(source=Inline(data=data)):
            block = {"image": {"format": "png", "source": {"bytes": data}}}
        case Document(source=source, title=title, context=context):
            held = {"text": source.text} if isinstance(source, Text) else {"bytes": _bytes(source)}
            kind = {} if isinstance(source, Text) else {"format": "pdf"}
            more = {"context": context} if context else {}
            block = {"document": {"name": title or "document", **kind, "source": held, **more}}
        case ToolResult():
            content = [block for inner in part.parts for block in _blocks(inner)]
            status = "error" if part.is_error else "success"
            block = {"toolResult": {"toolUseId": part.call_id, "content": content, "status": status}}
        case _:
            raise TypeError(part)
    return [block, *_hint(part.cache)]


def _bytes(source: Inline | Link) -> str:
    assert isinstance(source, Inline)
    return source.data


@pytest.mark.parametrize("vendor", VENDORS)
@examples(60)
@given(said=conversations())
def test_conversations_arrive_complete_at_every_vendor(vendor: str, said: Request) -> None:
    said = replace(said, tool_choice=None)
    asked = CLIENT.read_request(decode(encode(wire_of(said))))
    for target in TARGETS[vendor]:
        sent = write(vendor, asked.request, target)
        check_body(vendor, sent.body)
        check_content("messages", vendor, target, said, sent.body, (*asked.dropped, *sent.dropped))


class TestRequests:
    def test_every_field_is_read(self) -> None:
        read = CLIENT.read_request({**RICH["converse"], "model": "m", "stream": True})
        request = read.request
        assert read.dropped == ("messages.content.citationsContent.citations",)
        assert [len(message.parts) for message in request.messages] == [1, 4, 4]
        assert (request.max_tokens, request.temperature, request.top_p, request.top_k) == (5, 0.5, 0.5, 3)
        assert (request.stop, request.parallel_tools, request.service_tier) == (("X",), False, "flex")
        assert (request.metadata, request.stream) == ({"a": "b"}, True)
        thinking, format, choice = request.thinking, request.output_format, request.tool_choice
        assert thinking is not None and (thinking.budget, thinking.effort) == (1024, "high")
        assert format is not None and (format.name, format.schema) == ("n", {"type": "object"})
        assert choice is not None and (choice.mode, choice.name) == ("tool", "f")
        assert (request.tools[0].strict, request.system[0].cache) == (True, "5m")
        assert request.messages[0].parts[0] == Text("a", cache="1h")
        assert request.messages[2].parts[1] == Document(Text("a,b"), "n")


@pytest.mark.parametrize(
    ("level", "thinking"), [("none", Thinking(False)), ("high", Thinking(True, effort="high"))], ids=["off", "on"]
)
def test_openai_effort_levels_turn_thinking_on_or_off(level: str, thinking: Thinking) -> None:
    """Unlike an effort of Claude, which alone leaves thinking off."""
    for more in ({"reasoning_effort": level}, {"reasoning": {"effort": level}}):
        read = CLIENT.read_request({**RICH["converse"], "additionalModelRequestFields": more})
        assert (read.request.thinking, read.dropped[1:]) == (thinking, ())


TOOLS = [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}]
OPTIONS: dict[str, tuple[Wire, str, Any]] = {
    "auto": ({"toolConfig": {"tools": TOOLS, "toolChoice": {"auto": {}}}}, "tool_choice", ToolChoice("auto")),
    "any": ({"toolConfig": {"tools": TOOLS, "toolChoice": {"any": {}}}}, "tool_choice", ToolChoice("required")),
    "no thinking": ({"additionalModelRequestFields": {"thinking": {"type": "disabled"}}}, "thinking", Thinking(False)),
}


@pytest.mark.parametrize(("members", "name", "value"), OPTIONS.values(), ids=OPTIONS)
def test_options_are_read(members: Wire, name: str, value: Any) -> None:
    hello = {"role": "user", "content": [{"text": "hello"}]}
    assert getattr(CLIENT.read_request({"messages": [hello], **members}).request, name) == value


OWN = {"reasoningContent": {"reasoningText": {"text": "t", "signature": "EqQB"}}}
PACKED = base64.b64encode(b"nexus.messages.abc").decode()
FOREIGN: dict[str, Wire] = {
    "signed": {"reasoningContent": {"reasoningText": {"text": "t", "signature": "nexus.gemini.abc"}}},
    "unsigned": {"reasoningContent": {"reasoningText": {"text": "t", "signature": "nexus.none."}}},
    "redacted": {"reasoningContent": {"redactedContent": PACKED}},
}


@pytest.mark.parametrize("block", FOREIGN.values(), ids=FOREIGN)
def test_passthrough_removes_thinking_of_other_vendors(block: Wire) -> None:
    said = {"role": "assistant", "content": [OWN, block, {"text": "a"}]}
    request = {"messages": [said, {"role": "assistant", "content": [block]}], "x": 1}
    edited = edit_request(encode(request), request, Target("m"))
    assert decode(edited.body) == {"messages": [{**said, "content": [OWN, {"text": "a"}]}], "x": 1}
    assert edited.dropped == ("messages.reasoningContent",)


def test_passthrough_leaves_bedrocks_own_thinking_unchanged() -> None:
    block = b'{"reasoningContent":{"reasoningText":{"text":"t","signature":"Eq"}}}'
    raw = b'{ "messages":[{"role":"assistant","content":[ ' + block + b" ]}]}"
    assert edit_request(raw, decode(raw), Target("m")).body == raw


def test_unsigned_thinking_is_recognized_when_it_returns() -> None:
    back = brought_back(whole(Response("i", "m", (Reasoning("t"),), Stop("end")))["output"]["message"])
    assert back == (Reasoning("t", None),)
