"""Vendors' error messages, in every shape that servers send."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from nexus.errors.failure import VendorFailure
from nexus.protocols import chat, converse, gemini, messages, responses  # noqa: F401 - the readers are in their submodules
from nexus.protocols.chat.read_error import read_error as read_chat
from nexus.protocols.converse.read_error import read_error as read_converse
from nexus.protocols.error_words import _NO_SUCH_MODEL, LONGEST, decode_error, error_words
from nexus.protocols.gemini.read_error import read_error as read_gemini
from nexus.protocols.messages.read_error import read_error as read_messages
from nexus.protocols.responses.read_error import read_error as read_responses


def passed_on(raw: Any) -> dict[str, Any]:
    """A vendor's error in OpenRouter's words, in which it is ``Provider returned error``."""
    return {"error": {"message": "Failed", "code": 400, "metadata": {"provider_name": "OpenAI", "raw": raw}}}


SHAPES: dict[str, tuple[Any, str]] = {
    "OpenAI": ({"error": {"message": "No such model.", "type": "x", "param": None}}, "No such model."),
    "Anthropic": ({"type": "error", "error": {"type": "x", "message": "Overloaded"}}, "Overloaded"),
    "Gemini, in a list": ([{"error": {"code": 400, "message": "Bad."}}], "Bad."),
    "Bedrock": ({"message": "Forbidden"}, "Forbidden"),
    "an older AWS service": ({"Message": "Denied"}, "Denied"),
    "Ollama": ({"error": "model not found"}, "model not found"),
    "vLLM": ({"object": "error", "message": "too long", "code": 400}, "too long"),
    "MiniMax": ({"choices": None, "base_resp": {"status_code": 1008, "status_msg": "no balance"}}, "no balance"),
    "FastAPI": ({"detail": "Not authenticated"}, "Not authenticated"),
    "FastAPI, validation": (
        {"detail": [{"loc": ["body", "messages", 0], "msg": "field required", "type": "missing"}]},
        "body.messages.0: field required",
    ),
    "FastAPI, two": (
        {"detail": [{"loc": ["body", "a"], "msg": "x"}, {"loc": ["body", "b"], "msg": "y"}]},
        "body.a: x; body.b: y",
    ),
    "FastAPI, an object": ({"detail": {"error": {"message": "inside"}}}, "inside"),
    "problem+json": ({"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "No."}, "Forbidden: No."),
    "problem+json without detail": ({"title": "Forbidden", "status": 403}, "Forbidden"),
    "OAuth": ({"error": "invalid_token", "error_description": "It expired."}, "invalid_token: It expired."),
    "a list of strings": ({"errors": ["one", "two"]}, "one; two"),
    "Cloudflare": ({"success": False, "errors": [{"code": 1, "message": "gone"}]}, "gone"),
    "OpenRouter": (passed_on('{"error": {"message": "Unsupported value", "code": "x"}}'), "Failed: Unsupported value"),
    "OpenRouter, an object": (passed_on({"error": {"message": "too long"}}), "Failed: too long"),
    "OpenRouter, no JSON": (passed_on("busy\nnow"), "Failed: busy now"),
    "OpenRouter, nothing": (passed_on(None), "Failed"),
    "a string": ("just words", "just words"),
    "unknown members": ({"oops": {"a": 1}}, '{"oops": {"a": 1}}'),
}
READERS: dict[str, Callable[[int, Mapping[str, str], bytes], VendorFailure]] = {
    "chat": read_chat,
    "messages": read_messages,
    "responses": read_responses,
    "gemini": read_gemini,
    "converse": read_converse,
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
def test_every_dialect_keeps_the_message(reader: Callable[[int, Mapping[str, str], bytes], VendorFailure]) -> None:
    read = {name: reader(400, {}, json.dumps(document).encode()).message for name, (document, _) in SHAPES.items()}
    assert read == {name: words for name, (_, words) in SHAPES.items()}


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"gemini"}))
@pytest.mark.parametrize("words", sorted(_NO_SUCH_MODEL))
def test_an_unknown_model_is_known_by_its_message(name: str, words: str) -> None:
    """Google answers 404."""
    failure = READERS[name](400, {}, json.dumps({"message": words}).encode())
    assert (failure.kind, failure.status) == ("model_not_found", 400)


PLAIN = {
    "text": (b"upstream connect error or disconnect/reset", "upstream connect error or disconnect/reset"),
    "lines": (b"  one\n\n two ", "one two"),
    "a page": (b"<html><head><title>502 Bad &amp; Gateway</title></head><body>x</body></html>", "502 Bad & Gateway"),
    "a page without a title": (b"<html><body><h1>Sorry</h1> gone</body></html>", "Sorry gone"),
    "broken JSON": (b'{"error": {"message": "cut', '{"error": {"message": "cut'),
    "bytes": (b"\xff\xfe", "\ufffd\ufffd"),
    "long": (b"x" * 10_000, "x" * LONGEST),
}


@pytest.mark.parametrize(("body", "words"), PLAIN.values(), ids=PLAIN.keys())
def test_a_body_that_is_not_json_gives_its_text(body: bytes, words: str) -> None:
    assert error_words(decode_error(body), body) == words


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"error": {}}', b'{"error": ""}'])
def test_an_empty_error_gives_no_message(body: bytes) -> None:
    assert error_words(decode_error(body), body) == ""


def test_nesting_depth_is_limited() -> None:
    document: Any = "deep"
    for _ in range(50):
        document = {"error": document}
    assert error_words(document, b"the first of its bytes") == "the first of its bytes"
