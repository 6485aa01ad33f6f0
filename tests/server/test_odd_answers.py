"""Vendors that answer 200 with unexpected content: nothing is lost, and a failure never looks like a success."""

import json
from pathlib import Path
from typing import Any

import pytest

from nexus.accounting.record import Outcome
from nexus.relay import answer
from tests.conftest import Serve
from tests.server.vendors import DIALECTS, Lane
from tests.serving import CHAT, MESSAGES, Nexus, Reply, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

HELLO = b"Hello"
NO_ANSWERS = {
    "an empty object": (b"{}", "answered 200 without an answer"),
    "a list": (b"[]", ""),
    "a load balancer": (b'{"message":"Forbidden"}', "Forbidden"),
    "an error of OpenAI's": (b'{"error":{"message":"Slow down.","code":"rate_limit_exceeded"}}', "Slow down."),
    "an error of Anthropic's": (b'{"type":"error","error":{"type":"overloaded_error","message":"Busy."}}', "Busy."),
    "an error of Google's": (b'[{"error":{"code":503,"message":"Later.","status":"UNAVAILABLE"}}]', "Later."),
    "FastAPI": (b'{"detail":[{"loc":["body","model"],"msg":"unknown"}]}', "body.model: unknown"),
    "problem details": (b'{"title":"No","detail":"Not today.","status":500}', "Not today."),
}
WAYS = (("chat", False), ("messages", True), ("messages", False), ("chat", True))
_CALL = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
AGENTS: list[dict[str, Any]] = [
    *({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "I look.", "tool_calls": [_CALL]}),
    *({"role": "tool", "tool_call_id": "c", "content": "Sun"}, {"role": "user", "content": "And now?"}),
]
CLIENTS = {"chat": "/llm/openai/v1/chat/completions", "messages": "/llm/anthropic/v1/messages"}


def ask(nexus: Nexus, client: str, *, stream: bool) -> Reply:
    body: dict[str, Any] = {"model": "v/m", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    return nexus.post(CLIENTS[client], body | ({"max_tokens": 64} if client == "messages" else {}))


def start(lane: Lane, upstream: FakeUpstream, folder: Path) -> Nexus:
    return Nexus.of(lane.config(upstream, folder) + "\n[llm.providers.v.retries]\nattempts = 1\n", folder)


@pytest.mark.parametrize("lane", DIALECTS, ids=lambda lane: lane.name)
def test_a_200_without_an_answer_is_an_error(lane: Lane, tmp_path: Path) -> None:
    with FakeUpstream(lane.vendor) as upstream, start(lane, upstream, tmp_path) as nexus:
        for number, (name, (raw, words)) in enumerate(NO_ANSWERS.items()):
            upstream.default = Behaviour(body=raw, headers=(("Content-Type", "application/json"),))
            for client, stream in WAYS[2 * number % 4 :][:2]:
                reply = ask(nexus, client, stream=stream)
                assert reply.status in (429, 500, 502, 503, 529), (name, client, stream, reply.status, reply.body)
                assert "internal error in the gateway" not in reply.body.decode(), (name, client)
                if lane.passes == client:
                    assert reply.body == raw, (name, client, stream)
                else:
                    assert words in reply.json["error"]["message"], (name, client, stream)


@pytest.mark.parametrize("lane", DIALECTS, ids=lambda lane: lane.name)
def test_a_200_that_is_not_json_is_an_error(lane: Lane, tmp_path: Path) -> None:
    """OpenAI's SDK takes a page for an empty stream, or for a text."""
    with FakeUpstream(lane.vendor) as upstream, start(lane, upstream, tmp_path) as nexus:
        records = nexus.records()
        for raw, kind, words in (
            (b"<!doctype html><title>Welcome</title>", "text/html", "Welcome"),
            (b'{"choices":[{"mess', "application/json", "mess"),
        ):
            upstream.default = Behaviour(body=raw, headers=(("Content-Type", kind),))
            for client, stream in WAYS:
                reply = ask(nexus, client, stream=stream)
                assert reply.status == 502, (client, stream, reply.body)
                assert words in reply.json["error"]["message"]
        wait_until(lambda: len(records) == 8)
        assert {(record.status, record.attempts[-1].outcome) for record in records} == {(502, Outcome.VENDOR_ERROR)}


@pytest.mark.parametrize("lane", DIALECTS, ids=lambda lane: lane.name)
def test_an_error_keeps_its_status_if_its_body_is_cut(
    lane: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vendors that reject a large request before they have read it often break off within their answer."""
    monkeypatch.setattr(answer, "ERROR_WITHIN", 0.1)
    with FakeUpstream(lane.vendor) as upstream, start(lane, upstream, tmp_path) as nexus:
        upstream.default = Behaviour(body=b'{"error":', headers=(("Content-Length", "99"),), status=413)
        for client, stream in WAYS[:2]:
            assert ask(nexus, client, stream=stream).status == 413
        for cut_after in (0, 9):
            upstream.default = Behaviour(status=429, headers=(("Retry-After", "1"),), cut_after=cut_after)
            for client, stream in WAYS[2:]:
                reply = ask(nexus, client, stream=stream)
                assert (reply.status, reply.headers["retry-after"]) == (429, "1"), (client, stream, reply.body)


@pytest.mark.parametrize("lane", DIALECTS, ids=lambda lane: lane.name)
def test_an_answer_with_any_content_type_is_read(lane: Lane, tmp_path: Path) -> None:
    """Neither a stream nor a whole answer is discarded because of its content type."""
    with FakeUpstream(lane.vendor) as upstream, start(lane, upstream, tmp_path) as nexus:
        for kind in ("TEXT/Event-Stream; charset=UTF-8", "text/plain", "application/octet-stream", "Application/JSON"):
            upstream.default = Behaviour(headers=(("Content-Type", kind),))
            for client in CLIENTS:
                for stream in (False, True):
                    reply = ask(nexus, client, stream=stream)
                    assert (reply.status, HELLO in reply.body) == (200, True), (kind, client, stream, reply.body)
                    if stream:
                        assert reply.headers["content-type"].lower().startswith("text/event-stream"), (kind, client)
                        end = b"data: [DONE]\n\n" if client == "chat" else b"message_stop"
                        assert end in reply.body, (kind, client)
                    else:
                        assert json.loads(reply.body), (kind, client)


@pytest.mark.parametrize("lane", DIALECTS, ids=lambda lane: lane.name)
def test_a_whole_answer_to_a_streaming_call_is_accepted(lane: Lane, tmp_path: Path) -> None:
    with FakeUpstream(lane.vendor) as upstream, start(lane, upstream, tmp_path) as nexus:
        client = "chat" if lane.passes == "messages" else "messages"
        ask(nexus, client, stream=False)
        whole = upstream.answer_to(upstream.requests[-1])
        for kind in ("application/json", "text/event-stream", "text/plain"):
            upstream.default = Behaviour(body=whole, headers=(("Content-Type", kind),))
            reply = ask(nexus, client, stream=True)
            assert (reply.status, HELLO in reply.body) == (200, True), (kind, reply.body)
            assert reply.headers["content-type"].startswith("text/event-stream")


def test_an_agent_reaches_a_model_with_few_forms_of_tools(tmp_path: Path) -> None:
    """Llama on Bedrock rejects every stream with tools, and text beside a tool call or its result."""
    lane = Lane("llama", "bedrock", "us.meta.llama3-3-70b-instruct-v1:0", None)
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    with FakeUpstream(lane.vendor) as upstream, start(lane, upstream, tmp_path) as nexus:
        for tools, path in ({"tools": [tool]}, "/converse"), ({}, "/converse-stream"):
            upstream.default = Behaviour(tool_call=bool(tools), tool_arguments="{}")
            asked = AGENTS if tools else CHAT["messages"]
            reply = nexus.chat({"model": "v/m", "messages": asked, "stream": True, **tools})
            assert (upstream.requests[-1].path.endswith(path), upstream.violations) == (True, [])
            assert (b'"finish_reason":"tool_calls"' in reply.body) is bool(tools)
            assert reply.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("lane", DIALECTS, ids=lambda lane: lane.name)
def test_an_unrequested_encoding_is_an_error_and_not_retried(lane: Lane, tmp_path: Path) -> None:
    config = lane.config
    with FakeUpstream(lane.vendor) as upstream, Nexus.of(config(upstream, tmp_path), tmp_path) as nexus:
        for encoding in ("br", "zstd", "rot13"):
            upstream.default = Behaviour(body=b"\x8b\x02\x80", headers=(("Content-Encoding", encoding),))
            for client in CLIENTS:
                for stream in (False, True):
                    upstream.clear()
                    reply = ask(nexus, client, stream=stream)
                    assert reply.status == 502, (encoding, client, stream)
                    assert encoding in (said := reply.json["error"]["message"]) or "decode" in said
                    assert len(upstream.requests) == 1, (encoding, client, stream)


# -- a server with OpenAI's protocol -------------------------------------------------------------------------------

TRANSLATED = {**MESSAGES, "model": "openai/gpt-4"}
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
    return serve(openai_config(openai_upstream.base_url))


def labelled(body: bytes, kind: str) -> Behaviour:
    return Behaviour(body=body, headers=(("Content-Type", kind),))


def test_a_byte_order_mark_is_removed_from_the_answer(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.default = labelled(b"\xef\xbb\xbf" + WHOLE, "application/json")
    assert nexus.messages(TRANSLATED).json["content"] == [{"type": "text", "text": "Hi"}]


def test_thinking_between_tags_is_thinking_if_the_server_writes_it_so(
    serve: Serve, openai_upstream: FakeUpstream
) -> None:
    text = openai_config(openai_upstream.base_url)
    nexus = serve(text.replace('type = "openai"\n', 'type = "openai"\nquirks = ["think_tags"]\n'))
    openai_upstream.next(Behaviour(text="<think>\nhm\n</think>\n\nso"))
    content = nexus.messages(TRANSLATED).json["content"]
    assert [block[block["type"]] for block in content] == ["hm", "so"]


def chunks(*deltas: dict[str, Any]) -> bytes:
    lines = [{"id": "c", "model": "gpt-4", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    return b"".join(b"data: " + json.dumps(line).encode() + b"\n\n" for line in lines) + b"data: [DONE]\n\n"


def test_a_call_with_the_id_of_an_earlier_one_gets_another(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    """Kimi K3 numbers the calls of each answer from 0; Claude Code loses the results of repeated ids."""
    call = {"index": 0, "id": "t:0", "type": "function", "function": {"name": "t", "arguments": "{}"}}
    openai_upstream.default = labelled(chunks({"tool_calls": [call]}), "text/event-stream")
    used = {"role": "assistant", "content": [{"type": "tool_use", "id": "t:0", "name": "t", "input": {}}]}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t:0", "content": "done"}]}
    asked = [{"role": "user", "content": "Hi"}, used, result]
    assert b'"id":"call_' in nexus.messages({**TRANSLATED, "messages": asked, "stream": True}).body
    assert b'"id":"t:0"' in nexus.messages({**TRANSLATED, "stream": True}).body
