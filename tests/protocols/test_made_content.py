"""Images that models generate and pages that they cite, from every vendor to every client, whole and streamed.

They go through the whole lane and are read by the clients' own SDKs.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from openai._models import construct_type_unchecked
from openai.types.responses import Response

from nexus.conversation.parts import Image, Inline, Link, Message, Request, Signature, Text
from nexus.models.chat_server import ChatServer
from nexus.models.gemini import Gemini
from nexus.protocols import loader
from nexus.protocols.codec import Target
from nexus.protocols.gemini.signatures import PLACEHOLDER
from nexus.protocols.loader import DIALECTS
from nexus.wire import Json, decode, encode
from tests.laws.items import accumulated
from tests.laws.kit import CLIENTS, Turn, echo, echo_stream, frames, origin, read, stream_of, write
from tests.laws.test_fixtures import FIXTURES, lane, run
from tests.protocols.kit import answer_from, envelope

PNG = "iVBORw0KGgo="
URL = f"data:image/png;base64,{PNG}"


def answered(client: str, name: str, *, stream: bool) -> tuple[Turn, list[str]]:
    """What the client's SDK makes of a recorded answer, and what was reported as dropped."""
    relay = lane(client, name, stream=stream)
    path = FIXTURES / name
    if not stream:
        raw = relay.body((path / "upstream.json").read_bytes())
        told = _whole(client, decode(raw))
    else:
        (source,) = [path / f"upstream.{kind}" for kind in ("sse", "jsonl") if (path / f"upstream.{kind}").exists()]
        written = run(relay, stream_of(source)) + relay.finish()
        told = _streamed(client, written)
    return told, relay._attempt.dropped


def _whole(client: str, answer: Mapping[str, Json]) -> Turn:
    return {"output": answer["output"]} if client == "responses" else echo(client, answer)[0]


def _streamed(client: str, written: bytes) -> Turn:
    if client != "responses":
        return echo_stream(client, written)[0]
    response = accumulated(frames(written))[-1].response
    return {"output": construct_type_unchecked(type_=Response, value=response).to_dict()["output"]}


def images(client: str, told: Turn) -> list[str]:
    """The images, or the text that replaces them."""
    match client:
        case "chat":
            return [image["image_url"]["url"] for image in told.get("images") or ()]
        case "messages":
            return [block["text"] for block in told["content"] if "image" in block.get("text", "")]
        case _:
            made = [item["result"] for item in told["output"] if item["type"] == "image_generation_call"]
            return [*made, *(words for words, _ in _texts(told) if "image" in words)]


def _texts(told: Turn) -> list[tuple[str, list[Any]]]:
    return [
        (part["text"], part["annotations"])
        for item in told["output"]
        if item["type"] == "message"
        for part in item["content"]
    ]


WORDS = "[The model made an image of type image/png, which this protocol does not support.]"
LINKED = "[The model made an image, https://e.org/made.webp, which this protocol does not support.]"
GEMINI, OPENROUTER = "gemini/image_output", "chat/openrouter-images"
IMAGES: Mapping[tuple[str, str], tuple[list[str], list[str]]] = {
    (GEMINI, "chat"): (["data:image/png;base64,aGVsbG8="], []),
    (GEMINI, "responses"): (["aGVsbG8="], []),
    (GEMINI, "messages"): ([WORDS], ["images"]),
    (OPENROUTER, "responses"): ([PNG, LINKED], ["images"]),
    (OPENROUTER, "messages"): ([WORDS, LINKED], ["images", "images"]),
    ("converse/image_output", "chat"): (["data:image/png;base64,iVBORw0KGgpzb21lIG1vcmU="], []),
    ("converse/image_output", "responses"): (["iVBORw0KGgpzb21lIG1vcmU="], []),
    ("converse/image_output", "messages"): ([WORDS], ["images"]),
    ("responses/image_generation", "chat"): (["data:image/webp;base64,UklGRg=="], []),
    ("responses/image_generation", "messages"): ([WORDS.replace("png", "webp")], ["images"]),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("vendor", "client"), IMAGES)
def test_an_image_reaches_the_client_or_is_reported_as_dropped(vendor: str, client: str, stream: bool) -> None:
    expected, lost = IMAGES[vendor, client]
    told, dropped = answered(client, vendor, stream=stream)
    assert images(client, told) == expected
    assert [name for name in dropped if name == "images"] == lost


def cited(client: str, told: Turn) -> list[tuple[str, str, str]]:
    """The cited words, with the title and address of their source."""
    match client:
        case "chat":
            content = told["content"]
            entries = [entry["url_citation"] for entry in told.get("annotations") or ()]
            return [(content[one["start_index"] : one["end_index"]], one["title"], one["url"]) for one in entries]
        case "messages":
            found = [(block["text"], one) for block in told["content"] for one in block.get("citations") or ()]
            assert all(one["type"] == "web_search_result_location" for _, one in found)
            return [(words, one["title"], one["url"]) for words, one in found]
        case _:
            return [
                (words[one["start_index"] : one["end_index"]], one["title"], one["url"])
                for words, annotations in _texts(told)
                for one in annotations
            ]


A, B, S = ("A", "https://e.org/a"), ("B", "https://e.org/b"), ("S", "https://e.org/s")
CITED: Mapping[str, list[tuple[str, str, str]]] = {
    "gemini/grounding": [("🎈: 5 m.", *A), ("🎈: 5 m.", *B), ("Gewicht: 3 kg.", *B)],
    "chat/url-citations": [("Größe 5", *A), ("🎈 ist B", *B)],
    "chat/perplexity-sources": [("It is 5 m.[1][2]", *A), ("It is 5 m.[1][2]", "https://e.org/b", "https://e.org/b")],
    "messages/citations": [("5 m 🎈.", *A), ("5 m 🎈.", *S)],
    "converse/web_citations": [("It grew by 3 %.", *A), ("It grew by 3 %.", *S)],
    "responses/web_search": [("Found", "t", "https://e.org")],
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("vendor", "client"), [(vendor, client) for vendor in CITED for client in CLIENTS if not vendor.startswith(client)]
)
def test_the_client_gets_the_citations(vendor: str, client: str, stream: bool) -> None:
    told, dropped = answered(client, vendor, stream=stream)
    found = cited(client, told)
    if client == "messages":
        # Messages clients get citations for whole blocks.
        assert [url for _, _, url in found] == [url for _, _, url in CITED[vendor]]
    else:
        assert found == CITED[vendor]
    assert not {"annotations", "citations"} & set(dropped)


def test_citations_after_the_end_of_a_text_are_reported_if_the_client_cannot_get_them() -> None:
    """A call ends the text before Gemini sends its sources."""
    chunk = {"groundingChunks": [{"web": {"uri": "https://e.org/a", "title": "A"}}]}
    ground = {**chunk, "groundingSupports": [{"segment": {"endIndex": 1}, "groundingChunkIndices": [0]}]}
    parts = [{"text": "b"}, {"functionCall": {"name": "f"}}]
    candidate = {"content": {"parts": parts}, "finishReason": "STOP", "groundingMetadata": ground}
    answer = encode({"candidates": [candidate]}).decode()
    told: dict[str, tuple[int, bool]] = {}
    for client in CLIENTS:
        relay = lane(client, GEMINI, stream=True)
        (frame, *_) = stream_of(FIXTURES / GEMINI / "upstream.sse")
        written = relay.frame(replace(frame, data=answer)) + relay.finish()
        told[client] = len(cited(client, _streamed(client, written))), "citations" in relay._attempt.dropped
    assert told == {"chat": (1, False), "messages": (0, True), "responses": (0, True)}


def test_foreign_citations_that_a_messages_client_returns_never_reach_claude() -> None:
    told, _ = answered("messages", "chat/url-citations", stream=False)
    own = {"type": "web_search_result_location", "encrypted_index": "E", "url": "https://e.org", "title": None}
    blocks = [*told["content"], {"type": "text", "text": "x", "citations": [{**own, "cited_text": "c"}]}]
    document = {"model": "m", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": blocks}]}
    edited = DIALECTS["messages"].passing.edit_request(encode(document), document, Target("claude"))
    first, second = decode(edited.body)["messages"][1]["content"]
    assert first == {"type": "text", "text": "Größe 5 🎈 ist B."}
    assert second == blocks[1]
    assert edited.dropped == ("messages.citations",)


# Histories

SIGNED = {"google": {"thought_signature": "c2ln"}}
HISTORIES: Mapping[str, Callable[[], Mapping[str, Any]]] = {
    "chat": lambda: {
        "messages": [
            {"role": "user", "content": "draw"},
            {
                "role": "assistant",
                "content": "Here",
                "images": [{"type": "image_url", "image_url": {"url": URL}, "index": 0, "extra_content": SIGNED}],
            },
            {"role": "user", "content": "bluer"},
        ]
    },
    "responses": lambda: {
        "input": [
            {"role": "user", "content": "draw"},
            {"role": "assistant", "content": "Here"},
            {"type": "reasoning", "summary": [], "encrypted_content": "nexus.next.gemini.c2ln"},
            {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PNG},
            {"role": "user", "content": "bluer"},
        ]
    },
}
MADE = Image(Inline("image/png", PNG), signature=Signature("gemini", "c2ln"))
UNSEEN = "[Here was an image of type image/png, which this model cannot see.]"


@pytest.mark.parametrize("client", HISTORIES)
def test_an_image_in_a_history_is_read(client: str) -> None:
    request = read(client, {"model": "m", **HISTORIES[client]()}).request
    assert request.messages[1] == Message("assistant", (Text("Here"), MADE))


ASKED = Request((Message("user", (Text("draw"),)), Message("assistant", (MADE,)), Message("user", (Text("bluer"),))))
GOES: Mapping[str, tuple[Target, Any, tuple[str, ...]]] = {
    "gemini": (
        Target("gemini-3-pro-image", gemini=Gemini(thought_signatures=True)),
        {
            "role": "model",
            "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}, "thoughtSignature": "c2ln"}],
        },
        (),
    ),
    "gemini, unsigned": (
        Target("gemini-3-pro-image", gemini=Gemini(thought_signatures=True)),
        {
            "role": "model",
            "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}, "thoughtSignature": PLACEHOLDER}],
        },
        (),
    ),
    "chat": (Target("m"), {"role": "assistant", "content": UNSEEN}, ("messages.images",)),
    "chat, where images are taken back": (
        Target("m", chat=ChatServer(output_images=True)),
        {"role": "assistant", "content": "", "images": [{"type": "image_url", "image_url": {"url": URL}}]},
        (),
    ),
    "messages": (
        Target("claude-sonnet-4-5"),
        {"role": "assistant", "content": [{"type": "text", "text": UNSEEN}]},
        ("messages.images",),
    ),
    "converse": (Target("m"), {"role": "assistant", "content": [{"text": UNSEEN}]}, ("messages.images",)),
    "responses": (
        Target("gpt-5.5"),
        {
            "type": "image_generation_call",
            "id": "ig_22ed8ae0cd7f4b3a6a7d2ca4b13b1d7d",
            "status": "completed",
            "result": PNG,
        },
        (),
    ),
}
_HISTORY = {"gemini": "contents", "responses": "input"}


@pytest.mark.parametrize("case", GOES)
def test_an_image_in_a_history_is_sent_to_vendors_that_accept_it(case: str) -> None:
    target, expected, lost = GOES[case]
    vendor = case.partition(",")[0]
    asked = ASKED
    if "unsigned" in case:
        unsigned = Message("assistant", (replace(MADE, signature=None),))
        asked = replace(ASKED, messages=(ASKED.messages[0], unsigned, ASKED.messages[2]))
    written = write(vendor, asked, target)
    found = written.body[_HISTORY.get(vendor, "messages")][1]
    if vendor == "responses":
        assert found["id"].startswith("ig_")
        found = {**found, "id": expected["id"]}
    assert (found, written.dropped) == (expected, lost)


def test_a_vendors_own_image_returns_with_its_own_id() -> None:
    body = json.loads((FIXTURES / "responses/image_generation/upstream.json").read_bytes())
    answer = answer_from(body, loader.vendor("responses").stream_reader(origin()))
    chat = loader.client("chat").write_response(answer, envelope())
    back = read("chat", {"model": "m", "messages": [{"role": "user", "content": "q"}, *echo("chat", chat)]}).request
    assert answer.parts[0] in back.messages[1].parts
    sent = write("responses", back, Target("gpt-5.5")).body["input"]
    assert [item["id"] for item in sent if item.get("type") == "image_generation_call"] == ["ig_1"]


def test_gemini_gets_a_text_for_a_linked_image_that_it_does_not_fetch() -> None:
    """Rejecting the request would also reject every later request of the conversation."""
    linked = Message("assistant", (Image(Link("https://e.org/a.png")),))
    written = write("gemini", Request((ASKED.messages[0], linked, ASKED.messages[2])), Target("gemini-2.0-flash"))
    words = "[Here was an image, https://e.org/a.png, which this model cannot see.]"
    assert written.body["contents"][1] == {"role": "model", "parts": [{"text": words}]}
    assert written.dropped == ("messages.images",)


@pytest.mark.parametrize("result", [None, ""])
def test_an_image_call_without_its_image_is_reported_as_dropped(result: str | None) -> None:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "failed", "result": result}
    found = read("responses", {"model": "m", "input": [{"role": "user", "content": "q"}, item]})
    assert found.dropped == ("input.image_generation_call",)
    assert len(found.request.messages) == 1
