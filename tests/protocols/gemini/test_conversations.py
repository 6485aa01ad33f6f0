"""Messages: turns, media, tool calls and their results, signatures; checked against Google's types."""

import json
from typing import Any

import pytest

from nexus.conversation.parts import (
    Audio,
    Document,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Request,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)
from nexus.errors import UnsupportedFeature
from nexus.protocols.codec import Target
from nexus.protocols.gemini.read_stream import StreamReader
from nexus.protocols.gemini.signatures import PLACEHOLDER
from tests.protocols.kit import answer_from, origin

from .kit import RECORDED, assistant, system, target, user, wire, write

PNG = Inline("image/png", "aGVsbG8=")
SIG = "c2lnbmF0dXJl"
OLD, NEW, VERTEX = target("gemini-2.5-flash"), target("gemini-3.8-flash"), target("gemini-3.8-flash", vertex=True)
PLAIN = Target("some-model")
HI = user("hi")


def text(*words: str) -> list[dict[str, str]]:
    return [{"text": word} for word in words]


def call(id: str = "c1", name: str = "f", arguments: str = "{}", signature: Signature | None = None) -> ToolCall:
    return ToolCall(id, name, arguments, signature)


def result(id: str = "c1", *parts: Text | Image | Document | str, error: bool = False) -> ToolResult:
    return ToolResult(id, tuple(Text(part) if isinstance(part, str) else part for part in parts), is_error=error)


# System and turns


def test_system_blocks_stay_separate_blocks() -> None:
    body = write(Request((HI,), system=(Text("one"), Text(""), Text("two", cache="5m")))).body
    assert body["systemInstruction"] == {"parts": text("one", "two")}


def test_system_messages_are_written_in_place() -> None:
    before = (system("head"), HI, assistant("yo"), system("mid"), user("on"), system(""))
    messages = (*before, assistant("ok"), system("last"))
    body = write(Request(messages, system=(Text("top"),)), NEW).body
    assert body["systemInstruction"] == {"parts": text("top", "head")}
    assert [content["parts"] for content in body["contents"]] == [
        text("hi"),
        text("yo"),
        text("<system>\nmid\n</system>", "on"),
        text("ok"),
        text("<system>\nlast\n</system>"),
    ]


def test_prefill_is_written_or_rejected_by_model() -> None:
    assert wire(HI, assistant("It is"), to=OLD)[-1] == {"role": "model", "parts": text("It is")}
    with pytest.raises(UnsupportedFeature) as caught:
        wire(HI, assistant("It is"), to=NEW)
    assert caught.value.param == "messages.1"


# Media


def test_inline_media_are_written() -> None:
    parts = wire(
        user(
            Image(PNG),
            Document(Inline("application/pdf", "JVBE")),
            Audio(Inline("audio/wav", "UklG")),
            Document(Text("plain ü"), title="T", context="C"),
        )
    )[0]["parts"]
    assert parts == [
        {"inlineData": {"mimeType": "image/png", "data": "aGVsbG8="}},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "UklG"}},
        {"text": "Title: T\nContext: C"},
        {"inlineData": {"mimeType": "text/plain", "data": "cGxhaW4gw7w="}},
    ]


LINKS: dict[str, tuple[Part, Any, dict[str, str]]] = {
    "image": (
        Image(Link("https://example.com/a/b.JPG?x=1.png")),
        NEW,
        {"mimeType": "image/jpeg", "fileUri": "https://example.com/a/b.JPG?x=1.png"},
    ),
    "document": (
        Document(Link("https://example.com/paper")),
        OLD,
        {"mimeType": "application/pdf", "fileUri": "https://example.com/paper"},
    ),
    "youtube": (
        Image(Link("https://www.youtube.com/watch?v=x")),
        PLAIN,
        {"mimeType": "video/mp4", "fileUri": "https://www.youtube.com/watch?v=x"},
    ),
    "files api": (
        Image(Link("https://generativelanguage.googleapis.com/v1beta/files/x")),
        PLAIN,
        {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"},
    ),
    "bucket": (Image(Link("gs://b/o.png")), VERTEX, {"mimeType": "image/png", "fileUri": "gs://b/o.png"}),
    "http on vertex": (
        Image(Link("http://example.com/o.webp")),
        VERTEX,
        {"mimeType": "image/webp", "fileUri": "http://example.com/o.webp"},
    ),
}


@pytest.mark.parametrize("case", sorted(LINKS))
def test_links_that_the_vendor_fetches_are_written(case: str) -> None:
    part, to, file_data = LINKS[case]
    assert wire(user(part), to=to)[0]["parts"] == [{"fileData": file_data}]


@pytest.mark.parametrize(
    ("url", "to"),
    [
        ("https://example.com/a.png", target("gemini-2.0-flash")),
        ("http://example.com/a.png", NEW),
        ("gs://b/o.png", NEW),
        ("https://example.com/picture", NEW),
        ("https://example.com/.png", NEW),
        ("ftp://example.com/a.png", VERTEX),
        ("https://[broken/a.png", NEW),
    ],
)
def test_links_that_the_vendor_does_not_fetch_are_rejected(url: str, to: Any) -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        wire(user("see", Image(Link(url))), to=to)
    assert caught.value.param == "messages.0.content.1"


def test_image_detail_is_reported_as_dropped() -> None:
    assert write(Request((user(Image(PNG, detail="high")),))).dropped == ("messages.image.detail",)
    assert write(Request((user(Image(PNG, detail="auto")),))).dropped == ()


# Tool calls and results


def test_calls_and_results_are_written_without_ids_for_old_models() -> None:
    contents = wire(HI, assistant(call()), user(result("c1", "ok")), to=OLD)
    assert contents[1]["parts"] == [{"functionCall": {"name": "f", "args": {}}}]
    assert contents[2]["parts"] == [{"functionResponse": {"name": "f", "response": {"output": "ok"}}}]


def test_a_reused_id_refers_to_the_latest_call() -> None:
    contents = wire(
        HI, assistant(call("0", "f")), user(result("0", "a")), assistant(call("0", "g")), user(result("0", "b"))
    )
    names = [content["parts"][0]["functionResponse"]["name"] for content in contents[2::2]]
    assert names == ["f", "g"]


RESPONSES: dict[str, tuple[str, bool, dict[str, Any]]] = {
    "text": ("sunny", False, {"output": "sunny"}),
    "empty": ("", False, {"output": ""}),
    "object": ('{"t": 21.5, "ok": true, "n": null, "l": [1]}', False, {"t": 21.5, "ok": True, "n": None, "l": [1]}),
    "list": ("[1, 2]", False, {"output": "[1, 2]"}),
    "broken object": ('{"t": ', False, {"output": '{"t": '}),
    "object with a reserved key": ('{"error": 1, "b": 2}', False, {"output": {"error": 1, "b": 2}}),
    "number beyond a double": ('{"id": [12345678901234567890]}', False, {"output": '{"id": [12345678901234567890]}'}),
    "error text": ("boom", True, {"error": "boom"}),
    "error object": ('{"code": 7}', True, {"error": {"code": 7}}),
}


@pytest.mark.parametrize("case", sorted(RESPONSES))
def test_text_results_are_written(case: str) -> None:
    words, error, response = RESPONSES[case]
    contents = wire(HI, assistant(call()), user(result("c1", words, error=error)))
    assert contents[2]["parts"][0]["functionResponse"]["response"] == response


def test_several_texts_of_a_result_are_joined() -> None:
    contents = wire(HI, assistant(call()), user(result("c1", "a", "b")))
    assert contents[2]["parts"][0]["functionResponse"]["response"] == {"output": "a\nb"}


def test_images_follow_the_results_for_old_models() -> None:
    contents = wire(
        HI, assistant(call(), call("c2", "g")), user("x", result("c1", Image(PNG)), result("c2", "ok")), to=OLD
    )
    assert contents[2]["parts"] == [
        {"functionResponse": {"name": "f", "response": {"output": ""}}},
        {"functionResponse": {"name": "g", "response": {"output": "ok"}}},
        {"text": "Attached to the result of f:"},
        {"inlineData": {"mimeType": "image/png", "data": "aGVsbG8="}},
        {"text": "x"},
    ]


def test_media_that_a_result_cannot_hold_follow_it() -> None:
    heic = Image(Inline("image/heic", "R0lG"))
    linked = Image(Link("https://example.com/a.png"))
    titled = Document(Text("d"), title="T")
    parts = wire(HI, assistant(call()), user(result("c1", heic, linked, titled)))[2]["parts"]
    assert "parts" not in parts[0]["functionResponse"]
    assert [next(iter(part)) for part in parts[1:]] == ["text", "inlineData", "fileData", "text", "inlineData"]


# Signatures


@pytest.mark.parametrize("case", ["text", "thinking", "tools"])
def test_an_answer_goes_back_unchanged(case: str) -> None:
    answer = RECORDED.answer(case)
    response = answer_from(answer, StreamReader(origin()))
    results = [ToolResult(part.id) for part in response.parts if isinstance(part, ToolCall)]
    sent = wire(HI, Message("assistant", response.parts), user(*results, "go on"))[1]["parts"]
    # Thought summaries have no signature and are not sent back.
    assert sent == [part for part in answer["candidates"][0]["content"]["parts"] if not part.get("thought")]


def test_every_turn_with_calls_gets_a_placeholder_signature() -> None:
    contents = wire(
        HI,
        assistant(call("c1")),
        user(result("c1")),
        assistant(call("c2"), call("c3")),
        user(result("c2"), result("c3")),
    )
    found = [
        part.get("thoughtSignature") for content in contents if content["role"] == "model" for part in content["parts"]
    ]
    assert found == [PLACEHOLDER, PLACEHOLDER, None]


def test_models_that_need_no_placeholder_get_none() -> None:
    assert PLACEHOLDER not in json.dumps(wire(HI, assistant(call()), user(result()), to=OLD))


def test_a_users_text_is_sent_without_a_signature() -> None:
    assert wire(user(Text("hi", signature=Signature("gemini", SIG))))[0]["parts"] == text("hi")
