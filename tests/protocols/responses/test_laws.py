"""read(write(x)) == x for requests in their normal form, counting, and the judge's own honesty.

The normal form: an assistant's turn is not followed by another, its text has words, reasoning is signed by this
dialect and leads to something, results are not followed by other parts of the same message,
functions say whether they are strict.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nexus.conversation.parts import (
    Audio,
    Document,
    Image,
    Inline,
    Link,
    Message,
    OutputFormat,
    Part,
    Reasoning,
    Refusal,
    Request,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from nexus.errors import UnsupportedFeature
from nexus.protocols.codec import Target
from nexus.protocols.custom_tools import write_input
from nexus.protocols.responses.count import write_count
from nexus.protocols.responses.read_request import read_request
from nexus.protocols.responses.write_request import write_request
from tests.examples import examples

from .kit import check_count, check_request

TARGET = Target("gpt-5")
WORDS = st.text(alphabet="ab \n\u2028é<>", max_size=6).map(lambda words: f"{words}.")
INLINE = st.builds(Inline, st.sampled_from(["image/png", "image/webp"]), st.just("AA=="))
LINKS = st.just(Link("https://e.org/x"))
TEXTS = st.builds(Text, WORDS)
IMAGES = st.builds(Image, INLINE | LINKS, st.sampled_from(["auto", "low"]))
DOCUMENTS = st.builds(Document, st.just(Inline("application/pdf", "AA==")), title=WORDS) | st.builds(
    Document, LINKS, title=st.none() | WORDS
)
AUDIO = st.builds(Audio, st.just(Inline("audio/wav", "AA==")))
MEDIA = TEXTS | IMAGES | DOCUMENTS
REASONING = st.builds(Reasoning, st.just("") | WORDS, st.builds(Signature, st.just("responses"), WORDS))
CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}
TOOLS = read_request(
    {
        "model": "m",
        "input": "x",
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": CLOSED, "strict": True},
            {"type": "custom", "name": "patch", "description": "d"},
            {
                "type": "namespace",
                "name": "ns",
                "description": "about",
                "tools": [
                    {"type": "function", "name": "g", "parameters": None, "strict": False},
                    {"type": "custom", "name": "h"},
                ],
            },
        ],
    }
).request.tools


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    messages: list[Message] = []
    calls: list[ToolCall] = []
    for turn in range(draw(st.integers(1, 3))):
        results = tuple(ToolResult(call.id, tuple(draw(st.lists(MEDIA, max_size=2)))) for call in reversed(calls))
        if results:
            messages.append(Message("user", results))
        for _ in range(draw(st.integers(0 if results else 1, 2))):
            asked = draw(
                st.lists(MEDIA | st.builds(Audio, st.just(Inline("audio/wav", "AA=="))), min_size=1, max_size=2)
            )
            messages.append(Message("user", tuple(asked)))
        if draw(st.integers(0, 4)) == 0:
            messages.append(Message("system", (draw(TEXTS),)))
        calls = []
        for number in range(draw(st.integers(0, 2))):
            name = draw(st.sampled_from([tool.name for tool in TOOLS] + ["gone"]))
            arguments = write_input(draw(WORDS)) if name in ("patch", "ns__h") else draw(st.sampled_from(["{}", "x"]))
            calls.append(ToolCall(f"call_{turn}_{number}", name, arguments))
        said: list[Part] = [*draw(st.lists(REASONING | TEXTS | st.builds(Refusal, WORDS), max_size=3)), *calls]
        if said and isinstance(said[-1], Reasoning):
            said.append(Text("so."))
        messages.append(Message("assistant", tuple(said or [Text("so.")])))
    return (*messages, Message("user", (draw(TEXTS),)))


REQUESTS = st.builds(
    Request,
    messages=conversations(),
    system=st.lists(TEXTS, max_size=2).map(tuple),
    tools=st.just(TOOLS),
    tool_choice=st.sampled_from(
        [None, ToolChoice("auto"), ToolChoice("required"), *(ToolChoice("tool", tool.name) for tool in TOOLS)]
    ),
    parallel_tools=st.none() | st.booleans(),
    thinking=st.none()
    | st.builds(Thinking, st.just(True), effort=st.sampled_from(["minimal", "high", "max"]), visible=st.booleans())
    | st.sampled_from([Thinking(True), Thinking(False)]),
    output_format=st.none() | st.sampled_from([OutputFormat(), OutputFormat(CLOSED, "n", "d", True)]),
    max_tokens=st.none() | st.integers(16, 9999),
    temperature=st.none() | st.just(0.5),
    user=st.none() | WORDS,
    metadata=st.just({}) | st.just({"a": "b"}),
    service_tier=st.sampled_from([None, "auto", "flex"]),
)


@examples(200)
@given(REQUESTS, st.booleans())
def test_reading_what_was_written(request: Request, stream: bool) -> None:
    request = replace(request, stream=stream, include_usage=stream)
    written = write_request(request, TARGET)
    check_request(without_audio(written.body))
    assert written.dropped == ()
    read = read_request(json.loads(json.dumps(written.body)))
    assert (read.request, read.dropped) == (request, ())


def without_audio(body: dict[str, Any]) -> dict[str, Any]:
    """The published type of messages has no audio yet, though there is a type for it."""
    items = []
    for item in body["input"]:
        content = item.get("content")
        if isinstance(content, list):
            item = item | {"content": [part for part in content if part["type"] != "input_audio"]}
        items.append(item)
    return body | {"input": items}


@examples(50)
@given(REQUESTS)
def test_counting_sends_the_same_prompt(request: Request) -> None:
    counted, written = write_count(request, TARGET), write_request(request, TARGET)
    check_count(without_audio(counted))
    for name in ("model", "input", "tools"):
        assert counted.get(name) == written.body.get(name)
    assert "store" not in counted
    assert "stream" not in counted


def written(*parts: Part, role: Any = "assistant") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = write_request(Request((Message(role, parts),)), TARGET).body["input"]
    return items


def test_foreign_reasoning_is_never_sent() -> None:
    foreign = (Reasoning("x", Signature("messages", "s")), Reasoning("x"), Reasoning("", Signature("responses", "")))
    assert written(*foreign, Text("kept", signature=Signature("gemini", "t"))) == [
        {"role": "assistant", "content": "kept"}
    ]


def test_results_say_that_they_failed() -> None:
    assert written(ToolResult("c", (Text("boom"),), True), role="user")[0]["output"] == "Error: boom"
    assert written(ToolResult("c", (), True), role="user")[0]["output"] == "Error: "


def test_results_and_words_of_one_message_keep_their_order() -> None:
    items = written(Text("a"), ToolResult("c"), Text("b"), role="user")
    assert [item.get("output", item.get("content")) for item in items] == [
        [{"type": "input_text", "text": "a"}],
        "",
        [{"type": "input_text", "text": "b"}],
    ]


def test_documents_without_a_form_of_their_own_are_text() -> None:
    document = Document(Text("words"), "title", "context")
    assert written(document, role="user")[0]["content"] == [{"type": "input_text", "text": "title\n\ncontext\n\nwords"}]


@pytest.mark.parametrize(
    ("role", "part"), [("assistant", Document(Link("https://e.org/x"))), ("user", Audio(Inline("audio/flac", "AA==")))]
)
def test_what_has_no_place_is_refused_by_its_path(role: Any, part: Part) -> None:
    with pytest.raises(UnsupportedFeature) as refusal:
        written(part, role=role)
    assert refusal.value.param == "messages.0.content.0"


def test_tools_of_other_clients_are_never_strict_by_default() -> None:
    body = write_request(Request((), tools=(Tool("f"),)), TARGET).body
    assert body["tools"] == [{"type": "function", "name": "f", "parameters": None, "strict": False}]


@pytest.mark.parametrize(
    "broken",
    [
        {"input": [{"type": "message", "role": "tool", "content": []}]},
        {"input": [{"type": "message", "role": "user", "content": [{"type": "text", "text": "x"}]}]},
        {"tools": [{"type": "function", "name": "f", "function": {}}]},
        {"tool_choice": {"type": "tool"}},
        {"seed": 1},
    ],
)
def test_the_judge_sees_what_is_wrong(broken: dict[str, Any]) -> None:
    plain = write_request(Request((Message("user", (Text("x"),)),)), TARGET).body
    check_request(plain)
    with pytest.raises((ValidationError, AssertionError)):
        check_request(plain | broken)
