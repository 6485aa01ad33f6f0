"""Limits, budgets, records and metrics apply to calls in Google's format."""

import json
from typing import Any

import pytest
from google.genai import errors

from tests.conftest import Serve
from tests.server.test_budgets import ONE_CALL, TIGHT, config
from tests.server.test_gemini_format import BODY, GOOGLE, sdk
from tests.serving import Nexus, Reply, openai_config, wait_until
from tools.fake_upstream import FakeUpstream

LIMITED = '[llm.providers.openai.rate_limits.per_user]\nrequest_limit = 1\ninterval = "60s"\n'
IDENTIFIED = '[server.client_identification]\nenabled = true\nclient_id.http_header = "X-Client-Id"\n'
VERBS = {"whole": "generateContent", "array": "streamGenerateContent", "events": "streamGenerateContent?alt=sse"}
ASKED: dict[str, Any] = {**BODY, "generationConfig": {"maxOutputTokens": 100}}


def ask(nexus: Nexus, verb: str = "whole", model: str = "gpt-4", **headers: str) -> Reply:
    return nexus.post(f"{GOOGLE}/{model}:{VERBS[verb]}", ASKED, {k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize("verb", VERBS)
def test_an_exceeded_limit_gets_googles_error(verb: str, serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(IDENTIFIED + openai_config(openai_upstream.base_url, LIMITED))
    assert ask(nexus, verb, x_client_id="alice").status == 200
    refused = ask(nexus, verb, x_client_id="alice")
    assert refused.status == 429 and refused.headers["x-nexus-limit"] == "own"
    found = json.loads(refused.body)
    error = (found[0] if isinstance(found, list) else found)["error"]
    assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert 0 < int(refused.headers["retry-after"]) <= 61
    assert ask(nexus, verb, x_client_id="bob").status == 200
    assert len(openai_upstream.requests) == 2


def test_the_sdk_reports_an_exceeded_budget(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(config(openai_upstream.base_url, limit=TIGHT))
    found = nexus.records()
    assert ask(nexus).status == 200
    wait_until(lambda: bool(found))
    with sdk(nexus) as client, pytest.raises(errors.ClientError, match="budget 'people'") as caught:
        client.models.generate_content(model="gpt-4", contents="Hi", config={"max_output_tokens": 100})
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize("verb", VERBS)
def test_the_cost_is_recorded(verb: str, serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(config(openai_upstream.base_url))
    found = nexus.records()
    assert ask(nexus, verb).status == 200
    wait_until(lambda: bool(found))
    (attempt,) = found[0].attempts
    assert (found[0].protocol, found[0].stream, attempt.cost) == ("gemini", verb != "whole", ONE_CALL)
    metrics = nexus.request("GET", "/metrics").body.decode()
    assert any('dialect="gemini"' in line or 'protocol="gemini"' in line for line in metrics.splitlines()), metrics
