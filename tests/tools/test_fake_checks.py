"""What the fake upstreams accept and what they reject.

Every violation is reported twice: to the client as an error, to the test in ``violations``.
"""

import socket
from typing import Any

import pytest
import requests

from tools.fake_upstream import Behaviour, FakeUpstream

AUTH = {"openai": {"authorization": "Bearer k"}, "anthropic": {"x-api-key": "k", "anthropic-version": "2023-06-01"}}
PATH = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
HELLO: dict[str, Any] = {"model": "m-1", "max_tokens": 16, "messages": [{"role": "user", "content": "Hello!"}]}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}


def post(fake: FakeUpstream, body: Any = HELLO, path: str = "", **headers: str) -> requests.Response:
    url = fake.origin + (path or PATH[fake.vendor])
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(url, json=body, headers=AUTH[fake.vendor] | named, timeout=60)


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content, **more}]}


CHAT_CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}],
}
CLAUDE_CALL: dict[str, Any] = {
    "role": "assistant",
    "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {"any": [1]}}],
}
CLAUDE_RESULT: dict[str, Any] = {
    "role": "user",
    "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}, IMAGE]}],
}
SEARCH = {"type": "server_tool_use", "name": "web_search", "input": {"query": "x"}}


def turns(call: str, *more: str) -> dict[str, Any]:
    """Calls with these ids, and a result for each."""
    ids = (call, *more)
    calls = [CLAUDE_CALL["content"][0] | {"id": id} for id in ids]
    results = [CLAUDE_RESULT["content"][0] | {"tool_use_id": id} for id in ids]
    return {"messages": [{"role": "assistant", "content": calls}, {"role": "user", "content": results}]}


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        ({"frobnicate": 1}, "frobnicate: Extra inputs are not permitted"),
        ({"max_tokens": "5"}, "max_tokens: Input should be a valid integer"),
        ({"messages": []} | said("user", "x", cache_control={"type": "ephemeral"}), "messages.0.cache_control: Extra"),
        (said("user", [{"type": "text", "text": "x", "y": 1}]), "messages.0.content.0.y: Extra"),
        (said("usr", "x"), "messages.0.role: Input should be 'user'"),
        ({"tool_choice": {"type": "auto"}}, "tool_choice"),
        (said("tool", "22 C", tool_call_id="1"), "messages.0: messages with role 'tool' must be a response"),
        ({"messages": [CHAT_CALL]}, "tool_call_ids did not have response messages: 1"),
    ],
)
def test_violations_of_chat_are_rejected(chat: FakeUpstream, change: dict[str, Any], violation: str) -> None:
    reply = post(chat, HELLO | change)
    assert reply.status_code == 400
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
    assert chat.violations[0] in reply.json()["error"]["message"]
    assert any(found.startswith(violation) for found in chat.violations), chat.violations


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        ({"frobnicate": 1}, "frobnicate: Extra inputs are not permitted"),
        ({"max_tokens": None}, "max_tokens: "),
        (said("tool", "x"), "messages.0.role: Input should be"),
        (said("user", [{"type": "text", "text": "x", "y": 1}]), "messages.0.content.0.y: Extra"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"mcp_servers": []}, "mcp_servers: Extra"),
        ({"messages": [CLAUDE_RESULT]}, "messages.0: unexpected `tool_use_id`"),
        ({"messages": [CLAUDE_CALL, *HELLO["messages"]]}, "messages.1: `tool_use` ids without"),
        (turns("t", "t"), "messages.0.content.1: `tool_use` ids must be unique"),
        (turns("t", "functions.n:0"), "messages.0.content.1.tool_use.id: String should match pattern"),
        (turns("t", "functions.n:0"), "messages.1.content.1.tool_result.tool_use_id: String should match pattern"),
        (turns(""), "messages.0.content.0.tool_use.id: String should match pattern"),
        (turns("t\n"), "messages.0.content.0.tool_use.id: String should match pattern"),
        (said("assistant", [SEARCH | {"id": "call_1"}]), "messages.0.content.0.server_tool_use.id: String should"),
    ],
)
def test_violations_of_messages_are_rejected(claude: FakeUpstream, change: dict[str, Any], violation: str) -> None:
    reply = post(claude, HELLO | change)
    assert reply.status_code == 400
    body = reply.json()
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    assert body["request_id"] == reply.headers["request-id"]
    assert any(found.startswith(violation) for found in claude.violations), claude.violations


def test_claude_beta_fields(claude: FakeUpstream) -> None:
    body = HELLO | {"mcp_servers": [{"type": "url", "url": "https://x", "name": "x"}]}
    assert post(claude, body).status_code == 400
    assert post(claude, body, "/v1/messages?beta=true").status_code == 200
    assert post(claude, body | {"stream": True}, anthropic_beta="mcp-client-2025-04-04").status_code == 200
    assert post(claude, body | {"frobnicate": 1}, "/v1/messages?beta=true").status_code == 400
    assert post(claude, body | {"betas": ["x"]}, "/v1/messages?beta=true").status_code == 400
    checked = HELLO | {"safeguards": [{"type": "dangerous_tool_use"}]}
    assert post(claude, checked, "/v1/messages?beta=true").status_code == 400
    assert post(claude, checked, anthropic_beta="dangerous-tool-use-2026-09-03").status_code == 200
    count = {"model": "m", "messages": HELLO["messages"]}
    assert post(claude, count, "/v1/messages/count_tokens?beta=true").status_code == 200
    assert post(claude, HELLO, "/v1/messages/count_tokens").status_code == 400


def test_anthropic_requires_its_version(claude: FakeUpstream) -> None:
    without = requests.post(claude.base_url + "/messages", json=HELLO, headers={"x-api-key": "k"}, timeout=60)
    assert without.status_code == 400
    assert claude.violations == ["anthropic-version: header is required"]


DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
CITED = {
    "type": "char_location",
    "cited_text": "x",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
}
REFUSED_SINCE: dict[str, dict[str, Any]] = {
    "sampling": {"temperature": 1},
    "a document of the assistant": {"messages": [*HELLO["messages"], {"role": "assistant", "content": [DOCUMENT]}]},
    "citations of the user": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x", "citations": [CITED]}]}]
    },
}


@pytest.mark.parametrize("fields", REFUSED_SINCE.values(), ids=REFUSED_SINCE)
def test_anthropics_newest_version_rejects_more(claude: FakeUpstream, fields: dict[str, Any]) -> None:
    assert post(claude, HELLO | fields).status_code == 200
    assert post(claude, HELLO, anthropic_version="2026-10-21").status_code == 200
    assert post(claude, HELLO | fields, anthropic_version="2026-10-21").status_code == 400


def test_a_violation_does_not_consume_a_behaviour(upstream: FakeUpstream) -> None:
    upstream.next(Behaviour(text="kept"))
    assert post(upstream, HELLO | {"frobnicate": 1}).status_code == 400
    assert "kept" in post(upstream).text
    assert Behaviour().text in post(upstream).text


def test_bytes_that_are_not_http_are_a_violation(chat: FakeUpstream) -> None:
    with socket.create_connection(("127.0.0.1", chat.port), timeout=60) as sock:
        sock.sendall(b"hello there\r\n\r\n")
        assert sock.recv(1) == b""
    assert chat.violations == ["not HTTP: request line is 'hello there'"]
