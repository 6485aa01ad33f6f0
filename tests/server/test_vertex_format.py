"""The Vertex protocol: Anthropic's own SDK for Vertex AI in front of every vendor lane."""

import json
import logging
from typing import Any

import anthropic
import pytest
from anthropic import AnthropicVertex

from tests.auth.kit import ALICE
from tests.conftest import Serve
from tests.server.vendors import claude as claude
from tests.serving import Nexus, anthropic_config, wait_until
from tools.fake_upstream import FakeUpstream

PUBLISHED = "/llm/vertex/v1/projects/house/locations/eu/publishers/anthropic/models"
BODY: dict[str, Any] = {
    "anthropic_version": "vertex-2023-10-16",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Hi"}],
}


def sdk(nexus: Nexus, token: str = "any") -> AnthropicVertex:
    base = f"{nexus.base}/llm/vertex/v1"
    return AnthropicVertex(region="eu", project_id="house", access_token=token, base_url=base, max_retries=0)


ASKED: dict[str, Any] = {"model": "v/m", "max_tokens": 64, "messages": BODY["messages"]}
NAMED = {
    "provider and alias": ("anthropic/claude", ""),
    "percent-encoded": ("anthropic%2Fclaude", ""),
    "alias": ("claude", ""),
    "an alias with a day": ("claude-opus-4-8@20260110", 'models."claude-opus-4-8@20260110" = {}'),
    "another host's id": ("claude-opus-4-8@20260110", 'models."us.anthropic.claude-opus-4-8-20260110-v1:0" = {}'),
    "without its day": ("claude-opus-4-8@20260110", "models.claude-opus-4-8 = {}"),
    "with a day": ("claude-opus-4-8", "models.claude-opus-4-8-20260110 = {}"),
    "the vendor's id": ("claude-opus-4-8@default", 'models.best.rename = "claude-opus-4-8"'),
    "provider and day": ("anthropic/claude-opus-4-8@20260110", "models.claude-opus-4-8 = {}"),
}


TABLE = "[llm.providers.anthropic.models.claude]"


def with_models(claude: FakeUpstream, more: str) -> str:
    return anthropic_config(claude.base_url).replace(TABLE, f"{more}\n{TABLE}")


@pytest.mark.parametrize(("name", "more"), NAMED.values(), ids=NAMED)
def test_every_name_of_a_model_finds_it(name: str, more: str, claude: FakeUpstream, serve: Serve) -> None:
    reply = serve(with_models(claude, more)).post(f"{PUBLISHED}/{name}:rawPredict", BODY)
    assert reply.status == 200, reply.body


def test_an_ambiguous_name_lists_its_candidates(claude: FakeUpstream, serve: Serve) -> None:
    nexus = serve(with_models(claude, 'models.claude-opus-4-8 = {}\nmodels.best.rename = "claude-opus-4-8"'))
    reply = nexus.post(f"{PUBLISHED}/claude-opus-4-8@20260110:rawPredict", BODY)
    assert reply.status == 404
    assert "candidates: anthropic/claude-opus-4-8, anthropic/best" in reply.json["error"]["message"]


def test_other_protocols_find_no_model_by_another_hosts_id(claude: FakeUpstream, serve: Serve) -> None:
    config = anthropic_config(claude.base_url).replace("models.claude]", "models.claude-sonnet-4-5]")
    nexus = serve(config)
    assert nexus.messages({**ASKED, "model": "claude-sonnet-4-5@20250929"}).status == 404


class TestBody:
    def test_the_body_is_forwarded_without_the_fields_only_the_host_knows(
        self, claude: FakeUpstream, serve: Serve
    ) -> None:
        said = b'"messages":[{"role":"user","content":"Hi"}]}'
        hosts = b'"anthropic_version": "v", "anthropic_beta":["a-1","b-2"], '
        more = b'"max_tokens":64, "stop_sequences" : ["\\u0041"], ' + said
        reply = serve(anthropic_config(claude.base_url)).post(
            f"{PUBLISHED}/claude:rawPredict", b"{ " + hosts + more, {"anthropic-beta": "c-3"}
        )
        assert reply.status == 200
        sent = claude.requests[-1]
        assert sent.body == b'{"model":"claude-sonnet-4-5","stream":false, ' + more
        assert sent.header("anthropic-beta") == "c-3,a-1,b-2"
        assert sent.header("anthropic-version") == "2023-06-01"

    def test_a_beta_cannot_inject_another_header(self, claude: FakeUpstream, serve: Serve) -> None:
        asked = {**BODY, "anthropic_beta": ["a\r\nx-evil: 1"]}
        reply = serve(anthropic_config(claude.base_url)).post(f"{PUBLISHED}/claude:rawPredict", asked)
        assert (reply.status, claude.requests) == (400, [])
        assert "anthropic_beta.0" in reply.json["error"]["message"]

    def test_both_the_verb_and_the_body_can_request_a_stream(self, claude: FakeUpstream, serve: Serve) -> None:
        nexus = serve(anthropic_config(claude.base_url))
        for verb, body in (("streamRawPredict", BODY), ("rawPredict", {**BODY, "stream": True})):
            reply = nexus.post(f"{PUBLISHED}/claude:{verb}", body)
            assert reply.headers["content-type"].startswith("text/event-stream")
            assert b"event: message_stop" in reply.body

    def test_a_query_of_the_other_api_is_not_forwarded(self, claude: FakeUpstream, serve: Serve) -> None:
        serve(anthropic_config(claude.base_url)).post(f"{PUBLISHED}/claude:rawPredict?$alt=json&key=x", BODY)
        assert claude.requests[-1].query == ""


def test_the_log_contains_project_location_and_session(
    claude: FakeUpstream, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nexus.access")
    nexus = serve(anthropic_config(claude.base_url))
    nexus.post(f"{PUBLISHED}/claude:rawPredict", BODY, {"x-claude-code-session-id": "s-1"})
    wait_until(lambda: any(record.name == "nexus.access" for record in caplog.records))
    fields = next(record.fields for record in caplog.records if record.name == "nexus.access")  # type: ignore[attr-defined]
    assert {name: fields[name] for name in ("protocol", "place", "session", "model")} == {
        "protocol": "vertex",
        "place": "house/eu",
        "session": "s-1",
        "model": "claude",
    }


def test_the_gateway_key_is_sent_as_googles_token(claude: FakeUpstream, serve: Serve) -> None:
    nexus = serve(anthropic_config(claude.base_url, f'[server.keys.alice]\nkey = "{ALICE}"\n'))
    with sdk(nexus, ALICE) as client:
        assert client.messages.create(**{**ASKED, "model": "claude"}).content
    assert ALICE not in str(claude.requests[-1].headers)
    with sdk(nexus, "ya29.hushhush-of-google") as stranger, pytest.raises(anthropic.AuthenticationError):
        stranger.messages.create(**{**ASKED, "model": "claude"})


WRONG = {
    "v1 missing": PUBLISHED.replace("/v1/", "/") + "/claude:rawPredict",
    "v1 twice": PUBLISHED.replace("/v1/", "/v1/v1/") + "/claude:rawPredict",
}


@pytest.mark.parametrize("path", WRONG.values(), ids=WRONG)
def test_a_wrong_base_url_is_reported(path: str, claude: FakeUpstream, serve: Serve) -> None:
    nexus = serve(anthropic_config(claude.base_url))
    reply = nexus.post(path, BODY)
    assert reply.status == 404
    assert f"The base URL to set is {nexus.base}/llm/vertex/v1" in json.loads(reply.body)["error"]["message"]
