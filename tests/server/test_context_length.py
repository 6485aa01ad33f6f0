"""Conversations that are too long, on every lane: Claude Code compacts on this message, Codex on this code.

Each vendor has its own message and shape; if it speaks the client's dialect, the client gets exactly these.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.server.vendors import LANES, Stand, Standing, on
from tests.serving import Reply
from tools.fake_upstream import Behaviour

WORDS = {
    "openai": "This model's maximum context length is 128000 tokens. However, your messages resulted in 149767 tokens.",
    "anthropic": "prompt is too long: 149767 tokens > 128000 maximum",
    "gemini": "The input token count (149767) exceeds the maximum number of tokens allowed (128000).",
    "vertex gemini": "Unable to submit request because the input token count is 149767 but model only supports up to "
    "128000.",
    "bedrock claude": "Input is too long for requested model.",
    "bedrock converse": "The model returned the following errors: Input Tokens Exceeded: Number of input tokens "
    "exceeds maximum length. Please update the input to try again.",
}
NUMBERLESS = ("bedrock claude", "bedrock converse")

HI: list[Any] = [{"role": "user", "content": "Hi"}]
MESSAGES = ("/llm/anthropic/v1/messages", {"model": "v/m", "max_tokens": 64, "messages": HI})
CHAT = ("/llm/openai/v1/chat/completions", {"model": "v/m", "messages": HI})
RESPONSES = ("/llm/openai/v1/responses", {"model": "v/m", "input": "Hi"})


@dataclass
class Vendor(Standing):
    @property
    def words(self) -> str:
        return WORDS[self.lane.name]

    def ask(self, call: tuple[str, dict[str, Any]], **more: Any) -> Reply:
        path, body = call
        return self.nexus.post(path, body | more)


@pytest.fixture(params=[lane for lane in LANES if lane.name in WORDS], ids=lambda lane: lane.name)
def vendor(request: pytest.FixtureRequest, stand: Stand) -> Iterator[Vendor]:
    standing = stand(request.param)
    standing.upstream.default = Behaviour(status=400, message=WORDS[standing.lane.name])
    yield Vendor(standing.lane, standing.upstream, standing.nexus)
    assert standing.upstream.violations == []


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
class TestWholeAnswers:
    def test_messages(self, vendor: Vendor, stream: bool) -> None:
        reply = vendor.ask(MESSAGES, stream=stream)
        error = reply.json["error"]
        assert (reply.status, reply.json["type"], error["type"]) == (400, "error", "invalid_request_error")
        numbers = "" if vendor.lane.name in NUMBERLESS else "149767 tokens > 128000 maximum"
        assert error["message"].startswith(f"prompt is too long: {numbers}")
        assert error["message"].endswith(vendor.words)

    def test_chat(self, vendor: Vendor, stream: bool) -> None:
        reply = vendor.ask(CHAT, stream=stream)
        error = reply.json["error"]
        code = None if vendor.lane.passes == "chat" else "context_length_exceeded"
        assert (reply.status, error["code"], error["message"]) == (400, code, vendor.words)

    def test_responses(self, vendor: Vendor, stream: bool) -> None:
        reply = vendor.ask(RESPONSES, stream=stream)
        error = reply.json["error"]
        assert (reply.status, error["code"], error["message"]) == (400, "context_length_exceeded", vendor.words)


@on("anthropic")
@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_an_anthropic_vendors_message_passes_byte_for_byte(vendor: Vendor, stream: bool) -> None:
    body = b'{"type":"error" ,"error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}'
    vendor.upstream.default = Behaviour(status=400, body=body)
    reply = vendor.ask(MESSAGES, stream=stream)
    assert (reply.status, reply.body) == (400, body)


@on("bedrock converse")
def test_novas_refusal_inside_a_200_becomes_a_400(vendor: Vendor) -> None:
    vendor.upstream.default = Behaviour(error_after=0, error_type="ValidationException", message=vendor.words)
    reply = vendor.ask(MESSAGES, stream=True)
    assert (reply.status, reply.json["error"]["message"]) == (400, f"prompt is too long: {vendor.words}")
    for call in (CHAT, RESPONSES):
        reply = vendor.ask(call, stream=True)
        assert (reply.status, reply.json["error"]["code"]) == (400, "context_length_exceeded")


@on("bedrock claude")
def test_claudes_refusal_inside_a_bedrock_stream_is_reported(vendor: Vendor) -> None:
    vendor.upstream.default = Behaviour(error_after=0, error_type="ValidationException", message=vendor.words)
    events = [line for line in vendor.ask(MESSAGES, stream=True).body.splitlines() if line.startswith(b"data: ")]
    said = {"type": "invalid_request_error", "message": f"prompt is too long: {vendor.words}"}
    assert json.loads(events[-1][6:])["error"] == said
