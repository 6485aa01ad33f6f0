"""Requests and answers when client and vendor speak the same dialect.

Tests compare bytes, not meanings.
"""

import pytest

from tests.conftest import Serve
from tests.serving import BODIES, CHAT, MESSAGES, PATHS, Nexus, openai_config
from tools.fake_upstream import Behaviour, FakeUpstream

ODD = (
    b'{ "messages" : [{"role":"user","content":"caf\xc3\xa9 \\u00e9 \\ud83d\\ude00"}],\n'
    b'"temperature":1.0e0, "temperature": 1, "seed":12345678901234567890,\t"model":"openai/smart" }'
)


def headers(upstream: FakeUpstream, index: int = -1) -> dict[str, str]:
    return {name.lower(): value for name, value in upstream.requests[index].headers}


def test_only_the_model_changes_in_the_request(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    nexus.chat(ODD)
    assert openai_upstream.requests[0].body == ODD.replace(b"openai/smart", b"gpt-4")


def test_only_the_model_changes_in_the_answer(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    answer = b'{"id":"x", "model" :"gpt-4-0613","choices":[ ],"n":1.50,"n":2,"\\u00e9":"\xc3\xa9"}'
    openai_upstream.next(Behaviour(body=answer))
    reply = nexus.chat({**CHAT, "model": "openai/smart"})
    assert reply.body == answer.replace(b"gpt-4-0613", b"openai/smart")
    assert reply.headers["x-nexus-route"] == "openai/gpt-4"
    assert reply.headers["x-nexus-attempts"] == "1"


def test_only_the_model_changes_in_a_stream(nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
    frames = (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m", "model":"claude-x","usage":{}}}\n\n',
        b": a comment\n\n",
        b'event: brand_new\ndata: {"type":"brand_new","model":"stays"}\n\n',
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    )
    anthropic_upstream.next(Behaviour(events=frames))
    reply = nexus.messages({**MESSAGES, "stream": True})
    assert reply.body == b"".join(frames).replace(b"claude-x", b"anthropic/claude")
    assert reply.headers["content-type"].startswith("text/event-stream")


class TestUsageOfOpenAIStreams:
    def test_usage_is_requested_and_hidden_from_clients_that_did_not_ask(
        self, nexus: Nexus, openai_upstream: FakeUpstream
    ) -> None:
        reply = nexus.chat({**CHAT, "stream": True})
        assert openai_upstream.requests[0].json["stream_options"] == {"include_usage": True}
        assert b'"choices":[]' not in reply.body.replace(b" ", b"")

    def test_usage_is_not_requested_if_the_server_rejects_the_option(
        self, serve: Serve, openai_upstream: FakeUpstream
    ) -> None:
        text = openai_config(openai_upstream.base_url).replace(
            'type = "openai"', 'type = "openai"\nstream_usage = false'
        )
        nexus = serve(text)
        assert nexus.chat({**CHAT, "stream": True}).status == 200
        assert "stream_options" not in openai_upstream.requests[0].json


class TestHeaders:
    def test_anthropic_and_claude_code_headers_are_forwarded(
        self, nexus: Nexus, anthropic_upstream: FakeUpstream
    ) -> None:
        theirs = {
            "anthropic-version": "2024-01-01",
            "anthropic-beta": "context-1m-2025-08-07,new-thing",
            "anthropic-new": "x",
            "x-claude-code-session-id": "s",
        }
        nexus.messages(MESSAGES, theirs)
        assert theirs.items() <= headers(anthropic_upstream).items()


@pytest.mark.parametrize("dialect", BODIES)
@pytest.mark.parametrize("name", ["Model", "MODEL"])
def test_the_model_is_not_named_again_in_other_letters(
    serve: Serve, openai_upstream: FakeUpstream, dialect: str, name: str
) -> None:
    """Servers written in Go would take the last one, whatever the caller may use: golang/go, issue 43664."""
    nexus = serve(openai_config(openai_upstream.base_url))
    reply = nexus.post(PATHS[dialect], {"model": "openai/gpt-4", **BODIES[dialect], name: "gpt-5-pro"})
    assert (reply.status, openai_upstream.requests) == (400, [])
    assert f"{name}: write it in lower case: model" in reply.body.decode()
