"""Azure OpenAI end to end: both APIs, API keys, and Entra ID tokens from every supported source."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.serving import CHAT, KEY, MESSAGES, Nexus
from tools.fake_upstream import Behaviour, FakeUpstream
from tools.fake_upstream.azure import ASSERTION, CLIENT_ID, CLIENT_SECRET, IDENTITY_HEADER, TENANT


@pytest.fixture
def azure() -> Iterator[FakeUpstream]:
    with FakeUpstream("azure", api_key=KEY) as upstream:
        yield upstream


def house(serve: Serve, path: str, more: str, model: str = "m = {}") -> Nexus:
    return serve(f'[llm.providers.azure]\ntype = "openai"\nbase_url = "{path}"\n{more}\nmodels.{model}\n')


KEYED = f'api_key = "{KEY}"\nauth_header = "api-key"\n'
APIS = {
    "v1": ("/openai/v1", KEYED, "/openai/v1/chat/completions"),
    "v1 with a bearer": ("/openai/v1", f'api_key = "{KEY}"', "/openai/v1/chat/completions"),
    "v1 with a version": (
        "/openai/v1",
        KEYED + 'query = {api-version = "preview"}',
        "/openai/v1/chat/completions?api-version=preview",
    ),
    "one deployment": (
        "/openai/deployments/gpt-four?api-version=2024-10-21",
        KEYED,
        "/openai/deployments/gpt-four/chat/completions?api-version=2024-10-21",
    ),
    "as Azure's pages show it": (
        "/openai/deployments/gpt-four/chat/completions?api-version=2024-10-21",
        KEYED,
        "/openai/deployments/gpt-four/chat/completions?api-version=2024-10-21",
    ),
    "deployments by model": (
        "/openai/deployments",
        KEYED + 'auth_scheme = "none"\nquery = {api-version = "2024-10-21"}',
        "/openai/deployments/m/chat/completions?api-version=2024-10-21",
    ),
}


@pytest.mark.parametrize(("path", "more", "asked"), APIS.values(), ids=APIS.keys())
def test_each_api_has_its_own_path(serve: Serve, azure: FakeUpstream, path: str, more: str, asked: str) -> None:
    nexus = house(serve, azure.origin + path, more)
    assert nexus.chat({**CHAT, "model": "azure/m"}).status == 200
    assert nexus.messages({**MESSAGES, "model": "azure/m", "stream": True}).status == 200
    assert [seen.path for seen in azure.requests] == [asked, asked]


def test_the_classic_responses_api_has_no_deployment_in_the_path(serve: Serve, azure: FakeUpstream) -> None:
    more = KEYED + 'responses = true\nquery = {api-version = "2025-04-01-preview"}'
    nexus = house(serve, f"{azure.origin}/openai/deployments", more)
    assert nexus.post("/llm/openai/v1/responses", {"model": "azure/m", "input": "Hello!"}).status == 200
    assert azure.requests[0].path == "/openai/responses?api-version=2025-04-01-preview"


def application(azure: FakeUpstream, credential: str) -> str:
    who = f'authority = "{azure.origin}"\ntenant_id = "{TENANT}"\nclient_id = "{CLIENT_ID}"\n'
    return f"[llm.providers.azure.entra]\n{who}{credential}\n"


def by_entra(serve: Serve, azure: FakeUpstream, entra: str, *, kind: str = "openai", path: str = "/openai/v1") -> Nexus:
    return serve(
        f'[llm.providers.azure]\ntype = "{kind}"\nbase_url = "{azure.origin}{path}"\nmodels.m = {{}}\n{entra}\n'
    )


def sent(azure: FakeUpstream) -> list[str | None]:
    return [seen.header("authorization") for seen in azure.requests]


WAYS = ["secret", "file", "metadata", "app service", "app service, an identity of one's own"]


@pytest.mark.parametrize("way", WAYS)
def test_entra_tokens_are_sent(
    serve: Serve, azure: FakeUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    (tmp_path / "token").write_text(f"{ASSERTION}\n")
    monkeypatch.delenv("IDENTITY_ENDPOINT", raising=False)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", azure.origin)
    if way.startswith("app"):
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{azure.origin}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", IDENTITY_HEADER)
    entra = {
        "secret": application(azure, f'client_secret = "{CLIENT_SECRET}"'),
        "file": application(azure, f'token_file = "{tmp_path / "token"}"'),
        WAYS[-1]: f'[llm.providers.azure.entra]\nclient_id = "{CLIENT_ID}"',
    }.get(way, "[llm.providers.azure.entra]")
    nexus = by_entra(serve, azure, entra)
    assert [nexus.chat({**CHAT, "model": "azure/m"}).status for _ in range(3)] == [200, 200, 200]
    assert len(azure.token_requests) == 1
    (token,) = {*sent(azure)}
    assert token is not None and token.startswith("Bearer hushhush-entra-1-")
    assert azure.requests[0].header("api-key") is None


def test_a_revoked_token_is_replaced_once(serve: Serve, azure: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexus.provider.accounts.LEAST_BETWEEN", 0.0)
    nexus = by_entra(serve, azure, application(azure, f'client_secret = "{CLIENT_SECRET}"'))
    azure.next(Behaviour(), Behaviour(status=401), Behaviour())
    assert [nexus.chat({**CHAT, "model": "azure/m"}).status for _ in range(2)] == [200, 200]
    assert [(token or "")[:23] for token in sent(azure)] == [f"Bearer hushhush-entra-{n}" for n in (1, 1, 2)]


REFUSED = {
    "a wrong secret": (
        Behaviour(status=401, error_type="invalid_client"),
        "rejected the credentials: status 401 (invalid_client)",
    ),
    "out of order": (Behaviour(status=503), "cannot issue access tokens now: status 503"),
    "words": (Behaviour(body=b"hushhush-words"), "rejected the credentials: status 200"),
}


@pytest.mark.parametrize(("behaviour", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_token_failure_is_reported_without_the_endpoints_text(
    serve: Serve, azure: FakeUpstream, behaviour: Behaviour, said: str
) -> None:
    azure.token_default = behaviour
    nexus = by_entra(
        serve,
        azure,
        application(azure, f'client_secret = "{CLIENT_SECRET}"') + "\n[llm.providers.azure.retries]\nattempts = 1",
    )
    reply = nexus.chat({**CHAT, "model": "azure/m"})
    assert (reply.status, azure.requests) == (502, [])
    assert said in json.loads(reply.body)["error"]["message"]


def test_claude_on_azure(serve: Serve, azure: FakeUpstream) -> None:
    with FakeUpstream("anthropic") as claude:
        nexus = serve(
            f'[llm.providers.azure]\ntype = "anthropic"\nbase_url = "{claude.base_url}"\n'
            f'models.m.rename = "claude-sonnet-4-5"\n' + application(azure, f'client_secret = "{CLIENT_SECRET}"')
        )
        nexus.messages({**MESSAGES, "model": "azure/m"})
        (seen,) = claude.requests
        assert (seen.header("authorization") or "").startswith("Bearer hushhush-entra-1-")
        assert seen.header("x-api-key") is None
