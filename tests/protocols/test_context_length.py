"""Conversations that are too long, in the words of every known vendor, and errors with other words.

A case covers each phrase of the table; a case is a vendor's complete answer, as observed.
"""

import json
import re
import tomllib
from collections.abc import Callable

import pytest

from nexus.errors import VendorError
from nexus.errors.failure import VendorFailure
from nexus.protocols import context_length, loader
from nexus.protocols.chat.read_error import read_stream_error as read_chat_stream_error
from nexus.protocols.converse.read_error import read_stream_error as read_converse_stream_error
from nexus.protocols.gemini.read_error import read_stream_error as read_gemini_stream_error
from nexus.protocols.messages.read_error import read_stream_error
from nexus.protocols.messages.write_error import write_error as write_messages
from nexus.protocols.openai_protocol import write_error as write_openai
from nexus.protocols.responses.read_error import read_stream_error as read_responses_stream_error
from tests.laws.test_fixtures import FIXTURES

CLAUDE_CODE_COMPACTS = re.compile(r"prompt is too long[^0-9]*(\d+)\s*tokens?\s*>\s*(\d+)", re.IGNORECASE)
CLAUDE_CODE_ASKS_FOR_LESS = re.compile(r"input length and `max_tokens` exceed context limit: (\d+) \+ (\d+) > (\d+)")
"""The patterns of Claude Code 2.1.197."""

SAID: dict[str, tuple[str, tuple[int, ...]]] = {
    vendor: (words, tuple(numbers))
    for vendor, (words, numbers) in tomllib.loads((FIXTURES / "too_long.toml").read_text()).items()
}

OTHERS = (
    "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens",
    "max_tokens is too large: 100000. This model supports at most 16384 completion tokens.",
    "The maximum tokens you requested exceeds the model limit of 2048.",
    "Unable to submit request because it has a maxOutputTokens value of 100000 but the supported range is 1 to 65536",
    "messages.1.content.0.image.source.base64: image exceeds 5 MB maximum",
    "A maximum of 100 PDF pages may be provided.",
    "Too many tokens, please wait before trying again.",
    "tools.0.name: String should have at most 128 characters",
    "string too long. Expected a string with maximum length 64",
    "Request payload size exceeds the limit: 20971520 bytes.",
    "",
)

Read = Callable[[str], VendorFailure]


def _answers(dialect: str, body: Callable[[str], object]) -> Read:
    return lambda words: loader.vendor(dialect).read_error(400, {}, json.dumps(body(words)).encode())


READERS: dict[str, Read] = {
    "chat": _answers(
        "chat", lambda words: {"error": {"message": words, "type": "invalid_request_error", "code": None}}
    ),
    "chat, vLLM": _answers(
        "chat", lambda words: {"object": "error", "message": words, "type": "BadRequestError", "code": 400}
    ),
    "chat, Ollama": _answers("chat", lambda words: {"error": words}),
    "chat, in band": lambda words: read_chat_stream_error({"error": {"message": words}}),
    "responses": _answers("responses", lambda words: {"error": {"message": words, "type": "invalid_request_error"}}),
    "responses, in band": lambda words: read_responses_stream_error({"error": {"message": words}}),
    "messages": _answers(
        "messages", lambda words: {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
    ),
    "messages, in band": lambda words: read_stream_error(
        {"error": {"type": "invalid_request_error", "message": words}}
    ),
    "gemini": _answers(
        "gemini", lambda words: {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": words}}
    ),
    "gemini, in band": lambda words: read_gemini_stream_error(
        {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": words}}
    ),
    "converse": _answers("converse", lambda words: {"__type": "ValidationException", "message": words}),
    "converse, in band": lambda words: read_converse_stream_error("validationException", {"message": words}),
}


@pytest.mark.parametrize("reader", READERS)
def test_it_is_recognized_in_every_dialect_and_keeps_its_words(reader: str) -> None:
    for case, (words, _) in SAID.items():
        failure = READERS[reader](words)
        assert (failure.kind, failure.status, failure.message) == ("context_length", 400, words), case


@pytest.mark.parametrize("case", SAID)
def test_claude_code_gets_the_message_that_it_recognizes(case: str) -> None:
    words, numbers = SAID[case]
    told = json.loads(write_messages(VendorError(VendorFailure(words, "context_length", 400)), "req_1"))["error"]
    assert told["type"] == "invalid_request_error"
    assert told["message"].endswith(words)
    compacts, less = CLAUDE_CODE_COMPACTS.search(told["message"]), CLAUDE_CODE_ASKS_FOR_LESS.search(told["message"])
    if len(numbers) == 3:
        assert less is not None and tuple(map(int, less.groups())) == numbers
    elif numbers:
        assert compacts is not None and tuple(map(int, compacts.groups())) == numbers
    else:
        assert told["message"].startswith("prompt is too long: ") and compacts is None


def test_openai_clients_get_the_code_and_the_vendors_words() -> None:
    for case, (words, _) in SAID.items():
        told = json.loads(write_openai(VendorError(VendorFailure(words, "context_length", 400))))["error"]
        assert (told["code"], told["message"]) == ("context_length_exceeded", words), case


def test_a_message_that_claude_code_recognizes_is_not_prefixed() -> None:
    for case in ("Anthropic", "Anthropic, no room", "Bedrock Claude"):
        assert context_length.worded(SAID[case][0]) == SAID[case][0]


def test_every_phrase_has_a_case() -> None:
    phrases = [one.says for family in context_length.FAMILIES.values() for one in family]
    met = {next(phrase for phrase in phrases if phrase in words.lower()) for words, _ in SAID.values()}
    assert met == set(phrases)
    assert all(phrase == phrase.lower() for phrase in phrases)


@pytest.mark.parametrize("reader", READERS)
def test_other_words_are_not_recognized(reader: str) -> None:
    assert [words for words in OTHERS if READERS[reader](words).kind == "context_length"] == []


CODED = [
    ("chat", 429, {"error": {"message": "@", "code": "rate_limit_exceeded"}}, "rate_limit"),
    ("chat", 400, {"error": {"message": "@", "code": "content_filter"}}, "content_policy"),
    ("chat", 500, {"error": {"message": "@"}}, "upstream"),
    ("messages", 403, {"error": {"type": "permission_error", "message": "@"}}, "permission"),
    ("gemini", 429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "@"}}, "rate_limit"),
    ("converse", 429, {"__type": "ThrottlingException", "message": "@"}, "rate_limit"),
    ("responses", 404, {"error": {"message": "@", "code": "model_not_found"}}, "model_not_found"),
]


@pytest.mark.parametrize(("dialect", "status", "body", "kind"), CODED)
def test_a_more_specific_code_overrides_the_words(dialect: str, status: int, body: object, kind: str) -> None:
    raw = json.dumps(body).replace("@", "prompt is too long: 9 tokens > 8 maximum").encode()
    failure = loader.vendor(dialect).read_error(status, {}, raw)
    assert (failure.kind, failure.status) == (kind, status)


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages", "gemini", "converse"])
def test_413_is_too_many_tokens_or_too_many_bytes(dialect: str) -> None:
    """Too many tokens becomes context_length; too many bytes stays a 413, which Claude Code handles differently."""
    groq = json.dumps({"error": {"message": "Please reduce the length of the messages or completion."}})
    groq = groq if dialect != "converse" else json.dumps({"message": json.loads(groq)["error"]["message"]})
    tokens = loader.vendor(dialect).read_error(413, {}, groq.encode())
    assert (tokens.kind, tokens.status) == ("context_length", 400)
    size = loader.vendor(dialect).read_error(413, {}, b"Payload Too Large")
    assert (size.kind, size.status) == ("request_too_large", 413)
    assert json.loads(write_messages(VendorError(size), "req_1"))["error"] == {
        "type": "request_too_large",
        "message": size.message,
    }


@pytest.mark.parametrize(
    "words",
    ["prompt is too long: " + "9" * 9000, "maximum context length is ٣ tokens", "the input (", "context size (" * 9],
)
def test_unusual_words_are_kept(words: str) -> None:
    assert context_length.worded(words).endswith(words)
