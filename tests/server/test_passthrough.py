"""Requests and answers when client and vendor speak the same dialect.

Tests compare bytes, not meanings.
"""

import pytest

from tests.conftest import Serve
from tests.serving import BODIES, CHAT, KEY, MESSAGES, PATHS, Nexus, openai_config
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


@pytest.mark.parametrize("piece_size", [1, 7, 64])
def test_the_streams_chunk_boundaries_do_not_matter(
    nexus: Nexus, openai_upstream: FakeUpstream, piece_size: int
) -> None:
    openai_upstream.next(Behaviour(piece_size=piece_size), Behaviour())
    cut, whole = nexus.chat({**CHAT, "stream": True}), nexus.chat({**CHAT, "stream": True})
    assert cut.body.count(b"data: ") == whole.body.count(b"data: ")
    assert cut.body.endswith(b"data: [DONE]\n\n")


class TestUsageOfOpenAIStreams:
    def test_usage_is_requested_and_hidden_from_clients_that_did_not_ask(
        self, nexus: Nexus, openai_upstream: FakeUpstream
    ) -> None:
        reply = nexus.chat({**CHAT, "stream": True})
        assert openai_upstream.requests[0].json["stream_options"] == {"include_usage": True}
        assert b'"choices":[]' not in reply.body.replace(b" ", b"")

    def test_usage_is_shown_to_clients_that_asked(self, nexus: Nexus) -> None:
        reply = nexus.chat({**CHAT, "stream": True, "stream_options": {"include_usage": True}})
        assert b'"choices":[]' in reply.body.replace(b" ", b"")

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
    def test_the_vendors_key_is_sent_and_the_clients_credentials_are_not(
        self, nexus: Nexus, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream
    ) -> None:
        theirs = {
            "Authorization": "Bearer client-hushhush-token",
            "x-api-key": "client-hushhush-key",
            "Cookie": "client-hushhush-cookie",
        }
        nexus.chat(CHAT, theirs)
        nexus.messages(MESSAGES, theirs)
        assert headers(openai_upstream)["authorization"] == f"Bearer {KEY}"
        assert headers(anthropic_upstream)["x-api-key"] == KEY
        for upstream in (openai_upstream, anthropic_upstream):
            assert "client-" not in str(headers(upstream))

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

    def test_the_vendors_useful_headers_are_returned(self, nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
        useful = {
            "retry-after": "3",
            "x-should-retry": "false",
            "anthropic-ratelimit-unified-status": "allowed",
            "x-ratelimit-remaining-tokens": "9",
            "request-id": "req_vendor",
        }
        anthropic_upstream.next(Behaviour(headers=(*useful.items(), ("Set-Cookie", "a=b"), ("Server", "vendor"))))
        reply = nexus.messages(MESSAGES)
        assert useful.items() <= reply.headers.items()
        assert "set-cookie" not in reply.headers
        assert reply.headers["server"] == "nexus"


def test_without_any_key_the_call_is_rejected(serve: Serve, openai_upstream: FakeUpstream) -> None:
    text = openai_config(openai_upstream.base_url)
    nexus = serve(text.replace(f'api_key = "{KEY}"', "forward_token = true"))
    assert (nexus.chat(CHAT).status, openai_upstream.requests) == (401, [])


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
