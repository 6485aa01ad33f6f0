"""Bedrock behind the real gateway: secrets, drops and counts; ``tests/server/test_vendors.py`` has its answers."""

from collections.abc import Mapping
from typing import Any

import anthropic
import pytest

from tests.conftest import Serve
from tests.providers.bedrock.fakes import (
    ACCESS_KEY,
    CLAUDE,
    MESSAGE,
    SECRET_KEY,
    TOKEN,
    Fake,
    answer,
    exception,
    stream,
)
from tests.serving import Nexus

TOML = """
[llm.providers.bedrock]
type = "bedrock"
region = "us-east-1"
base_url = "{url}"
access_key_id = "{key}"
secret_access_key = "{secret}"
session_token = "{token}"
retries.attempts = 1
[llm.providers.bedrock.models.claude]
rename = "{model}"
[llm.providers.bedrock.models.nova]
rename = "amazon.nova-pro-v1:0"
"""
ASKED: Mapping[str, Any] = {
    "model": "bedrock/claude",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Hello!"}],
}


@pytest.fixture
def behind(serve: Serve) -> Any:
    def start(fake: Fake) -> Nexus:
        return serve(TOML.format(url=fake.url, key=ACCESS_KEY, secret=SECRET_KEY, token=TOKEN, model=CLAUDE))

    return start


def client(nexus: Nexus) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=nexus.anthropic, api_key="any", max_retries=0)


# AWS's answer to a signature that it cannot verify: it quotes what should have been signed, including the token.
QUOTED = (
    "The request signature we calculated does not match. The Canonical String for this request should have been\n"
    f"POST\n/model/x/invoke\nx-amz-security-token:{TOKEN}\nCredential={ACCESS_KEY}"
)


@pytest.mark.parametrize("model", ["claude", "nova"])
@pytest.mark.parametrize("path", ["/llm/anthropic/v1/messages", "/llm/openai/v1/chat/completions"])
def test_keys_repeated_in_an_error_are_redacted(behind: Any, model: str, path: str) -> None:
    refusal = answer({"message": QUOTED}, 403, x_amzn_errortype="InvalidSignatureException", x_amzn_requestid=TOKEN)
    with Fake([refusal]) as fake:
        reply = behind(fake).post(path, {**ASKED, "model": f"bedrock/{model}"})
    assert reply.status == 403
    assert reply.json["error"]["message"].count("[redacted]") == 2
    assert TOKEN not in str(reply.headers)


@pytest.mark.parametrize("model", ["claude", "nova"])
@pytest.mark.parametrize("path", ["/llm/anthropic/v1/messages", "/llm/openai/v1/chat/completions"])
def test_keys_repeated_inside_a_stream_are_redacted(behind: Any, model: str, path: str) -> None:
    with Fake([stream(exception("validationException", QUOTED))]) as fake:
        reply = behind(fake).post(path, {**ASKED, "model": f"bedrock/{model}", "stream": True})
    assert reply.body.count(b"[redacted]") == 2
    assert b"signature we calculated" in reply.body


def test_drops_are_reported(behind: Any) -> None:
    with Fake([answer(MESSAGE)]) as fake:
        body = {**ASKED, "context_management": {"edits": [{"type": "clear_thinking_20251015"}]}}
        headers = {"anthropic-beta": "context-management-2025-06-27,claude-code-20250219,made-up"}
        reply = behind(fake).messages(body, headers)
        assert reply.status == 200
        assert reply.headers["x-nexus-dropped"] == "context_management.edits, anthropic-beta=made-up"
        assert fake.request().json["anthropic_beta"] == ["context-management-2025-06-27"]


def test_tokens_are_counted_by_bedrock(behind: Any) -> None:
    with Fake([answer({"inputTokens": 12})]) as fake, client(behind(fake)) as sdk:
        counted = sdk.messages.count_tokens(model="bedrock/claude", messages=list(ASKED["messages"]))
        assert counted.input_tokens == 12
        # CountTokens does not support cross-region profiles.
        assert fake.request().target == f"/model/{CLAUDE.removeprefix('us.').replace(':', '%3A')}/count-tokens"


@pytest.mark.parametrize("path", ["/llm/anthropic/v1/messages/count_tokens", "/llm/openai/v1/responses/input_tokens"])
def test_the_count_is_estimated_if_bedrock_cannot_count(behind: Any, path: str) -> None:
    refused = answer({"message": "The provided model doesn't support counting tokens."}, 400)
    with Fake([refused]) as fake:
        body = {"model": "bedrock/claude", "messages": ASKED["messages"], "input": "Hello!"}
        reply = behind(fake).post(path, body)
        assert fake.request().target.endswith("/count-tokens")
    assert (reply.status, reply.headers["x-nexus-estimated"]) == (200, "true")
    assert reply.json["input_tokens"] > 0


def test_other_errors_of_the_counter_are_returned(behind: Any) -> None:
    with Fake([answer({"message": "messages.0.content: Field required"}, 400)]) as fake:
        body = {"model": "bedrock/claude", "messages": ASKED["messages"]}
        reply = behind(fake).post("/llm/anthropic/v1/messages/count_tokens", body)
    assert (reply.status, reply.json["error"]["message"]) == (400, "messages.0.content: Field required")


def test_the_count_is_estimated_for_other_model_families(behind: Any) -> None:
    with Fake([answer(b"{}", 400)]) as fake:
        body = {"model": "bedrock/nova", "messages": ASKED["messages"]}
        reply = behind(fake).post("/llm/anthropic/v1/messages/count_tokens", body)
        assert fake.seen.empty()
    assert (reply.status, reply.headers["x-nexus-estimated"]) == (200, "true")
