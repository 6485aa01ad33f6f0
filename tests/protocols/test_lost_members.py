"""Members of content that no other vendor has are reported as dropped, wherever a client sends them."""

from typing import Any

import pytest

from nexus.protocols import loader
from nexus.wire import Json

IMAGE = "data:image/png;base64,QQ=="
BLOB: dict[str, Json] = {"mimeType": "image/png", "data": "QQ=="}
CALL: dict[str, Json] = {"id": "c", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}"}}
NEW: dict[str, Json] = {"shiny": "x"}


def said(content: Json, key: str = "content", role: str = "user") -> Json:
    return {"role": role, key: content}


def given(kind: str, value: Json, **more: Json) -> Json:
    return said([{"type": kind, kind: value, **more}])


LOST: dict[str, tuple[str, Json, str]] = {
    "chat, a part": ("chat", given("text", "x", **NEW), "messages.content.shiny"),
    "chat, an image": ("chat", given("image_url", {"url": IMAGE, **NEW}), "messages.content.image_url.shiny"),
    "chat, the name of an image": (
        "chat",
        given("file", {"file_data": IMAGE, "filename": "x.png"}),
        "messages.content.file.filename",
    ),
    "chat, a call": ("chat", said([CALL | NEW], "tool_calls", "assistant"), "messages.tool_calls.shiny"),
    "chat, a function": (
        "chat",
        said([CALL | {"function": {"name": "f", **NEW}}], "tool_calls", "assistant"),
        "messages.tool_calls.function.shiny",
    ),
    "messages, a source": (
        "messages",
        given("image", None, source={"type": "base64", "media_type": "image/png", "data": "QQ==", **NEW}),
        "messages.content.source.shiny",
    ),
    "responses, the name of an image": (
        "responses",
        said([{"type": "input_file", "file_data": IMAGE, "filename": "x.png"}]),
        "input.content.filename",
    ),
    "gemini, the name of an image": (
        "gemini",
        said([{"inlineData": BLOB | {"displayName": "x"}}], "parts"),
        "contents.parts.inlineData.displayName",
    ),
    "gemini, the name of a linked image": (
        "gemini",
        said([{"fileData": {"mimeType": "image/png", "fileUri": "https://a.test/x", "displayName": "x"}}], "parts"),
        "contents.parts.fileData.displayName",
    ),
    "converse, an image": (
        "converse",
        said([{"image": {"format": "png", "source": {"bytes": "QQ=="}, "error": {"message": "m"}}}]),
        "messages.content.image.error",
    ),
    "converse, an image in a result": (
        "converse",
        said([{"toolResult": {"toolUseId": "c", "content": [{"searchResult": {"content": [], **NEW}}]}}]),
        "messages.content.searchResult.shiny",
    ),
}
HISTORY = {"responses": "input", "gemini": "contents"}


@pytest.mark.parametrize(("client", "message", "name"), LOST.values(), ids=LOST.keys())
def test_it_is_reported(client: str, message: Any, name: str) -> None:
    body: dict[str, Json] = {"model": "m", HISTORY.get(client, "messages"): [message]}
    body |= {"max_tokens": 9} if client == "messages" else {}
    assert loader.client(client).read(body, None).dropped == (name,)
