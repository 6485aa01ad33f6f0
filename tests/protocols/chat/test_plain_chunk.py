"""Chunks with text alone, as OpenAI, OpenRouter and others write them, are recognized without full parsing."""

import pytest

from nexus.protocols.chat.read_stream import plain_words
from nexus.wire import Json

WORDS = {"index": 0, "delta": {"content": "Hi"}, "logprobs": None, "finish_reason": None}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [WORDS], "usage": None}

PLAIN: dict[str, Json] = {
    "bare": CHUNK,
    "with OpenAI's padding": CHUNK | {"obfuscation": "x7Q", "service_tier": "default"},
    "through OpenRouter": CHUNK | {"provider": "Azure"},
    "with its role again": CHUNK | {"choices": [WORDS | {"delta": {"role": "assistant", "content": "Hi"}}]},
}
MORE: dict[str, Json] = {
    "usage": CHUNK | {"usage": {"prompt_tokens": 1}},
    "another service tier": CHUNK | {"service_tier": "flex"},
    "sources": CHUNK | {"citations": ["https://example.com"]},
    "another choice": CHUNK | {"choices": [WORDS | {"index": 1}]},
    "two choices": CHUNK | {"choices": [WORDS, WORDS]},
    "an end": CHUNK | {"choices": [WORDS | {"finish_reason": "stop"}]},
    "reasoning": CHUNK | {"choices": [WORDS | {"delta": {"content": "Hi", "reasoning": "Hm"}}]},
    "empty text": CHUNK | {"choices": [WORDS | {"delta": {"content": ""}}]},
    "no delta": CHUNK | {"choices": [{"index": 0}]},
    "no choices": CHUNK | {"choices": []},
}


@pytest.mark.parametrize("name", PLAIN)
def test_text_chunks_are_recognized(name: str) -> None:
    assert plain_words(PLAIN[name], "default") == "Hi"


@pytest.mark.parametrize("name", MORE)
def test_chunks_with_anything_else_are_read_in_full(name: str) -> None:
    assert plain_words(MORE[name], "default") is None
