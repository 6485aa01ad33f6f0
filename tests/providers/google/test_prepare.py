"""The request's address and headers; and how errors of Google and Anthropic are told apart."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from nexus.errors import AuthenticationFailed
from nexus.models.claude import profile
from nexus.protocols.operation import Action
from nexus.provider import ProviderRequest
from nexus.providers.google import GoogleProvider
from nexus.providers.google.settings import GoogleSettings
from nexus.settings.model import ModelSettings

KEY = SecretStr("AIza-hushhush-key")
GEMINI = "https://generativelanguage.googleapis.com/v1beta"
PARENT = "/projects/p-1/locations"


def provider(**keys: Any) -> GoogleProvider:
    return GoogleProvider("g", GoogleSettings.model_validate({"type": "google", **keys}))


def gemini(**keys: Any) -> GoogleProvider:
    return provider(api_key=KEY.get_secret_value(), **keys)


def vertex(**keys: Any) -> GoogleProvider:
    return provider(project="p-1", **keys)


def provider_request(
    model: str = "gemini-4-argon",
    *,
    dialect: str = "gemini",
    action: Action = "generate",
    stream: bool = False,
    body: bytes = b'{"contents":[]}',
    headers: dict[str, str] | None = None,
    key: SecretStr | None = None,
) -> ProviderRequest:
    return ProviderRequest(
        dialect=dialect,
        action=action,
        model=model,
        settings=ModelSettings(),
        body=body,
        stream=stream,
        headers=headers or {},
        query="beta=true",
        key=key,
    )


def claude(model: str = "claude-sonnet-5-5", **more: Any) -> ProviderRequest:
    return provider_request(model, dialect="messages", body=b'{"model":"x","messages":[]}', **more)


GEMINI_BASES = {
    None: GEMINI,
    "http://localhost:1/": "http://localhost:1/v1beta",
    "http://localhost:1/v1beta": "http://localhost:1/v1beta",
    "http://localhost:1/v1": "http://localhost:1/v1",
    "http://localhost:1/gemini/v1alpha": "http://localhost:1/gemini/v1alpha",
    "http://localhost:1/v1beta/gemini": "http://localhost:1/v1beta/gemini/v1beta",
}


@pytest.mark.parametrize(("base", "expected"), GEMINI_BASES.items())
def test_a_base_url_of_the_gemini_api_gets_its_version(base: str | None, expected: str) -> None:
    request = gemini(**({"base_url": base} if base else {})).prepare(provider_request())
    assert request.url == f"{expected}/models/gemini-4-argon:generateContent"


HOSTS: dict[str, tuple[dict[str, str], str]] = {
    "default": ({}, f"https://aiplatform.googleapis.com/v1{PARENT}/global"),
    "region": ({"location": "us-central1"}, f"https://us-central1-aiplatform.googleapis.com/v1{PARENT}/us-central1"),
    "us": ({"location": "us"}, f"https://aiplatform.us.rep.googleapis.com/v1{PARENT}/us"),
    "eu": ({"location": "eu"}, f"https://aiplatform.eu.rep.googleapis.com/v1{PARENT}/eu"),
    "own": ({"location": "eu", "base_url": "http://localhost:1/v"}, f"http://localhost:1/v/v1{PARENT}/eu"),
    "own with version": ({"base_url": "http://localhost:1/v1beta1"}, f"http://localhost:1/v1beta1{PARENT}/global"),
}


@pytest.mark.parametrize(("keys", "expected"), HOSTS.values(), ids=HOSTS.keys())
def test_vertex_ai_has_a_host_for_each_location(keys: dict[str, str], expected: str) -> None:
    there = vertex(**keys)
    assert (
        there.prepare(provider_request()).url == f"{expected}/publishers/google/models/gemini-4-argon:generateContent"
    )
    assert there.prepare(claude()).url == f"{expected}/publishers/anthropic/models/claude-sonnet-5-5:rawPredict"


def test_a_domain_scoped_project_stays_one_path_segment() -> None:
    url = provider(project="example.com:p").prepare(provider_request()).url
    assert "/projects/example.com%3Ap/locations/" in url


VERBS: dict[str, tuple[GoogleProvider, ProviderRequest, str]] = {
    "whole": (gemini(), provider_request(), "models/gemini-4-argon:generateContent"),
    "stream": (gemini(), provider_request(stream=True), "models/gemini-4-argon:streamGenerateContent?alt=sse"),
    "count": (gemini(), provider_request(action="count_tokens"), "models/gemini-4-argon:countTokens"),
    "count of a stream": (
        gemini(),
        provider_request(action="count_tokens", stream=True),
        "models/gemini-4-argon:countTokens",
    ),
    "named collection": (gemini(), provider_request("models/gemini-x"), "models/gemini-x:generateContent"),
    "tuned": (gemini(), provider_request("tunedModels/mine-1"), "tunedModels/mine-1:generateContent"),
    "vertex stream": (
        vertex(),
        provider_request(stream=True),
        "google/models/gemini-4-argon:streamGenerateContent?alt=sse",
    ),
    "vertex count": (vertex(), provider_request(action="count_tokens"), "google/models/gemini-4-argon:countTokens"),
    "vertex named": (
        vertex(),
        provider_request("publishers/google/models/g"),
        "/publishers/google/models/g:generateContent",
    ),
    "vertex tuned": (vertex(), provider_request("endpoints/123"), "locations/global/endpoints/123:generateContent"),
    "claude stream": (vertex(), claude(stream=True), "anthropic/models/claude-sonnet-5-5:streamRawPredict"),
    "claude dated": (vertex(), claude("claude-haiku-4-5@20251001"), "models/claude-haiku-4-5@20251001:rawPredict"),
    "claude count": (vertex(), claude(action="count_tokens"), "anthropic/models/count-tokens:rawPredict"),
}


@pytest.mark.parametrize(("there", "given", "expected"), VERBS.values(), ids=VERBS.keys())
def test_a_path_ends_in_the_model_and_the_verb_of_the_operation(
    there: GoogleProvider, given: ProviderRequest, expected: str
) -> None:
    request = there.prepare(given)
    assert request.url.endswith(expected)
    assert there.prepare(given) == request
    assert "beta=true" not in request.url


HOSTILE = ["../../x", "a/b", "a?b", "a#b", "a:delete", "models/../x", "a%2fb", "@evil.example", "endpoints/1/2", "ä b"]


@pytest.mark.parametrize("model", HOSTILE)
@pytest.mark.parametrize("make", [gemini, vertex])
def test_a_model_id_stays_in_its_path_segment(make: Any, model: str) -> None:
    there = make()
    url = there.prepare(provider_request(model)).url
    collection = "/endpoints/" if model.startswith("endpoints/") and make is vertex else "/models/"
    front, _, segment = url.rpartition(collection)
    assert front + collection == url[: len(front + collection)]
    assert front.startswith(there.base_url)
    name, verb = segment.split(":")
    assert verb == "generateContent"
    assert name.isascii() and not set(name) & set("/?# ")
    there.close()


def test_a_key_is_sent_in_its_header_only() -> None:
    client = {"authorization": "Bearer own", "x-api-key": "own", "x-goog-api-key": "own", "anthropic-beta": "b"}
    request = gemini().prepare(provider_request(key=KEY, headers=client))
    assert set(request.headers) == {"content-type", "user-agent", "x-goog-api-key"}
    assert request.headers["x-goog-api-key"] == KEY.get_secret_value()
    assert KEY.get_secret_value() not in request.url + repr(request)


def test_vertex_gets_no_credentials_before_it_is_called() -> None:
    request = vertex().prepare(provider_request(headers={"authorization": "Bearer own", "x-provider-api-key": "own"}))
    assert set(request.headers) == {"content-type", "user-agent"}
    assert vertex().key({"x-provider-api-key": "own"}, "chat") is None


def test_the_callers_own_key_is_used_where_the_settings_forward_it() -> None:
    own = {"x-provider-api-key": "own-hushhush-key"}
    assert gemini().key(own, "chat") == KEY
    forwarding = provider(forward_token=True)
    assert forwarding.key(own, "chat") == SecretStr("own-hushhush-key")
    with pytest.raises(AuthenticationFailed, match="needs the caller's own key"):
        forwarding.key({}, "chat")
    assert gemini(forward_token=True).key({}, "chat") == KEY


def test_claude_is_called_in_messages_and_other_models_in_gemini() -> None:
    model = ModelSettings()
    assert gemini().dialects_of("gemini-4-argon", model) == ("gemini",)
    assert vertex().dialects_of("gemini-4-argon", model) == ("gemini",)
    assert vertex().dialects_of("claude-opus-5-5", model) == ("messages",)
    assert [gemini().counts_in(name) for name in ("gemini", "messages", "chat")] == [True, False, False]
    assert [vertex().counts_in(name) for name in ("gemini", "messages", "chat")] == [True, True, False]


def test_a_target_has_the_models_name_and_settings() -> None:
    for there, dialect, model in ((gemini(), "gemini", "gemini-3.8-flash"), (vertex(), "messages", "claude-opus-4-8")):
        target = there.target(dialect, model, ModelSettings(max_tokens=77))
        assert (target.model, target.max_tokens, target.max_output) == (model, 77, None)


@pytest.mark.parametrize("model", ["claude-opus-4-8", "claude-haiku-4-5@20251001", "claude-opus-5-5"])
def test_claudes_profile_is_its_own_without_what_vertex_lacks(model: str) -> None:
    own, here = profile(model), vertex().target("messages", model, ModelSettings()).claude
    lacking = replace(own, system_role=False, strict_tools=False, fetches_links=False)
    assert here == replace(lacking, structured_output=not own.forced_tools)


STATUS = {"code": 403, "message": "Denied on resource.", "status": "PERMISSION_DENIED"}
POLICY = {"code": 400, "message": "Constraint violated.", "status": "FAILED_PRECONDITION"}
ERRORS: dict[str, tuple[int, Any, str | None]] = {
    "a Status": (403, {"error": STATUS}, "permission"),
    "in an array": (403, [{"error": STATUS}], "permission"),
    "a policy": (400, {"error": POLICY}, "invalid_request"),
    "quota": (429, {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}, "rate_limit"),
    "without a status": (404, {"error": {"code": 404, "message": "m"}}, "model_not_found"),
    "Anthropic's": (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "m"}}, None),
    "something else": (500, {"detail": "m"}, None),
    "a text": (500, "m", None),
}


@pytest.mark.parametrize(("status", "body", "kind"), ERRORS.values(), ids=ERRORS.keys())
def test_errors_of_google_are_distinguished_from_anthropics(status: int, body: Any, kind: str | None) -> None:
    raw = json.dumps(body).encode()
    found = vertex().read_error("messages", status, {}, raw)
    assert (found.kind if found else None) == kind
    assert vertex().read_error("gemini", status, {}, raw) is None
    if found is not None:
        wire = body[0] if isinstance(body, list) else body
        assert (found.status, found.message) == (status, wire["error"]["message"])


def test_an_error_that_is_not_json() -> None:
    assert vertex().read_error("messages", 502, {}, b"<html>") is None
