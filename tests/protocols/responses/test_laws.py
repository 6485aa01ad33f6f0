"""Single parts as vendors get them, token counts, and a check of the tests' own validation."""

from typing import Any

import pytest

from nexus.conversation.parts import (
    Audio,
    Document,
    Inline,
    Link,
    Message,
    Part,
    Reasoning,
    Request,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolResult,
)
from nexus.errors import UnsupportedFeature
from nexus.protocols.codec import Target
from nexus.protocols.responses.write_request import write_count, write_request

from .kit import check_count

TARGET = Target("gpt-5")


def test_a_token_count_request_has_the_same_prompt() -> None:
    hi, tool = Message("user", (Text("hi"),)), Tool("f", "d", {"type": "object", "properties": {}})
    request = Request((hi,), system=(Text("s"),), tools=(tool,), thinking=Thinking(True), max_tokens=99, stream=True)
    counted, written = write_count(request, TARGET), write_request(request, TARGET)
    check_count(counted)
    for name in ("model", "input", "tools"):
        assert counted[name] == written.body[name]
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


def test_failed_results_are_marked_as_failed() -> None:
    assert written(ToolResult("c", (Text("boom"),), True), role="user")[0]["output"] == "Error: boom"
    assert written(ToolResult("c", (), True), role="user")[0]["output"] == "Error: "
    several = written(ToolResult("c", (Text("boom"), Text("and more")), True), role="user")[0]["output"]
    assert [piece["text"] for piece in several] == ["Error: ", "boom", "and more"]


def test_results_and_texts_of_one_message_keep_their_order() -> None:
    items = written(Text("a"), ToolResult("c"), Text("b"), role="user")
    assert [item.get("output", item.get("content")) for item in items] == [
        [{"type": "input_text", "text": "a"}],
        "",
        [{"type": "input_text", "text": "b"}],
    ]


def test_text_documents_are_written_as_text() -> None:
    document = Document(Text("words"), "title", "context")
    assert written(document, role="user")[0]["content"] == [{"type": "input_text", "text": "title\n\ncontext\n\nwords"}]


@pytest.mark.parametrize(
    ("role", "part"), [("assistant", Document(Link("https://e.org/x"))), ("user", Audio(Inline("audio/flac", "AA==")))]
)
def test_unsupported_content_is_rejected_with_its_path(role: Any, part: Part) -> None:
    with pytest.raises(UnsupportedFeature) as refusal:
        written(part, role=role)
    assert refusal.value.param == "messages.0.content.0"


def test_tools_of_other_clients_are_not_strict_by_default() -> None:
    body = write_request(Request((), tools=(Tool("f"),)), TARGET).body
    parameters = {"type": "object", "properties": {}}
    assert body["tools"] == [{"type": "function", "name": "f", "parameters": parameters, "strict": False}]
