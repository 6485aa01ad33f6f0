"""Limits end to end: how much a caller may use, what the refusal contains, and that every reservation is released."""

import http.client
import json
import threading

import pytest

from nexus.limits.reservation import CALLERS_FAULT
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


def test_exactly_n_requests_per_interval_are_allowed(limited: Nexus, openai_upstream: FakeUpstream) -> None:
    assert [limited.chat(CHAT, ALICE).status for _ in range(3)] == [200, 200, 429]
    assert limited.chat(CHAT, {"X-Client-Id": "bob"}).status == 200
    assert len(openai_upstream.requests) == 3


def test_the_refusal_is_marked_as_nexuss_and_says_when_to_retry(limited: Nexus) -> None:
    for _ in range(2):
        limited.messages(MESSAGES, ALICE)
    refused = limited.messages(MESSAGES, ALICE)
    assert (refused.status, refused.json["error"]["type"]) == (429, "rate_limit_error")
    assert refused.headers["x-nexus-limit"] == "own" and "x-nexus-route" not in refused.headers
    assert 0 < int(refused.headers["retry-after"]) <= 61


def test_a_vendors_429_is_not_marked_as_ours(limited: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.default = Behaviour(status=429, headers=(("retry-after", "60"),))
    refused = limited.chat(CHAT, ALICE)
    assert refused.status == 429
    assert "x-nexus-limit" not in refused.headers


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_a_call_that_the_vendor_could_not_serve_releases_its_reservation(
    limited: Nexus, openai_upstream: FakeUpstream, status: int
) -> None:
    openai_upstream.default = Behaviour(status=status, headers=(("x-should-retry", "false"),))
    assert [limited.chat(CHAT, ALICE).status for _ in range(5)] == [status] * 5
    openai_upstream.default = Behaviour()
    assert limited.chat(CHAT, ALICE).status == 200


@pytest.mark.parametrize("status", sorted(CALLERS_FAULT))
def test_a_call_that_the_vendor_rejected_as_invalid_counts_as_a_request(
    limited: Nexus, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream, status: int
) -> None:
    """On both lanes: passthrough and translation."""
    openai_upstream.default = anthropic_upstream.default = Behaviour(status=status)
    assert [limited.chat(CHAT, ALICE).status for _ in range(3)] == [status, status, 429]
    translated = {**CHAT, "model": "anthropic/claude"}
    assert [limited.chat(translated, ALICE).status for _ in range(3)] == [status, status, 429]
    assert limited.server.kept.limits.open == 0


def test_requests_that_nexus_rejects_do_not_count(limited: Nexus) -> None:
    for body in ({**CHAT, "model": "openai/none"}, {**CHAT, "stream": "yes"}):
        assert [limited.chat(body, ALICE).status for _ in range(3)] == [404 if "none" in body["model"] else 400] * 3
    assert limited.chat(CHAT, ALICE).status == 200


def test_tokens_are_settled_to_the_vendors_count(serve: Serve, openai_upstream: FakeUpstream) -> None:
    limit = '[llm.providers.openai.rate_limits.per_user]\ninput_token_limit = 1000\ninterval = "60s"\n'
    nexus = serve(IDENTIFIED + openai_config(openai_upstream.base_url, limit))
    openai_upstream.default = Behaviour(input_tokens=600)
    reply = nexus.chat(CHAT, ALICE)
    assert (reply.status, reply.headers["x-ratelimit-limit-tokens"]) == (200, "1000")
    refused = nexus.chat(CHAT, ALICE)
    assert (refused.status, refused.headers["x-ratelimit-remaining-tokens"]) == (429, "400")


@pytest.mark.slow
def test_a_burst_stays_within_the_limit_if_the_vendor_counts_more_tokens(
    serve: Serve, openai_upstream: FakeUpstream
) -> None:
    """Forty callers at once, then repeatedly: 12 tokens by Nexus's estimate, 50 by the vendor's count."""
    limit = '[llm.providers.openai.rate_limits.per_user]\ninput_token_limit = 1000\ninterval = "1h"\n'
    nexus = serve(IDENTIFIED + openai_config(openai_upstream.base_url, limit))
    go = threading.Event()
    openai_upstream.default = Behaviour(input_tokens=50, hold=go)
    seen: list[int] = []

    def callers(calls: int) -> list[threading.Thread]:
        def call() -> None:
            for _ in range(calls):
                seen.append(nexus.chat(CHAT, ALICE).status)

        threads = [threading.Thread(target=call) for _ in range(40)]
        for thread in threads:
            thread.start()
        return threads

    first = callers(1)
    wait_until(lambda: len(seen) + len(openai_upstream.requests) == 40)
    go.set()
    for thread in [*first, *callers(4)]:
        thread.join(60)
    assert (len(seen), set(seen)) == (200, {200, 429})
    assert 850 <= 50 * seen.count(200) <= 1150
    assert seen.count(200) == len(openai_upstream.requests)


def test_nexuss_headers_replace_the_vendors_but_not_those_of_a_plan(
    limited: Nexus, anthropic_upstream: FakeUpstream
) -> None:
    vendors = {
        "anthropic-ratelimit-requests-limit": "4000",
        "anthropic-ratelimit-tokens-remaining": "77",
        "anthropic-ratelimit-unified-status": "allowed",
    }
    anthropic_upstream.default = Behaviour(headers=tuple(vendors.items()))
    reply = limited.messages(MESSAGES, ALICE)
    assert reply.status == 200
    assert reply.headers["anthropic-ratelimit-requests-limit"] == "2"
    assert "anthropic-ratelimit-tokens-remaining" not in reply.headers
    assert reply.headers["anthropic-ratelimit-unified-status"] == "allowed"


def test_a_disconnected_client_is_charged_for_the_usage_seen_so_far(
    serve: Serve, anthropic_upstream: FakeUpstream
) -> None:
    limit = '[llm.providers.anthropic.rate_limits.per_user]\ninput_token_limit = 1000\ninterval = "60s"\n'
    nexus = serve(IDENTIFIED + anthropic_config(anthropic_upstream.base_url, limit))
    limits = nexus.server.kept.limits
    anthropic_upstream.next(Behaviour(event_delay=30, only_before=4, input_tokens=999))
    connection = http.client.HTTPConnection("127.0.0.1", nexus.port, timeout=60)
    body = json.dumps({**MESSAGES, "stream": True})
    connection.request("POST", "/llm/anthropic/v1/messages", body, {"Content-Type": "application/json", **ALICE})
    response = connection.getresponse()
    response.readline()
    assert limits.open == 1
    response.close()
    connection.close()
    wait_until(lambda: limits.open == 0)
    refused = nexus.messages(MESSAGES, ALICE)
    assert (refused.status, refused.headers["anthropic-ratelimit-input-tokens-remaining"]) == (429, "1")


def test_counting_tokens_is_free_of_token_limits(limited: Nexus) -> None:
    body = {key: value for key, value in MESSAGES.items() if key != "max_tokens"}
    counted = [limited.post("/llm/anthropic/v1/messages/count_tokens", body, ALICE).status for _ in range(4)]
    assert counted == [200] * 4
    assert limited.messages(MESSAGES, ALICE).status == 200


def test_the_limit_per_address_counts_before_authentication(
    serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream
) -> None:
    rule = '[server.rate_limits]\nper_ip = { limit = 4, interval = "60s" }\n'
    keys = '[server.keys.alice]\nkey = "nx-hushhush-alice-0123456789abcdef"\n'
    nexus = serve(rule + keys + openai_config(openai_upstream.base_url))
    models = "/llm/openai/v1/models"
    assert nexus.request("GET", models).status == 401
    assert nexus.chat(CHAT).status == 401
    assert nexus.request("GET", "/llm/openai/nothing").status == 401
    assert nexus.request("GET", models, headers={"x-api-key": "nx-hushhush-alice-0123456789abcdef"}).status == 200
    for refused in (nexus.request("GET", models), nexus.chat(CHAT), nexus.request("GET", "/llm/anthropic/v1/models")):
        assert (refused.status, refused.headers["x-nexus-limit"]) == (429, "own")
    assert nexus.request("GET", "/health").status == 200
    assert nexus.request("HEAD", "/llm/anthropic").status == 200
