"""Translation end to end, with client and vendor of different protocols: what is dropped, rejected and reported.

``test_vendors`` tests the answers, with real SDKs.
"""

import pytest

from tests.serving import CHAT, MESSAGES, Nexus
from tools.fake_upstream import Behaviour, FakeUpstream


class TestChatClientOfAnthropic:
    def test_the_vendors_request(self, nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
        assert nexus.chat({**CHAT, "model": "anthropic/claude"}).json["id"].startswith("chatcmpl-")
        sent = anthropic_upstream.requests[0].json
        assert (sent["model"], sent["max_tokens"]) == ("claude-sonnet-4-5", 32000)

    def test_dropped_fields_are_reported_by_the_clients_names(self, nexus: Nexus) -> None:
        reply = nexus.chat({**CHAT, "model": "anthropic/claude", "seed": 7, "presence_penalty": 1.0, "stop": ["x"]})
        assert reply.status == 200
        assert set(reply.headers["x-nexus-dropped"].split(", ")) == {"seed", "presence_penalty"}

    def test_unsupported_content_is_rejected(self, nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
        reply = nexus.chat({**CHAT, "model": "anthropic/claude", "n": 2})
        assert (reply.status, reply.json["error"]["param"]) == (400, "n")
        assert anthropic_upstream.requests == []

    @pytest.mark.parametrize(
        ("status", "kind", "code"),
        [(401, "invalid_request_error", "invalid_api_key"), (429, "rate_limit_error", "rate_limit_exceeded")],
    )
    def test_a_vendors_error_is_translated_to_the_clients_dialect(
        self, nexus: Nexus, anthropic_upstream: FakeUpstream, status: int, kind: str, code: str
    ) -> None:
        anthropic_upstream.default = Behaviour(status=status, message="the vendor's words")
        reply = nexus.chat({**CHAT, "model": "anthropic/claude"})
        assert reply.status == status
        error = reply.json["error"]
        assert (error["message"], error["type"], error["code"]) == ("the vendor's words", kind, code)
        assert reply.headers["x-nexus-upstream-request-id"]
        assert "x-nexus-error" not in reply.headers

    def test_a_cut_stream_ends_with_an_error(self, nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
        anthropic_upstream.next(Behaviour(cut_after=5))
        with pytest.raises(Exception, match="IncompleteRead"):
            nexus.chat({**CHAT, "model": "anthropic/claude", "stream": True})


class TestMessagesClientOfOpenAI:
    def test_the_vendors_request(self, nexus: Nexus, openai_upstream: FakeUpstream) -> None:
        assert nexus.messages({**MESSAGES, "model": "openai/smart", "system": "Be kind."}).status == 200
        assert [message["role"] for message in openai_upstream.requests[0].json["messages"]] == ["system", "user"]

    def test_errors(self, nexus: Nexus, openai_upstream: FakeUpstream) -> None:
        openai_upstream.default = Behaviour(status=503, message="busy")
        reply = nexus.messages({**MESSAGES, "model": "openai/gpt-4"})
        assert (reply.status, reply.json["error"]) == (503, {"type": "overloaded_error", "message": "busy"})
