"""Outgoing requests: path, headers and signature, checked by recomputing the signature from the received request."""

import logging
from typing import Any

import botocore.session  # type: ignore[import-untyped]
import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from pydantic import SecretStr

from nexus.cancel import Cancel
from nexus.providers.bedrock import BedrockProvider
from nexus.providers.bedrock.settings import BedrockModel
from nexus.upstream.request import UpstreamReply
from tests.providers.bedrock.fakes import (
    ACCESS_KEY,
    API_KEY,
    CLAUDE,
    CONVERSE_STREAM,
    MESSAGE,
    MESSAGE_STREAM,
    NOVA,
    REGION,
    SECRET_KEY,
    STATIC,
    TOKEN,
    Fake,
    Seen,
    answer,
    check_signature,
    provider,
    provider_request,
    settings,
    stream,
)

PROFILE_ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-8"
OPAQUE_ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"


def whole(reply: UpstreamReply) -> bytes:
    pieces = []
    with reply:
        while piece := reply.read():
            pieces.append(piece)
    return b"".join(pieces)


def sent(bedrock: BedrockProvider, fake: Fake, **more: Any) -> Seen:
    whole(bedrock.send(bedrock.prepare(provider_request(**more)), Cancel()))
    return fake.request()


PATHS: dict[str, tuple[dict[str, Any], str]] = {
    "invoke": ({}, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke"),
    "invoke, streaming": (
        {"stream": True},
        "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream",
    ),
    "count": ({"action": "count_tokens"}, "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens"),
    "ARN": (
        {"model": PROFILE_ARN},
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile"
        "%2Fus.anthropic.claude-opus-4-8/invoke",
    ),
    "converse": ({"dialect": "converse", "model": NOVA}, "/model/amazon.nova-pro-v1%3A0/converse"),
    "converse, streaming": (
        {"dialect": "converse", "model": NOVA, "stream": True},
        "/model/amazon.nova-pro-v1%3A0/converse-stream",
    ),
    "count of converse": (
        {"dialect": "converse", "model": NOVA, "action": "count_tokens"},
        "/model/amazon.nova-pro-v1%3A0/count-tokens",
    ),
    "a name that would be a path": (
        {"model": "../x?y#z/@evil:1 \u00e4%2f"},
        "/model/..%2Fx%3Fy%23z%2F%40evil%3A1%20%C3%A4%252f/invoke",
    ),
}


@pytest.mark.parametrize("token", [None, TOKEN], ids=["keys", "session token"])
@pytest.mark.parametrize(("more", "path"), PATHS.values(), ids=PATHS.keys())
def test_every_path_is_signed(more: dict[str, Any], path: str, token: str | None) -> None:
    reply = (
        stream(CONVERSE_STREAM if more.get("dialect") else MESSAGE_STREAM) if more.get("stream") else answer(MESSAGE)
    )
    with Fake([reply]) as fake:
        seen = sent(provider(fake.url, **STATIC, **({"session_token": token} if token else {})), fake, **more)
        assert (seen.method, seen.target) == ("POST", path)
        check_signature(seen, fake.url, token)
    streams = "stream" in more
    assert seen.headers["accept"] == ("application/vnd.amazon.eventstream" if streams else "application/json")
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["user-agent"].startswith("nexus/")


def test_the_path_of_a_base_url_is_signed() -> None:
    with Fake([answer(MESSAGE)]) as fake:
        seen = sent(provider(f"{fake.url}/some/where", **STATIC), fake)
        assert seen.target.startswith("/some/where/model/us.anthropic.")
        check_signature(seen, fake.url)


@pytest.mark.parametrize("model", [CLAUDE, PROFILE_ARN, OPAQUE_ARN])
def test_botocore_requests_the_same_path(model: str) -> None:
    with Fake([answer(MESSAGE)]) as fake:
        client = botocore.session.Session().create_client(
            "bedrock-runtime",
            REGION,
            endpoint_url=fake.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(signature_version="v4"),
        )
        client.invoke_model(modelId=model, body=b"{}")["body"].read()
        theirs = fake.request()
        client.close()
        ours = sent(provider(fake.url), fake, model=model, settings=BedrockModel(family="anthropic"))
    assert ours.target == theirs.target


def test_an_api_key_is_a_bearer_token_and_nothing_is_signed() -> None:
    with Fake([answer(MESSAGE)]) as fake:
        bedrock = provider(fake.url, api_key=API_KEY)
        seen = sent(bedrock, fake, key=bedrock.key({}, "chat"))
    assert seen.headers["authorization"] == f"Bearer {API_KEY}"
    assert not [name for name in seen.headers if name.startswith("x-amz-")]


def test_the_environments_api_key_is_part_of_awss_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", API_KEY)
    with Fake([answer(MESSAGE)]) as fake:
        chain = BedrockProvider("bedrock", settings(base_url=fake.url))
        assert sent(chain, fake).headers["authorization"] == f"Bearer {API_KEY}"
        # Keys in the settings file take precedence.
        check_signature(sent(provider(fake.url), fake), fake.url)


def test_no_header_or_query_of_the_client_is_forwarded() -> None:
    headers = {
        "authorization": "Bearer hushhush-theirs",
        "x-api-key": "hushhush-theirs",
        "x-amz-security-token": "hushhush-theirs",
        "host": "evil.example",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "made-up",
        "x-amzn-bedrock-guardrailidentifier": "theirs",
        "cookie": "hushhush-theirs",
    }
    with Fake([answer(MESSAGE)]) as fake:
        seen = sent(provider(fake.url), fake, headers=headers, query="beta=true")
    assert "theirs" not in str(seen.headers)
    assert set(seen.headers) == {
        "host",
        "content-type",
        "content-length",
        "accept",
        "accept-encoding",
        "user-agent",
        "authorization",
        "x-amz-date",
    }
    assert "?" not in seen.target


def test_preparing_is_pure() -> None:
    bedrock = provider("http://127.0.0.1:9")
    first, second = (bedrock.prepare(provider_request(headers={"anthropic-beta": "made-up"})) for _ in range(2))
    assert first == second
    assert "authorization" not in first.headers
    assert first.dropped == ("anthropic-beta=made-up",)


def test_a_converse_request_passes_unchanged() -> None:
    body = b'{"messages": [{"role":"user","content":[{"text":"Hi"}]}]}'
    prepared = provider("http://127.0.0.1:9").prepare(provider_request(body, dialect="converse", model=NOVA))
    assert (prepared.body, prepared.dropped) == (body, ())


DIALECTS = {
    CLAUDE: (None, "messages"),
    PROFILE_ARN: (None, "messages"),
    OPAQUE_ARN: ("anthropic", "messages"),
    OPAQUE_ARN + "d": (None, "converse"),
    NOVA: (None, "converse"),
}


@pytest.mark.parametrize(("model", "told"), DIALECTS.items(), ids=DIALECTS.keys())
def test_claude_is_called_in_messages_and_other_models_in_converse(model: str, told: tuple[Any, str]) -> None:
    family, dialect = told
    bedrock, own = provider(), BedrockModel(family=family, max_tokens=77)
    assert bedrock.dialects_of(model, own)[0] == dialect
    assert bedrock.counts_in(dialect) is (dialect == "messages")
    target = bedrock.target(dialect, model, own)
    assert (target.model, target.max_tokens) == (model, 77)


def test_an_opaque_arn_has_the_facts_of_its_model() -> None:
    bedrock = provider()
    for base_model in ("us.anthropic.claude-opus-4-8-20260601-v1:0", "claude-opus-4-8"):
        told = BedrockModel(base_model=base_model)
        assert bedrock.dialects_of(OPAQUE_ARN, told) == ("messages", "converse")
        target = bedrock.target("messages", OPAQUE_ARN, told)
        assert (target.model, target.max_output) == (OPAQUE_ARN, 32000)
        assert target.claude.thinking == "adaptive"
    opaque = bedrock.target("messages", OPAQUE_ARN, BedrockModel(family="anthropic"))
    assert not opaque.claude.known
    nova = BedrockModel(base_model="amazon.nova-pro-v1:0")
    assert bedrock.dialects_of(OPAQUE_ARN, nova) == ("converse",)
    assert bedrock.target("converse", OPAQUE_ARN, nova).converse.cache


def test_the_fields_of_a_body_depend_on_the_model_behind_an_arn() -> None:
    body = b'{"max_tokens":9,"output_config":{"effort":"high"},"messages":[]}'

    def kept(told: BedrockModel) -> bool:
        request = provider().prepare(provider_request(body=body, model=OPAQUE_ARN, settings=told))
        return b"effort" in request.body

    assert kept(BedrockModel(base_model="anthropic.claude-opus-4-8"))
    assert not kept(BedrockModel(family="anthropic"))


def test_facts_depend_on_the_dialect() -> None:
    bedrock = provider()
    assert bedrock.target("messages", CLAUDE, BedrockModel()).claude.strict_tools
    assert bedrock.target("converse", NOVA, BedrockModel()).converse.cache


def test_no_key_is_shown_even_at_the_lowest_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Fake([answer(MESSAGE)]) as fake:
        bedrock = provider(fake.url, session_token=TOKEN, **STATIC)
        request = bedrock.prepare(provider_request())
        seen = sent(bedrock, fake)
    assert TOKEN in seen.headers["x-amz-security-token"]
    shown = caplog.text + repr(request) + repr(bedrock.__dict__) + repr(bedrock._static)
    assert not any(secret in shown for secret in (SECRET_KEY, TOKEN, ACCESS_KEY))


@pytest.mark.parametrize("keys", [{"session_token": TOKEN, **STATIC}, {"api_key": TOKEN}], ids=["signature", "bearer"])
def test_a_reply_lists_the_secrets_that_were_sent(keys: dict[str, Any]) -> None:
    with Fake([answer(MESSAGE)]) as fake:
        bedrock = provider(fake.url, **keys)
        key = SecretStr(TOKEN) if "api_key" in keys else None
        with bedrock.send(bedrock.prepare(provider_request(key=key)), Cancel()) as reply:
            assert TOKEN in reply.secrets
