"""Callers over the wire: keys, tokens, pages and header rules in the running server."""

import json
import logging
from typing import Any

import pytest

from tests.auth.kit import ALICE, BOB, IdentityProvider, answer, ec_key, jwk, jwks, token
from tests.conftest import Serve
from tests.serving import CHAT, KEY, MESSAGES, Nexus, anthropic_config, bearer, openai_config, wait_until
from tools.fake_upstream import FakeUpstream

SERVER = f"""
[server.keys.alice]
key = "{ALICE}"
models = ["anthropic/*"]
[server.keys.bob]
key = "{BOB}"
group = "pro"
[server.client_identification]
enabled = true
group_id.gateway_key = true
validation.group_values = ["pro"]
"""


CARRIERS = ("x-api-key", "api-key", "x-goog-api-key")
"""Headers in which clients of several vendors send their keys."""


@pytest.fixture
def house(serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream) -> Nexus:
    rules = """
[[llm.providers.openai.headers]]
rule = "forward"
pattern = ".*"
[[llm.providers.openai.models.gpt-4.headers]]
rule = "insert"
name = "x-env"
value = "prod"
"""
    for carrier in ("authorization", *CARRIERS):
        rules += f'[[llm.providers.openai.headers]]\nrule = "forward"\nname = "{carrier}"\nallow_secret = true\n'
    vendors = openai_config(openai_upstream.base_url, rules) + anthropic_config(anthropic_upstream.base_url)
    return serve(SERVER + vendors)


def test_every_way_to_send_a_key(house: Nexus, openai_upstream: FakeUpstream) -> None:
    beside_a_vendors = [{name: BOB, **bearer("hushhush-vendor")} for name in ("x-nexus-key", "api-key")]
    for headers in (bearer(BOB), *({name: BOB} for name in CARRIERS), *beside_a_vendors):
        assert house.chat(CHAT, headers).status == 200
        assert house.messages(MESSAGES, headers).status == 200
        assert BOB not in str(openai_upstream.requests[-1].headers)
    assert [house.chat(CHAT, {name: BOB + "x"}).status for name in CARRIERS] == [401] * 3


CLOSED = [
    ("GET", "/llm/openai/v1/models"),
    ("GET", "/llm/anthropic/v1/models/x"),
    ("GET", "/llm/openai/v1/responses/resp_1"),
    ("GET", "/nope"),
    ("GET", "/v1/v1/messages"),
    ("GET", "/llm/openai/nope"),
    ("POST", "/llm/openai/v1/chat/completions"),
    ("POST", "/llm/openai/v1/responses"),
    ("POST", "/llm/anthropic/v1/messages"),
    ("POST", "/llm/anthropic/v1/messages/count_tokens"),
    ("GET", "/llm/openai/v1/chat/completions"),
    ("OPTIONS", "/llm/openai/v1/chat/completions"),
]


@pytest.mark.parametrize("sent", [{}, bearer("nx-hushhush-wrong")], ids=["no key", "a wrong key"])
def test_without_a_key_only_health_is_open_and_the_log_says_why(
    house: Nexus, openai_upstream: FakeUpstream, caplog: pytest.LogCaptureFixture, sent: dict[str, str]
) -> None:
    caplog.set_level(logging.INFO, "nexus.access")
    assert house.request("GET", "/health", headers=sent).status == 200
    for method, path in CLOSED:
        reply = house.request(method, path, b"{}" if method == "POST" else b"", sent)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="nexus"'), path

    def lines() -> list[dict[str, Any]]:
        return [record.__dict__["fields"] for record in caplog.records if record.name == "nexus.access"]

    wait_until(lambda: len(lines()) == len(CLOSED))
    for line in lines():
        assert (line["status"], line["error"], line["caller"]) == (401, "authentication", "127.0.0.1")
        assert "key" in line["why"] and "nx-" not in line["why"]
    assert house.messages(MESSAGES, sent).json["error"]["type"] == "authentication_error"
    assert openai_upstream.requests == []


def test_a_key_gives_access_to_its_models_only(house: Nexus) -> None:
    assert house.messages(MESSAGES, bearer(ALICE)).status == 200
    assert house.chat(CHAT, bearer(ALICE)).status == 404
    assert house.chat({**CHAT, "model": "smart"}, bearer(ALICE)).status == 404
    listed = house.request("GET", "/llm/openai/v1/models", headers=bearer(ALICE)).json["data"]
    assert [entry["id"] for entry in listed] == ["anthropic/claude"]
    assert house.request("GET", "/llm/openai/v1/models/openai%2Fgpt-4", headers=bearer(ALICE)).status == 404


ABOUT_MODELS = {
    "chat": ("POST", "/llm/openai/v1/chat/completions", CHAT),
    "responses": ("POST", "/llm/openai/v1/responses", {"input": "x"}),
    "messages": ("POST", "/llm/anthropic/v1/messages", MESSAGES),
    "count_tokens": ("POST", "/llm/anthropic/v1/messages/count_tokens", MESSAGES),
    "count of responses": ("POST", "/llm/openai/v1/responses/input_tokens", {"input": "x"}),
    "one model, OpenAI": ("GET", "/llm/openai/v1/models/{}", None),
    "one model, Anthropic": ("GET", "/llm/anthropic/v1/models/{}", None),
}


@pytest.mark.parametrize(("method", "path", "body"), ABOUT_MODELS.values(), ids=ABOUT_MODELS)
def test_a_forbidden_model_looks_like_an_unknown_one(
    house: Nexus, method: str, path: str, body: dict[str, Any] | None
) -> None:
    """As full name, alias, provider or typo: the reply never reveals which models exist."""
    for real, made_up in (
        ("openai/gpt-4", "openbb/gpt-4"),
        ("openai/smart", "openbb/smart"),
        ("openai/gpt-3", "openbb/gpt-3"),
        ("smart", "smurf"),
    ):
        answers = []
        for name in (real, made_up):
            raw = b"" if body is None else json.dumps({**body, "model": name}).encode()
            headers = {**bearer(ALICE), "Content-Type": "application/json"}
            reply = house.request(method, path.format(name), raw, headers)
            answers.append((reply.status, reply.json["error"]["message"].replace(name, "NAME").replace(made_up, real)))
        assert answers[0][1].replace("openai", "openbb") == answers[1][1]
        assert (answers[0][0], answers[1][0]) == (404, 404)
        assert "anthropic/claude" in answers[0][1], "suggested models may be used"


def test_an_ambiguous_alias_means_the_model_that_the_key_may_use(serve: Serve) -> None:
    echo = "".join(f'[llm.providers.{name}]\ntype = "echo"\nmodels.both = {{}}\n' for name in ("a", "b", "c"))
    keys = f"""
[server.keys.alice]
key = "{ALICE}"
models = ["b/*"]
[server.keys.bob]
key = "{BOB}"
models = ["b/*", "c/*"]
"""
    nexus = serve(keys + echo)
    asked = {**CHAT, "model": "both"}
    assert nexus.chat(asked, bearer(ALICE)).headers["x-nexus-route"] == "b/both"
    assert nexus.request("GET", "/llm/openai/v1/models/both", headers=bearer(ALICE)).json["id"] == "b/both"
    ambiguous = nexus.chat(asked, bearer(BOB))
    assert ambiguous.json["error"]["message"] == "model 'both' is ambiguous; candidates: b/both, c/both"


def test_header_rules_apply_and_the_gateway_key_is_never_forwarded(house: Nexus, openai_upstream: FakeUpstream) -> None:
    headers = {**bearer(BOB), "X-Team": "red", "Cookie": "a=b", "X-Copy": f"x {BOB}", "x-forwarded-for": "1.2.3.4"}
    assert house.chat(CHAT, headers).status == 200
    (seen,) = openai_upstream.requests
    sent = {name.lower(): value for name, value in seen.headers}
    assert (sent["x-team"], sent["x-env"]) == ("red", "prod")
    assert sent["authorization"] == f"Bearer {KEY}"
    assert not {"cookie", "x-copy", "x-forwarded-for", "x-nexus-key"} & set(sent)
    assert BOB not in json.dumps(sent)


def test_tokens_of_the_identity_provider_are_accepted(
    serve: Serve, openai_upstream: FakeUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    with IdentityProvider(answer(jwks(jwk(ec_key())))) as provider:
        server = f"""
[server.oauth]
url = "{provider.url}"
protected_resource = {{ resource = "http://gw.example", authorization_servers = ["http://id.example"] }}
[server.client_identification]
enabled = true
"""
        house = serve(server + openai_config(openai_upstream.base_url))
        found = house.request("GET", "/.well-known/oauth-protected-resource")
        assert found.json == {"resource": "http://gw.example/", "authorization_servers": ["http://id.example/"]}
        text = token(ec_key())
        with caplog.at_level(logging.DEBUG):
            assert house.chat(CHAT, bearer(text)).status == 200
            refused: Any = house.chat(CHAT, bearer(text[:-6] + "AAAAAA"))
        at = "http://gw.example/.well-known/oauth-protected-resource"
        assert refused.headers["www-authenticate"] == f'Bearer resource_metadata="{at}", error="invalid_token"'
        assert house.chat(CHAT, bearer(token(ec_key("stranger")))).status == refused.status == 401
        assert text not in caplog.text
