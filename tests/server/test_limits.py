"""Limits end to end: what one caller may spend, what the refusal says, and that nothing stays held."""

from __future__ import annotations

import threading

import pytest

from tests.conftest import Serve
from tests.serving import CHAT, MESSAGES, Nexus, anthropic_config, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

IDENTIFIED = """
[server.client_identification]
enabled = true
client_id.http_header = "X-Client-Id"
"""
ALICE = {"X-Client-Id": "alice"}
LIMIT = '[llm.providers.{name}.rate_limits.per_user]\nrequest_limit = 2\ninterval = "60s"\n'


@pytest.fixture
def limited(serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream) -> Nexus:
    vendors = openai_config(openai_upstream.base_url, LIMIT.format(name="openai"))
    vendors += anthropic_config(anthropic_upstream.base_url, LIMIT.format(name="anthropic"))
    return serve(IDENTIFIED + vendors)


def test_n_per_interval_and_no_more(limited: Nexus, openai_upstream: FakeUpstream) -> None:
    assert [limited.chat(CHAT, ALICE).status for _ in range(3)] == [200, 200, 429]
    assert limited.chat(CHAT, {"X-Client-Id": "bob"}).status == 200
    assert len(openai_upstream.requests) == 3


def test_the_refusal_says_whose_it_is_and_when_to_come_back(limited: Nexus) -> None:
    for _ in range(2):
        limited.messages(MESSAGES, ALICE)
    refused = limited.messages(MESSAGES, ALICE)
    assert (refused.status, refused.json["error"]["type"]) == (429, "rate_limit_error")
    assert refused.headers["x-nexus-limit"] == "own"
    assert 0 < int(refused.headers["retry-after"]) <= 61


def test_a_vendors_429_is_not_marked_as_ours(limited: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.default = Behaviour(status=429, headers=(("retry-after", "60"),))
    refused = limited.chat(CHAT, ALICE)
    assert refused.status == 429
    assert "x-nexus-limit" not in refused.headers


def test_a_failed_call_gives_back_what_it_held(limited: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(*(Behaviour(status=400) for _ in range(5)))
    assert [limited.chat(CHAT, ALICE).status for _ in range(5)] == [400] * 5
    assert limited.chat(CHAT, ALICE).status == 200


def test_many_at_once_never_pass_on_one_budget(limited: Nexus, openai_upstream: FakeUpstream) -> None:
    go = threading.Event()
    openai_upstream.default = Behaviour(hold=go)
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(limited.chat(CHAT, ALICE).status)) for _ in range(16)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(seen) == 14)
    go.set()
    for thread in threads:
        thread.join(20)
    assert sorted(seen) == [200] * 2 + [429] * 14
    assert limited.house.gateway.spending.limits.open == 0


def test_tokens_are_settled_to_what_the_vendor_reported(serve: Serve, openai_upstream: FakeUpstream) -> None:
    limit = '[llm.providers.openai.rate_limits.per_user]\ninput_token_limit = 1000\ninterval = "60s"\n'
    nexus = serve(IDENTIFIED + openai_config(openai_upstream.base_url, limit))
    openai_upstream.default = Behaviour(input_tokens=600)
    assert nexus.chat(CHAT, ALICE).status == 200
    reply = nexus.chat(CHAT, ALICE)
    assert reply.status == 200
    assert reply.headers["x-ratelimit-limit-tokens"] == "1000"
    assert nexus.chat(CHAT, ALICE).status == 429


def test_calls_by_address(serve: Serve, openai_upstream: FakeUpstream) -> None:
    rule = '[server.rate_limits]\nenabled = true\nper_ip = { limit = 2, interval = "60s" }\n'
    nexus = serve(rule + openai_config(openai_upstream.base_url))
    assert [nexus.chat(CHAT).status for _ in range(3)] == [200, 200, 429]


def test_without_limits_nothing_is_held(nexus: Nexus) -> None:
    assert nexus.chat(CHAT).status == 200
    assert nexus.house.gateway.spending.limits.open == 0
