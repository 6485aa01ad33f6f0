"""The benchmark vendor's answers in each dialect: a whole answer, and a stream as opening, deltas and closing.

They have the shapes of the real vendors' answers, with fields that Nexus does not use, because their bytes cost too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nexus.protocols.eventstream import EventMessage, encode

WORDS = "The quick brown fox jumps over the lazy dog and keeps on running through the forest until nightfall."
MODEL = "bench"
_TOKENS = 21


@dataclass(frozen=True, slots=True)
class Answers:
    """``whole`` is a body; ``opening`` and ``closing`` are events; ``delta`` makes the event for a text."""

    whole: bytes
    opening: bytes
    delta: Callable[[str], bytes]
    closing: bytes
    content_type: str = "text/event-stream; charset=utf-8"


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _data(*values: Any) -> bytes:
    return b"".join(b"data: %b\n\n" % _json(value).encode() for value in values)


def _named(*values: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (value["type"].encode(), _json(value).encode()) for value in values)


def _message(kind: str, payload: dict[str, Any]) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return encode(EventMessage(_json(payload).encode(), headers))


def _chat() -> Answers:
    base = {"id": "chatcmpl-bench0123456789abcdefghi", "created": 1700000000, "model": MODEL}
    more = {"service_tier": "default", "system_fingerprint": "fp_bench"}
    usage = {
        "prompt_tokens": 25,
        "completion_tokens": _TOKENS,
        "total_tokens": 25 + _TOKENS,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**base, "object": "chat.completion.chunk", **more, "choices": [choice]}

    message: dict[str, Any] = {"role": "assistant", "content": WORDS, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    told = {**base, "object": "chat.completion.chunk", **more, "choices": [], "usage": usage}
    return Answers(
        _json({**base, "object": "chat.completion", "choices": [choice], "usage": usage, **more}).encode(),
        _data(chunk({"role": "assistant", "content": "", "refusal": None})),
        lambda text: _data(chunk({"content": text})),
        _data(chunk({}, "stop"), told) + b"data: [DONE]\n\n",
    )


def _messages() -> Answers:
    usage = {"input_tokens": 25, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": "msg_bench0123456789abcdefghi",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    whole = {**message, "content": [{"type": "text", "text": WORDS}], "stop_reason": "end_turn"}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    return Answers(
        _json({**whole, "usage": {**usage, "output_tokens": _TOKENS}}).encode(),
        _named(
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "ping"},
        ),
        lambda text: _named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        _named(
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": stop, "usage": {"output_tokens": _TOKENS}},
            {"type": "message_stop"},
        ),
    )


def _responses() -> Answers:
    usage = {
        "input_tokens": 25,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": _TOKENS,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 25 + _TOKENS,
    }
    part = {"type": "output_text", "text": WORDS, "annotations": [], "logprobs": []}
    item = {"type": "message", "id": "msg_bench", "status": "completed", "role": "assistant", "content": [part]}
    begun = {"id": "resp_bench0123456789", "object": "response", "created_at": 1700000000, "model": MODEL}
    running = {**begun, "status": "in_progress", "output": [], "parallel_tool_calls": True, "tools": []}
    done = {**running, "status": "completed", "output": [item], "usage": usage}
    at = {"item_id": "msg_bench", "output_index": 0, "content_index": 0}
    empty = {**part, "text": ""}
    open_item = {**item, "status": "in_progress", "content": []}
    return Answers(
        _json(done).encode(),
        _named(
            {"type": "response.created", "sequence_number": 0, "response": running},
            {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": open_item},
            {"type": "response.content_part.added", "sequence_number": 2, **at, "part": empty},
        ),
        lambda text: _named({"type": "response.output_text.delta", "sequence_number": 3, **at, "delta": text}),
        _named(
            {"type": "response.output_text.done", "sequence_number": 4, **at, "text": WORDS},
            {"type": "response.content_part.done", "sequence_number": 5, **at, "part": part},
            {"type": "response.output_item.done", "sequence_number": 6, "output_index": 0, "item": item},
            {"type": "response.completed", "sequence_number": 7, "response": done},
        ),
    )


def _gemini() -> Answers:
    usage = {"promptTokenCount": 25, "candidatesTokenCount": _TOKENS, "totalTokenCount": 25 + _TOKENS}
    more = {"usageMetadata": usage, "modelVersion": MODEL, "responseId": "bench0123456789"}

    def chunk(text: str, **finish: str) -> dict[str, Any]:
        candidate = {"content": {"parts": [{"text": text}], "role": "model"}, **finish, "index": 0}
        return {"candidates": [candidate], **more}

    return Answers(
        _json(chunk(WORDS, finishReason="STOP")).encode(),
        b"",
        lambda text: _data(chunk(text)),
        _data(chunk("", finishReason="STOP")),
    )


def _converse() -> Answers:
    usage = {"inputTokens": 25, "outputTokens": _TOKENS, "totalTokens": 25 + _TOKENS}
    message = {"role": "assistant", "content": [{"text": WORDS}]}
    whole = {"output": {"message": message}, "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 1}}

    def delta(text: str) -> bytes:
        return _message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}, "p": "abcdefgh"})

    return Answers(
        _json(whole).encode(),
        _message("messageStart", {"role": "assistant", "p": "abcd"}),
        delta,
        _message("contentBlockStop", {"contentBlockIndex": 0, "p": "abcd"})
        + _message("messageStop", {"stopReason": "end_turn", "p": "abcd"})
        + _message("metadata", {"usage": usage, "metrics": {"latencyMs": 1}, "p": "abcd"}),
        "application/vnd.amazon.eventstream",
    )


ANSWERS = {
    "chat": _chat(),
    "messages": _messages(),
    "responses": _responses(),
    "gemini": _gemini(),
    "converse": _converse(),
}

_PATHS = {
    b"/chat/completions": "chat",
    b"/messages": "messages",
    b"/responses": "responses",
    b"enerateContent": "gemini",
    b"/converse": "converse",
}


def dialect_of(path: bytes) -> str | None:
    """The dialect of a vendor's path, or None."""
    return next((dialect for mark, dialect in _PATHS.items() if mark in path), None)


def head(dialect: str, *, stream: bool) -> bytes:
    """The head of a vendor's answer: chunked for a stream, else with the content length."""
    answers = ANSWERS[dialect]
    kind = answers.content_type if stream else "application/json"
    length = "Transfer-Encoding: chunked" if stream else f"Content-Length: {len(answers.whole)}"
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{length}\r\nx-request-id: req_bench\r\n\r\n".encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
