"""The other lane end to end: a client of one protocol, a vendor of another, real SDKs and real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.serving import CHAT, MESSAGES, Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

HELLO = "Hello from the fake upstream."


@pytest.fixture
def chat(nexus: Nexus) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=nexus.openai, api_key="not-used", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(nexus: Nexus) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=nexus.anthropic, api_key="not-used", max_retries=0) as client:
        yield client


class TestChatClientOfAnthropic:
    def test_unary(self, chat: openai.OpenAI, anthropic_upstream: FakeUpstream) -> None:
        answer = chat.chat.completions.create(model="anthropic/claude", messages=[{"role": "user", "content": "Hi"}])
        assert answer.choices[0].message.content == HELLO
        assert answer.model == "anthropic/claude"
        assert answer.id.startswith("chatcmpl-")
        assert anthropic_upstream.requests[0].json["model"] == "claude-sonnet-4-5"
        assert anthropic_upstream.requests[0].json["max_tokens"] == 32000

    def test_stream(self, chat: openai.OpenAI) -> None:
        chunks = list(
            chat.chat.completions.create(
                model="anthropic/claude",
                messages=[{"role": "user", "content": "Hi"}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == HELLO
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.prompt_tokens == 11

    def test_what_is_dropped_is_named_as_the_client_wrote_it(self, nexus: Nexus) -> None:
        reply = nexus.chat({**CHAT, "model": "anthropic/claude", "seed": 7, "presence_penalty": 1.0, "stop": ["x"]})
        assert reply.status == 200
        assert set(reply.headers["x-nexus-dropped"].split(", ")) == {"seed", "presence_penalty"}

    def test_what_cannot_be_said_is_refused(self, nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
        reply = nexus.chat({**CHAT, "model": "anthropic/claude", "n": 2})
        assert (reply.status, reply.json["error"]["param"]) == (400, "n")
        assert anthropic_upstream.requests == []

    @pytest.mark.parametrize(
        ("status", "kind", "code"),
        [(401, "invalid_request_error", "invalid_api_key"), (429, "rate_limit_error", "rate_limit_exceeded")],
    )
    def test_a_vendors_error_is_said_in_the_clients_dialect(
        self, nexus: Nexus, anthropic_upstream: FakeUpstream, status: int, kind: str, code: str
    ) -> None:
        anthropic_upstream.default = Behaviour(status=status, message="the vendor's words")
        reply = nexus.chat({**CHAT, "model": "anthropic/claude"})
        assert reply.status == status
        error = reply.json["error"]
        assert (error["message"], error["type"], error["code"]) == ("the vendor's words", kind, code)
        assert reply.headers["x-nexus-upstream-request-id"]
        assert "x-nexus-error" not in reply.headers

    def test_a_cut_stream_ends_truthfully(self, nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
        anthropic_upstream.next(Behaviour(cut_after=5))
        with pytest.raises(Exception, match="IncompleteRead"):
            nexus.chat({**CHAT, "model": "anthropic/claude", "stream": True})


class TestMessagesClientOfOpenAI:
    def test_unary(self, claude: anthropic.Anthropic, openai_upstream: FakeUpstream) -> None:
        answer = claude.messages.create(
            model="openai/smart", max_tokens=64, messages=[{"role": "user", "content": "Hi"}], system="Be kind."
        )
        assert answer.content[0].type == "text"
        assert answer.content[0].text == HELLO
        assert answer.stop_reason == "end_turn"
        assert [message["role"] for message in openai_upstream.requests[0].json["messages"]] == ["system", "user"]

    def test_stream_with_a_tool_call(self, claude: anthropic.Anthropic, openai_upstream: FakeUpstream) -> None:
        openai_upstream.next(Behaviour(tool_call=True, tool_arguments='{"city": "Paris"}'))
        with claude.messages.stream(
            model="openai/smart",
            max_tokens=64,
            messages=[{"role": "user", "content": "Hi"}],
            tools=[{"name": "weather", "input_schema": {"type": "object", "properties": {}}}],
        ) as stream:
            call = stream.get_final_message().content[0]
        assert call.type == "tool_use"
        assert (call.name, call.input) == ("weather", {"city": "Paris"})

    def test_errors(self, nexus: Nexus, openai_upstream: FakeUpstream) -> None:
        openai_upstream.default = Behaviour(status=503, message="busy")
        reply = nexus.messages({**MESSAGES, "model": "openai/gpt-4"})
        assert (reply.status, reply.json["error"]) == (503, {"type": "overloaded_error", "message": "busy"})
