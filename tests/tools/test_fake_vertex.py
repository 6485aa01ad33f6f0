"""The fake Vertex AI: the tokens that it issues, and what it rejects.

Every violation is reported twice: to the client as an error, to the test in ``violations``.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2 import service_account as accounts
from google.oauth2.credentials import Credentials

from tools.fake_upstream import Behaviour, FakeUpstream, authorized_user, service_account
from tools.fake_upstream.parts import SIGNATURES

PLACE = "/projects/p/locations/us-central1/publishers"
GEMINI = PLACE + "/google/models/gemini-2.5-flash"
CLAUDE = PLACE + "/anthropic/models/claude-sonnet-4-5@20250929"
COUNTER = PLACE + "/anthropic/models/count-tokens"
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
ASK = {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]}
TURNS = [{"role": "user", "content": "Hello!"}]
TALK: dict[str, Any] = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 16, "messages": TURNS}


@pytest.fixture
def vertex() -> Iterator[FakeUpstream]:
    with FakeUpstream("vertex") as fake:
        yield fake


def post(fake: FakeUpstream, path: str, body: Any, token: str = "k", **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    about = {"authorization": f"Bearer {token}"} | named
    return requests.post(fake.base_url + path, json=body, headers=about, timeout=60)


def account(fake: FakeUpstream, **change: str) -> Any:
    info = service_account(fake.origin) | change
    return accounts.Credentials.from_service_account_info(info, scopes=SCOPES)  # type: ignore[no-untyped-call]


def user(fake: FakeUpstream, **change: str) -> Any:
    info = authorized_user(fake.origin) | change
    return Credentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token=info["refresh_token"],
        token_uri=info["token_uri"],
        client_id=info["client_id"],
        client_secret=info["client_secret"],
    )


@pytest.mark.parametrize("make", [account, user])
def test_tokens_are_issued_and_counted(vertex: FakeUpstream, make: Any) -> None:
    credentials = make(vertex)
    for number in (1, 2):
        credentials.refresh(Request())
        assert credentials.token.startswith(f"ya29.fake-{number}-")
        assert post(vertex, GEMINI + ":generateContent", ASK, credentials.token).status_code == 200
    assert len(vertex.wait_for_token_requests(2)) == 2
    assert [seen.route for seen in vertex.requests] == ["/v1" + GEMINI + ":generateContent"] * 2
    assert vertex.violations == []


def test_key_files_are_what_google_auth_reads(vertex: FakeUpstream, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps(service_account(vertex.origin, "my-project")))
    credentials = accounts.Credentials.from_service_account_file(str(file), scopes=SCOPES)  # type: ignore[no-untyped-call]
    credentials.refresh(Request())
    assert credentials.project_id == "my-project"
    assert credentials.valid
    file.write_text(json.dumps(authorized_user(vertex.origin)))
    # google-auth always refreshes a user's token at Google, so only the file's format is checked.
    person = Credentials.from_authorized_user_file(str(file))  # type: ignore[no-untyped-call]
    assert person.refresh_token == authorized_user("")["refresh_token"]


def test_expired_tokens_are_rejected(vertex: FakeUpstream) -> None:
    vertex.next_token(Behaviour(token_lifetime=-1))
    credentials = account(vertex)
    credentials.refresh(Request())
    reply = post(vertex, GEMINI + ":generateContent", ASK, credentials.token)
    assert reply.status_code == 401
    assert reply.json()["error"]["details"][0]["reason"] == "ACCESS_TOKEN_EXPIRED"
    assert vertex.violations == ["authorization: the access token has expired"]


@pytest.mark.parametrize(
    ("make", "change", "violation"),
    [
        (account, {"client_email": "other@x"}, "assertion: not the expected service account"),
        (user, {"refresh_token": "other"}, "refresh_token: not the expected one"),
        (user, {"client_secret": "other"}, "client_secret: not the expected one"),
    ],
)
def test_invalid_grants_are_rejected(vertex: FakeUpstream, make: Any, change: dict[str, str], violation: str) -> None:
    with pytest.raises(RefreshError, match="invalid_grant"):
        make(vertex, **change).refresh(Request())
    assert vertex.violations == [violation]


def test_a_grant_with_a_foreign_key_or_of_a_wrong_form_is_rejected(vertex: FakeUpstream) -> None:
    url = vertex.origin + "/token"
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert requests.post(url, data={"grant_type": grant, "assertion": "a.b.c"}, timeout=60).status_code == 400
    assert requests.post(url, data={"grant_type": "password"}, timeout=60).json()["error"] == "unsupported_grant_type"
    assert requests.post(url, json={}, timeout=60).status_code == 400
    assert requests.get(url, timeout=60).status_code == 405
    assert len(vertex.violations) == 4


def test_token_behaviours_are_apart(vertex: FakeUpstream) -> None:
    vertex.next(Behaviour(text="kept"))
    vertex.next_token(Behaviour(status=400, error_type="invalid_grant", message="Account has been deleted"))
    with pytest.raises(RefreshError, match="deleted"):
        account(vertex).refresh(Request())
    assert "kept" in post(vertex, GEMINI + ":generateContent", ASK).text
    vertex.clear()
    assert vertex.token_requests == []


def test_a_fixed_token_is_accepted_besides_issued_ones(vertex: FakeUpstream) -> None:
    with FakeUpstream("vertex", api_key="right") as fake:
        assert post(fake, GEMINI + ":generateContent", ASK, "right").status_code == 200
        assert post(fake, GEMINI + ":generateContent", ASK, "wrong").status_code == 401
        credentials = account(fake)
        credentials.refresh(Request())
        assert post(fake, GEMINI + ":generateContent", ASK, credentials.token).status_code == 200


@pytest.mark.parametrize(
    ("method", "body", "violation"),
    [
        ("generateContent", {"contents": [{"parts": [{"text": "x"}]}]}, "contents.0.role: Please use a valid role"),
        ("generateContent", ASK | {"store": True}, "store: Vertex AI has no such field"),
        ("generateContent", ASK | {"frobnicate": 1}, "frobnicate: Extra"),
        ("countTokens", ASK | {"toolConfig": {}}, "toolConfig: Extra"),
        ("countTokens", {"generateContentRequest": ASK}, "generateContentRequest: Extra"),
    ],
)
def test_violations_of_gemini_are_rejected(
    vertex: FakeUpstream, method: str, body: dict[str, Any], violation: str
) -> None:
    assert post(vertex, f"{GEMINI}:{method}", body).json()["error"]["status"] == "INVALID_ARGUMENT"
    assert vertex.violations[0].startswith(violation)


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in TALK.items() if name != key}


@pytest.mark.parametrize(
    ("method", "body", "violation"),
    [
        ("rawPredict", TALK | {"model": "m"}, "model: Extra"),
        ("rawPredict", without("anthropic_version"), "anthropic_version: None"),
        ("rawPredict", TALK | {"anthropic_version": "bedrock-2023-05-31"}, "anthropic_version: 'bedrock"),
        ("rawPredict", without("max_tokens"), "max_tokens: Field required"),
        ("rawPredict", TALK | {"stream": True}, "stream: does not go with rawPredict"),
        ("streamRawPredict", TALK, "stream: does not go with streamRawPredict"),
        ("rawPredict", TALK | {"anthropic_beta": "x"}, "anthropic_beta: Input should be a list"),
        ("rawPredict", TALK | {"mcp_servers": []}, "mcp_servers: Extra"),
        ("rawPredict", TALK | {"frobnicate": 1}, "frobnicate: Extra"),
        (
            "rawPredict",
            TALK
            | {
                "messages": [
                    *TURNS,
                    {
                        "role": "assistant",
                        "content": [{"type": "thinking", "thinking": "x", "signature": SIGNATURES["gemini"]}],
                    },
                ]
            },
            "messages.1.content.0: Invalid `signature`",
        ),
    ],
)
def test_violations_of_claude_are_rejected(
    vertex: FakeUpstream, method: str, body: dict[str, Any], violation: str
) -> None:
    reply = post(vertex, f"{CLAUDE}:{method}", body)
    assert reply.json()["error"]["type"] == "invalid_request_error"
    assert vertex.violations[0].startswith(violation)


def test_a_beta_permits_its_field_only_if_it_is_known(vertex: FakeUpstream) -> None:
    body = TALK | {"mcp_servers": []}
    assert post(vertex, CLAUDE + ":rawPredict", body, anthropic_beta="context-1m-2025-08-07").status_code == 200
    assert post(vertex, CLAUDE + ":rawPredict", body | {"anthropic_beta": ["compact-2026-01-12"]}).status_code == 200
    assert post(vertex, CLAUDE + ":rawPredict", body, anthropic_beta="x").status_code == 400
    assert post(vertex, CLAUDE + ":rawPredict", body | {"anthropic_beta": ["x"]}).status_code == 400


def test_a_count_takes_no_limit(vertex: FakeUpstream) -> None:
    body = {"anthropic_version": "vertex-2023-10-16", "model": "claude", "messages": TURNS, "max_tokens": 1}
    assert post(vertex, COUNTER + ":rawPredict", body).status_code == 400
