"""The other lane end to end, a client of one protocol and a vendor of another: what is left out, refused and told.

Answers are ``test_vendors``', with real SDKs.
"""

from __future__ import annotations

import pytest

from tests.serving import CHAT, MESSAGES, Nexus
from tools.fake_upstream import Behaviour, FakeUpstream


class TestChatClientOfAnthropic:
    def test_what_the_vendor_is_sent(self, nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
        assert nexus.chat({**CHAT, "model": "anthropic/claude"}).json["id"].startswith("chatcmpl-")
        sent = anthropic_upstream.requests[0].json
        assert (sent["model"], sent["max_tokens"]) == ("claude-sonnet-4-5", 32000)

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
    def test_what_the_vendor_is_sent(self, nexus: Nexus, openai_upstream: FakeUpstream) -> None:
        assert nexus.messages({**MESSAGES, "model": "openai/smart", "system": "Be kind."}).status == 200
        assert [message["role"] for message in openai_upstream.requests[0].json["messages"]] == ["system", "user"]

    def test_errors(self, nexus: Nexus, openai_upstream: FakeUpstream) -> None:
        openai_upstream.default = Behaviour(status=503, message="busy")
        reply = nexus.messages({**MESSAGES, "model": "openai/gpt-4"})
        assert (reply.status, reply.json["error"]) == (503, {"type": "overloaded_error", "message": "busy"})
