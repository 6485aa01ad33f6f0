"""``count_tokens``: by the vendor where it counts, by a marked estimate where nobody does."""

from __future__ import annotations

from typing import Any

import anthropic

from tests.conftest import Serve
from tests.serving import MESSAGES, Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

PATH = "/llm/anthropic/v1/messages/count_tokens"
QUESTION: dict[str, Any] = {"model": "anthropic/claude", "messages": [{"role": "user", "content": "Hello, you!"}]}


def test_anthropic_counts_by_itself(nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
    reply = nexus.post(f"{PATH}?beta=true", QUESTION)
    assert reply.status == 200
    assert reply.json["input_tokens"] > 0
    assert "x-nexus-estimated" not in reply.headers
    assert anthropic_upstream.requests[0].path == "/v1/messages/count_tokens?beta=true"
    assert anthropic_upstream.requests[0].json == {**QUESTION, "model": "claude-sonnet-4-5"}


def test_the_sdk_reads_it(nexus: Nexus) -> None:
    with anthropic.Anthropic(base_url=nexus.anthropic, api_key="not-used", max_retries=0) as client:
        count = client.messages.count_tokens(model="anthropic/claude", messages=[{"role": "user", "content": "Hi"}])
    assert count.input_tokens > 0


def test_a_vendor_that_does_not_count_is_estimated(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.default = Behaviour(status=404)
    short = nexus.post(PATH, {**QUESTION, "model": "openai/gpt-4"})
    words = [{"role": "user", "content": "Hello, you! " * 100}]
    long = nexus.post(PATH, {**QUESTION, "model": "openai/gpt-4", "messages": words})
    assert (short.headers["x-nexus-estimated"], long.headers["x-nexus-estimated"]) == ("true", "true")
    assert 0 < short.json["input_tokens"] < 50 < 250 < long.json["input_tokens"] < 500


def test_the_echo_is_estimated_without_any_network(serve: Serve) -> None:
    nexus = serve('[llm.providers.demo]\ntype = "echo"\nmodels.echo = {}\n')
    reply = nexus.post(PATH, {**QUESTION, "model": "demo/echo"})
    assert (reply.status, reply.headers["x-nexus-estimated"]) == (200, "true")


def test_errors_are_the_vendors(nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
    anthropic_upstream.default = Behaviour(status=400, message="no")
    assert nexus.post(PATH, QUESTION).json["error"]["message"] == "no"
    assert nexus.post(PATH, {**MESSAGES, "messages": 1}).status == 400
