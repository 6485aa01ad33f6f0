"""Compatible servers that answer 200 with unexpected content: nothing is lost, and a failure never looks like a
success.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.server.vendors import LANES
from tests.serving import CHAT, MESSAGES, Nexus, openai_config
from tools.fake_upstream import Behaviour, FakeUpstream

ONE_TRY = "[llm.providers.openai.retries]\nattempts = 1\n"
TRANSLATED = {**MESSAGES, "model": "openai/gpt-4"}
CHUNK = b'data: {"id":"c","model":"gpt-4","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
STREAM = CHUNK + b"data: [DONE]\n\n"
WHOLE = json.dumps(
    {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    }
).encode()


@pytest.fixture
def nexus(serve: Serve, openai_upstream: FakeUpstream) -> Nexus:
    return serve(openai_config(openai_upstream.base_url) + ONE_TRY)


def labelled(body: bytes, kind: str) -> Behaviour:
    return Behaviour(body=body, headers=(("Content-Type", kind),))


NO_ANSWERS = {
    "nothing said": (b"{}", "the vendor answered 200 without an answer"),
    "a load balancer": (b'{"message":"Forbidden"}', "Forbidden"),
    "an error": (b'{"error":{"message":"Slow down.","code":"rate_limit_exceeded"}}', "Slow down."),
    "FastAPI": (b'{"detail":[{"loc":["body","model"],"msg":"unknown"}]}', "body.model: unknown"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("raw", "words"), NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_a_200_without_an_answer_is_an_error(
    nexus: Nexus, openai_upstream: FakeUpstream, raw: bytes, words: str, stream: bool
) -> None:
    openai_upstream.default = labelled(raw, "application/json")
    passed = nexus.chat({**CHAT, "stream": stream})
    assert passed.status in (429, 502)
    assert passed.body == raw, "the vendor's own bytes"
    translated = nexus.messages({**TRANSLATED, "stream": stream})
    assert translated.status in (429, 502)
    assert words in translated.json["error"]["message"]


@pytest.mark.parametrize(("vendor", "model"), [("anthropic", "claude-sonnet-4-5"), ("gemini", "gemini-2.5-flash")])
def test_an_empty_object_is_reported_as_no_answer(serve: Serve, tmp_path: Path, vendor: str, model: str) -> None:
    lane = next(lane for lane in LANES if (lane.vendor, lane.model) == (vendor, model))
    with FakeUpstream(vendor) as upstream:
        upstream.default = labelled(b"{}", "application/json")
        refused = serve(lane.config(upstream, tmp_path)).chat({**CHAT, "model": "v/m"})
    assert (refused.status, refused.json["error"]["message"]) == (502, "the vendor answered 200 without an answer")


def test_a_byte_order_mark_is_removed_from_the_answer(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.default = labelled(b"\xef\xbb\xbf" + WHOLE, "application/json")
    assert nexus.messages(TRANSLATED).json["content"] == [{"type": "text", "text": "Hi"}]


def test_such_an_attempt_is_retried(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(openai_config(openai_upstream.base_url, '[llm.providers.openai.retries]\nbase_delay = "1ms"\n'))
    openai_upstream.next(labelled(b'{"message":"Forbidden"}', "application/json"))
    assert nexus.chat(CHAT).status == 200
    assert len(openai_upstream.requests) == 2


@pytest.mark.parametrize(
    "kind", ["TEXT/Event-Stream; charset=UTF-8", "text/plain", "application/octet-stream", "application/json"]
)
def test_a_stream_with_any_content_type_is_a_stream(nexus: Nexus, openai_upstream: FakeUpstream, kind: str) -> None:
    openai_upstream.default = labelled(STREAM, kind)
    passed = nexus.chat({**CHAT, "stream": True})
    assert (passed.status, passed.headers["content-type"].lower().partition(";")[0]) == (200, "text/event-stream")
    assert b"Hi" in passed.body
    assert passed.body.endswith(b"data: [DONE]\n\n")
    translated = nexus.messages({**TRANSLATED, "stream": True})
    assert translated.status == 200
    assert b"event: message_stop" in translated.body


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "text/plain"])
def test_a_whole_answer_with_any_content_type_is_read(nexus: Nexus, openai_upstream: FakeUpstream, kind: str) -> None:
    openai_upstream.default = labelled(WHOLE, kind)
    for body in (TRANSLATED, {**TRANSLATED, "stream": True}):
        reply = nexus.messages(body)
        assert reply.status == 200
        assert b"Hi" in reply.body
    assert nexus.chat(CHAT).json["choices"][0]["message"]["content"] == "Hi"


@pytest.mark.parametrize("encoding", ["br", "zstd", "rot13"])
def test_an_unrequested_encoding_is_an_error_and_not_retried(
    serve: Serve, openai_upstream: FakeUpstream, encoding: str
) -> None:
    nexus = serve(openai_config(openai_upstream.base_url))
    openai_upstream.default = Behaviour(body=b"\x8b\x02\x80", headers=(("Content-Encoding", encoding),))
    reply = nexus.chat(CHAT)
    assert reply.status == 502
    assert encoding in reply.json["error"]["message"] or "decode" in reply.json["error"]["message"]
    assert len(openai_upstream.requests) == 1


def chunks(*deltas: dict[str, Any]) -> bytes:
    lines = [{"id": "c", "model": "gpt-4", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    return b"".join(b"data: " + json.dumps(line).encode() + b"\n\n" for line in lines) + b"data: [DONE]\n\n"


def test_a_tool_call_without_a_finish_reason_is_accepted(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "t", "arguments": "{}"}}
    openai_upstream.default = labelled(chunks({"tool_calls": [call]}), "text/event-stream")
    reply = nexus.messages({**TRANSLATED, "stream": True})
    assert b'"stop_reason":"tool_use"' in reply.body


def test_a_character_split_between_chunks_is_joined(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    frames = chunks({"content": "a X"}, {"content": "Y b"}).replace(b"X", b"\\ud83d").replace(b"Y", b"\\ude00")
    openai_upstream.default = labelled(frames, "text/event-stream")
    assert "\U0001f600" in nexus.messages({**TRANSLATED, "stream": True}).body.decode()
    assert nexus.chat({**CHAT, "stream": True}).body.count(b"\\ud83d") == 1, "passthrough bytes do not change"


def test_two_calls_with_the_same_id_get_different_ids(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    calls = [
        {"index": at, "id": "same", "type": "function", "function": {"name": "t", "arguments": f'{{"n":{at}}}'}}
        for at in (0, 1)
    ]
    openai_upstream.default = labelled(chunks({"tool_calls": calls}), "text/event-stream")
    body = nexus.messages({**TRANSLATED, "stream": True}).body.decode()
    ids = {part.partition('"')[0] for part in body.split('"type":"tool_use","id":"')[1:]}
    assert len(ids) == 2
    assert "same" in ids
