"""The fake upstreams as healthy vendors, and their command line.

Driven from outside, over sockets; the vendors' SDKs judge the answers. Nothing sleeps.
"""

import json
import re
import time

import pytest
import requests
from anthropic.types import Message, MessageTokensCount, RawMessageStreamEvent
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.published import published
from tests.tools.driving import AUTH, HELLO, PATH, STREAM, connect, data_of, post, raw_request
from tools.fake_upstream import Behaviour, FakeUpstream


def test_chat_unary(chat: FakeUpstream) -> None:
    chat.next(Behaviour(cached_tokens=4, reasoning_tokens=2))
    reply = post(chat)
    parsed = ChatCompletion.model_validate_json(reply.content, strict=True)
    assert parsed.model == "m-1"
    assert parsed.choices[0].message.content == Behaviour().text
    assert parsed.choices[0].finish_reason == "stop"
    assert parsed.usage is not None
    assert parsed.usage.prompt_tokens == 15
    assert parsed.usage.total_tokens == 21
    assert parsed.usage.prompt_tokens_details is not None
    assert parsed.usage.prompt_tokens_details.cached_tokens == 4
    assert reply.headers["x-request-id"]
    assert chat.violations == []


@pytest.mark.parametrize("asked", [True, False])
def test_chat_stream(chat: FakeUpstream, asked: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if asked else {}
    reply = post(chat, STREAM | options)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.content.endswith(b"data: [DONE]\n\n")
    raw = data_of(reply.content)
    parsed = [ChatCompletionChunk.model_validate(item) for item in raw]
    with_choice = [item for item in parsed if item.choices]
    assert with_choice[0].choices[0].delta.role == "assistant"
    assert "".join(item.choices[0].delta.content or "" for item in with_choice) == Behaviour().text
    assert [item.choices[0].finish_reason for item in with_choice[-2:]] == [None, "stop"]
    if asked:
        assert all(item["usage"] is None for item in raw[:-1])
        assert parsed[-1].choices == []
        assert parsed[-1].usage is not None
    else:
        assert not any("usage" in item for item in raw)
        assert len(parsed) == len(with_choice)


def test_chat_models(chat: FakeUpstream) -> None:
    listed = requests.get(chat.base_url + "/models", headers=AUTH["openai"], timeout=60).json()
    assert listed["object"] == "list"
    assert [Model.model_validate(item).object for item in listed["data"]] == ["model"] * len(listed["data"])
    one = requests.get(chat.base_url + "/models/org/name", headers=AUTH["openai"], timeout=60)
    assert Model.model_validate_json(one.content).id == "org/name"


def test_claude_unary(claude: FakeUpstream) -> None:
    claude.next(Behaviour(cached_tokens=4, cache_write_tokens=3, thinking="Let me think."))
    reply = post(claude)
    parsed = Message.model_validate_json(reply.content)
    assert [block.type for block in parsed.content] == ["thinking", "text"]
    assert (parsed.model, parsed.stop_reason) == ("m-1", "end_turn")
    usage = parsed.usage
    counts = (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens)
    assert counts == (11, 3, 4)
    assert reply.headers["request-id"]
    assert claude.violations == []


def test_claude_stream(claude: FakeUpstream) -> None:
    reply = post(claude, STREAM).content
    names = [name.decode() for name in re.findall(rb"^event: (.*)$", reply, re.MULTILINE)]
    raw = data_of(reply)
    assert names == [item["type"] for item in raw]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    events = [published(RawMessageStreamEvent).validate_python(item) for item in raw if item["type"] != "ping"]
    text = "".join(event.delta.text for event in events if event.type == "content_block_delta")
    assert text == Behaviour().text
    assert events[-2].delta.stop_reason == "end_turn"
    assert events[-2].usage.output_tokens == 6


def test_claude_count_tokens(claude: FakeUpstream) -> None:
    body = {"model": "m", "messages": HELLO["messages"]}
    reply = post(claude, body, "/v1/messages/count_tokens")
    assert MessageTokensCount.model_validate_json(reply.content).input_tokens == 11


def test_ids_differ_and_connections_are_kept_alive(upstream: FakeUpstream) -> None:
    ids = set()
    with requests.Session() as session:
        for body in (HELLO, STREAM, HELLO):
            url = upstream.origin + PATH[upstream.vendor]
            with session.post(url, json=body, headers=AUTH[upstream.vendor]) as reply:
                ids.add(reply.headers.get("x-request-id") or reply.headers["request-id"])
    assert len(ids) == 3
    assert {seen.connection for seen in upstream.requests} == {1}
    assert upstream.accepted_connections == 1
    assert upstream.disconnects == []


def test_requests_are_recorded_as_sent(upstream: FakeUpstream) -> None:
    before = time.monotonic()
    with connect(upstream) as sock:
        head, _, body = raw_request(upstream, HELLO, "X-MiXed: a\r\nx-mixed: b\r\n").partition(b"\r\n\r\n")
        sock.sendall(head.replace(b" HTTP", b"?beta=true&x=%20 HTTP") + b"\r\n\r\n")
        sock.sendall(body)
        seen = upstream.wait_for_requests(1)[0]
    assert (seen.method, seen.path) == ("POST", PATH[upstream.vendor] + "?beta=true&x=%20")
    assert [pair for pair in seen.headers if pair[0].lower() == "x-mixed"] == [("X-MiXed", "a"), ("x-mixed", "b")]
    assert seen.body == body
    assert seen.json == HELLO
    assert before <= seen.received_at <= time.monotonic()


def test_chunked_request_body_and_expect(chat: FakeUpstream) -> None:
    payload = json.dumps(HELLO).encode()
    reply = requests.post(
        chat.base_url + "/chat/completions",
        data=iter([payload[:10], payload[10:]]),
        headers=AUTH["openai"] | {"content-type": "application/json; charset=utf-8"},
        timeout=10,
    )
    assert reply.status_code == 200
    with connect(chat) as sock:
        head, _, body = raw_request(chat, HELLO, "Expect: 100-continue\r\n").partition(b"\r\n\r\n")
        sock.sendall(head + b"\r\n\r\n")
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 OK")
    assert [seen.json for seen in chat.requests] == [HELLO, HELLO]
