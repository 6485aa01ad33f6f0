"""``count_tokens``: counted by vendors that support it, otherwise a marked estimate."""

from typing import Any

import pytest

from tests.conftest import Serve
from tests.protocols.messages.kit import frames
from tests.server.vendors import LANES, RESPONSES, Lane, Stand
from tests.serving import MESSAGES, Nexus, openai_config
from tools.fake_upstream import Behaviour, FakeUpstream

PATH = "/llm/anthropic/v1/messages/count_tokens"
QUESTION: dict[str, Any] = {"model": "anthropic/claude", "messages": [{"role": "user", "content": "Hello, you!"}]}


def test_anthropic_counts_the_tokens(nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
    reply = nexus.post(f"{PATH}?beta=true", QUESTION)
    assert reply.status == 200
    assert reply.json["input_tokens"] > 0
    assert "x-nexus-estimated" not in reply.headers
    assert anthropic_upstream.requests[0].path == "/v1/messages/count_tokens?beta=true"
    assert anthropic_upstream.requests[0].json == {**QUESTION, "model": "claude-sonnet-4-5"}


def test_the_count_is_estimated_if_the_vendor_cannot_count(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.default = Behaviour(status=404)
    short = nexus.post(PATH, {**QUESTION, "model": "openai/gpt-4"})
    words = [{"role": "user", "content": "Hello, you! " * 100}]
    long = nexus.post(PATH, {**QUESTION, "model": "openai/gpt-4", "messages": words})
    assert (short.headers["x-nexus-estimated"], long.headers["x-nexus-estimated"]) == ("true", "true")
    assert 0 < short.json["input_tokens"] < 50 < 250 < long.json["input_tokens"] < 500


@pytest.mark.parametrize(
    "answer",
    [
        Behaviour(status=400),
        Behaviour(status=403, message="Missing Authentication Token"),
        Behaviour(status=500),
        Behaviour(body=b"<!doctype html>"),
        Behaviour(body=b'{"ok": true}'),
    ],
)
def test_the_count_is_estimated_if_the_server_lacks_the_path(
    nexus: Nexus, openai_upstream: FakeUpstream, answer: Behaviour
) -> None:
    openai_upstream.default = answer
    reply = nexus.post(PATH, {**QUESTION, "model": "openai/gpt-4"})
    assert (reply.status, reply.headers.get("x-nexus-estimated")) == (200, "true")
    assert {request.route for request in openai_upstream.requests} == {"/v1/responses/input_tokens"}


def test_the_error_of_a_server_that_supports_counting_is_returned(serve: Serve, openai_upstream: FakeUpstream) -> None:
    openai_upstream.default = Behaviour(status=400, message="no")
    config = openai_config(openai_upstream.base_url)
    nexus = serve(config.replace('type = "openai"', 'type = "openai"\nresponses = true'))
    reply = nexus.post(PATH, {**QUESTION, "model": "openai/gpt-4"})
    assert (reply.status, reply.json["error"]["message"]) == (400, "no")


def test_the_demo_model_is_estimated_without_network(serve: Serve) -> None:
    nexus = serve('[llm.providers.demo]\ntype = "echo"\nmodels.echo = {}\n')
    reply = nexus.post(PATH, {**QUESTION, "model": "demo/echo"})
    assert (reply.status, reply.headers["x-nexus-estimated"]) == (200, "true")


def test_the_vendors_errors_are_returned(nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
    anthropic_upstream.default = Behaviour(status=400, message="no")
    assert nexus.post(PATH, QUESTION).json["error"]["message"] == "no"
    assert nexus.post(PATH, {**MESSAGES, "messages": 1}).status == 400


@pytest.mark.parametrize("lane", [LANES[0], LANES[2], LANES[-1], RESPONSES], ids=lambda lane: lane.name)
def test_a_stream_begins_with_the_size_of_the_context(stand: Stand, lane: Lane) -> None:
    """Only Gemini counts the input first; for the others it is an estimate until the end."""
    house = stand(lane)
    words = [{"role": "user", "content": "Hello, you! " * 100}]
    reply = house.nexus.messages({"model": "v/m", "max_tokens": 64, "stream": True, "messages": words})
    events = [data for _, data in frames(reply.body)]
    first = next(event["message"]["usage"] for event in events if event["type"] == "message_start")
    last = next(event["usage"] for event in events if event["type"] == "message_delta")
    assert first["input_tokens"] == (11 if lane is LANES[2] else pytest.approx(350, rel=0.1))
    assert last["input_tokens"] == 11
