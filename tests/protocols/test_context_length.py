"""Conversations that are too long, in the words of every known vendor, and errors with other words.

A case covers each phrase of the table; a case is a vendor's complete answer, as observed.
"""

import json
import re
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

CLAUDE_CODE_COMPACTS = re.compile(r"prompt is too long[^0-9]*(\d+)\s*tokens?\s*>\s*(\d+)", re.IGNORECASE)
CLAUDE_CODE_ASKS_FOR_LESS = re.compile(r"input length and `max_tokens` exceed context limit: (\d+) \+ (\d+) > (\d+)")
"""The patterns of Claude Code 2.1.197."""

SAID: dict[str, tuple[str, tuple[int, ...]]] = {
    "Gemini": (
        "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).",
        (1200293, 1048576),
    ),
    "Gemini, one number": ("The input token count exceeds the maximum number of tokens allowed (65536).", ()),
    "Vertex AI": (
        "Unable to submit request because the input token count is 1251952 but model only supports up to 1048576. "
        "Reduce the input token count and try again.",
        (1251952, 1048576),
    ),
    "Bedrock": ("Input is too long for requested model.", ()),
    "Bedrock, wrapped": ("The model returned the following errors: Input is too long for requested model.", ()),
    "Bedrock Claude": (
        "The model returned the following errors: prompt is too long: 207848 tokens > 200000 maximum",
        (207848, 200000),
    ),
    "Bedrock Nova": (
        "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum "
        "length. Please update the input to try again.",
        (),
    ),
    "Bedrock Llama": (
        "The model returned the following errors: This model's maximum context length is 131072 tokens.",
        (),
    ),
    "Bedrock Titan": (
        "400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token count: 9279 ",
        (9279, 8192),
    ),
    "Anthropic": ("prompt is too long: 213462 tokens > 200000 maximum", (213462, 200000)),
    "Anthropic, no room": (
        "input length and `max_tokens` exceed context limit: 198214 + 8192 > 200000, decrease input length or "
        "`max_tokens` and try again",
        (198214, 8192, 200000),
    ),
    "OpenAI": (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 149767 tokens.",
        (149767, 128000),
    ),
    "OpenAI, newer": ("Your input exceeds the context window of this model. Please adjust your input.", ()),
    "OpenAI, configured": (
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.",
        (300000, 272000),
    ),
    "DeepSeek, no room": (
        "This model's maximum context length is 65536 tokens. However, you requested 69648 tokens (61456 in the "
        "messages, 8192 in the completion). Please reduce the length of the messages or completion.",
        (61456, 8192, 65536),
    ),
    "DeepSeek, too long": (
        "This model's maximum context length is 65536 tokens. However, you requested 69648 tokens (69648 in the "
        "messages, 0 in the completion). Please reduce the length of the messages or completion.",
        (69648, 65536),
    ),
    "OpenRouter": (
        "This endpoint's maximum context length is 32768 tokens. However, you requested about 56827 tokens (56811 of "
        "text input, 16 in the output). Please reduce the length of either one.",
        (56827, 32768),
    ),
    "vLLM": (
        "This model's maximum context length is 32768 tokens. However, your request has 66511 input tokens. Please "
        "reduce the length of the input messages. (parameter=input_tokens, value=66511)",
        (66511, 32768),
    ),
    "vLLM, no room": (
        "This model's maximum context length is 32768 tokens. However, you requested 16000 output tokens and your "
        "prompt contains 20000 input tokens, for a total of 36000 tokens (20000 + 16000 = 36000 > 32768). Please "
        "reduce the length of the input prompt or the number of requested output tokens.",
        (20000, 16000, 32768),
    ),
    "vLLM, at least": (
        "This model's maximum context length is 16384 tokens. However, you requested 4096 output tokens and your "
        "prompt contains at least 12289 input tokens, for a total of at least 16385 tokens.",
        (16385, 16384),
    ),
    "vLLM, max_tokens": (
        "'max_tokens' or 'max_completion_tokens' is too large: 2000. This model's maximum context length is 4096 "
        "tokens and your request has 2104 input tokens (2000 > 4096 - 2104).",
        (2104, 2000, 4096),
    ),
    "vLLM, only": (
        "You passed 98305 input tokens and requested 32768 output tokens. However, the model's context length is only "
        "131072 tokens, resulting in a maximum input length of 98304 tokens.",
        (98305, 98304),
    ),
    "SGLang": (
        "Requested token count exceeds the model's maximum context length of 131072 tokens. You requested a total of "
        "140000 tokens: 132000 tokens from the input messages and 8000 tokens for the completion.",
        (140000, 131072),
    ),
    "a proxy": ("litellm.ContextWindowExceededError: context length exceeded", ()),
    "a proxy, its code": ("upstream said context_length_exceeded", ()),
    "xAI": (
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        (537812, 131072),
    ),
    "Groq": ("Please reduce the length of the messages or completion.", ()),
    "Cerebras": (
        "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
        (9000, 8192),
    ),
    "Mistral": (
        "Prompt contains 170397 tokens and 0 draft tokens, too large for model with 131072 maximum context length",
        (170397, 131072),
    ),
    "Fireworks": ("The prompt is too long: 1000008, model maximum context length: 131071", (1000008, 131071)),
    "llama.cpp": (
        "request (65561 tokens) exceeds the available context size (65536 tokens), try increasing it",
        (65561, 65536),
    ),
    "llama.cpp, older": ("the request exceeds the available context size, try increasing it", ()),
    "llama-cpp-python": ("Requested tokens (5000) exceed context window of 4096", (5000, 4096)),
    "LM Studio": (
        "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 8027>= "
        "n_ctx: 4096). Try to load the model with a larger context length, or provide a shorter input.",
        (8027, 4096),
    ),
    "Ollama": ("prompt too long; exceeded max context length by 4096 tokens", ()),
    "Ollama, embedding": ("the input length exceeds the context length", ()),
    "TGI": (
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and "
        "100 `max_new_tokens`",
        (),
    ),
    "TGI, input": ("Input validation error: `inputs` must have less than 1024 tokens. Given: 3000", (3000, 1024)),
    "Together": (
        "The input (516368 tokens) is longer than the model's context length (262144 tokens).",
        (516368, 262144),
    ),
    "Cohere": ("too many tokens: total number of tokens cannot exceed 4081 - received 5000.", (5000, 4081)),
    "DeepInfra": ("Requested input length 39818 exceeds maximum input length 32767", (39818, 32767)),
    "Poolside": (
        "Input length 265330 exceeds the maximum allowed input length of 262144 tokens.",
        (265330, 262144),
    ),
    "GitHub Copilot": ("prompt token count of 145000 exceeds the limit of 128000", (145000, 128000)),
    "Moonshot": ("Your request exceeded model token limit: 262144 (requested: 300000)", (300000, 262144)),
    "MiniMax": ("invalid params, context window exceeds limit", ()),
    "Alibaba": ("Range of input length should be [1, 258048]", ()),
    "Z.ai": ("tokens in request more than max tokens allowed", ()),
    "Z.ai, 1261": ("Prompt exceeds max length", ()),
    "commas": ("prompt token count of 145,000 exceeds the limit of 128,000", (145000, 128000)),
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
