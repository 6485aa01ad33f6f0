"""Retries: which failures are retried, after what delay, and what the client sees in the end."""

import time

import pytest

from tests.conftest import Serve
from tests.server.vendors import providers
from tests.serving import CHAT, PATHS, Nexus, openai_config
from tools.fake_upstream import Behaviour, FakeUpstream

STREAM = {**CHAT, "stream": True}


@pytest.fixture
def patient(serve: Serve, openai_upstream: FakeUpstream) -> Nexus:
    policy = '[llm.providers.openai.retries]\nattempts = 3\nbase_delay = "10ms"\nmax_delay = "500ms"\n'
    return serve(openai_config(openai_upstream.base_url, policy))


WORTH_IT = [
    *(pytest.param(Behaviour(status=status), id=str(status)) for status in (408, 429, 500, 502, 503, 504, 529)),
    pytest.param(Behaviour(close_before_head=True), id="closed before the head"),
    pytest.param(Behaviour(reset_after=0), id="reset before the head"),
    pytest.param(Behaviour(status=400, headers=(("x-should-retry", "true"),)), id="the vendor says so"),
]


@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["unary", "stream"])
@pytest.mark.parametrize("failure", WORTH_IT)
def test_these_failures_are_retried(
    patient: Nexus, openai_upstream: FakeUpstream, failure: Behaviour, body: dict[str, object]
) -> None:
    openai_upstream.next(failure)
    reply = patient.chat(body)
    assert (reply.status, reply.headers["x-nexus-attempts"]) == (200, "2")
    assert openai_upstream.requests[0].body == openai_upstream.requests[1].body


NOT_WORTH_IT = [
    *(pytest.param(Behaviour(status=status), status, id=str(status)) for status in (400, 401, 403, 404, 413, 422)),
    pytest.param(Behaviour(status=503, headers=(("x-should-retry", "false"),)), 503, id="the vendor says no"),
    pytest.param(Behaviour(status=429, headers=(("retry-after", "60"),)), 429, id="asks for longer than the cap"),
]


@pytest.mark.parametrize(("failure", "status"), NOT_WORTH_IT)
def test_these_failures_are_not_retried(
    patient: Nexus, openai_upstream: FakeUpstream, failure: Behaviour, status: int
) -> None:
    openai_upstream.next(failure)
    reply = patient.chat(CHAT)
    assert (reply.status, reply.headers["x-nexus-attempts"]) == (status, "1")
    assert len(openai_upstream.requests) == 1


@pytest.mark.parametrize("header", [("retry-after-ms", "100"), ("retry-after", "0.1")])
def test_a_retry_delay_of_the_vendor_is_obeyed(
    patient: Nexus, openai_upstream: FakeUpstream, header: tuple[str, str]
) -> None:
    openai_upstream.next(Behaviour(status=429, headers=(header,)))
    began = time.monotonic()
    assert patient.chat(CHAT).status == 200
    assert time.monotonic() - began >= 0.1


@pytest.mark.parametrize("wish", ["true", "false"])
def test_x_should_retry_reaches_a_client_of_another_protocol(
    patient: Nexus, openai_upstream: FakeUpstream, wish: str
) -> None:
    """Anthropic's SDK obeys it, too."""
    openai_upstream.default = Behaviour(status=503, headers=(("x-should-retry", wish),))
    reply = patient.messages({**CHAT, "max_tokens": 64})
    assert (reply.status, reply.headers["x-should-retry"]) == (503, wish)


def test_clients_are_told_not_to_retry_an_exhausted_quota(patient: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.default = Behaviour(status=429, error_type="insufficient_quota", error_code="insufficient_quota")
    reply = patient.messages({**CHAT, "max_tokens": 64})
    assert (reply.status, reply.headers["x-should-retry"]) == (429, "false")
    openai_upstream.default = Behaviour(status=429)
    assert "x-should-retry" not in patient.messages({**CHAT, "max_tokens": 64}).headers


@pytest.mark.parametrize("path", ["chat", "messages"])
def test_clients_are_told_not_to_retry_what_a_wrong_key_ended(
    serve: Serve, openai_upstream: FakeUpstream, path: str
) -> None:
    """Claude Code would retry a 401 for three minutes, without a word. Its own key a caller can renew."""
    text = openai_config(openai_upstream.base_url)
    nexus = serve(text.replace('type = "openai"', 'type = "openai"\nforward_token = true'))
    openai_upstream.default = Behaviour(status=401)
    body = {**CHAT, "max_tokens": 64}
    reply = nexus.post(PATHS[path], body)
    assert (reply.status, reply.headers["x-should-retry"]) == (401, "false")
    reply = nexus.post(PATHS[path], body, {"X-Provider-API-Key": "hushhush-callers-own"})
    assert reply.status == 401 and "x-should-retry" not in reply.headers


GOOGLES = {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]}


googles = pytest.mark.parametrize(
    ("path", "body"),
    [("/llm/google/v1beta/models/google/m:generateContent", GOOGLES), (PATHS["chat"], CHAT | {"model": "google/m"})],
    ids=["passes", "translated"],
)


@googles
def test_a_call_that_google_cancels_by_itself_is_retried(serve: Serve, path: str, body: dict[str, object]) -> None:
    """Under load it does: google-gemini/gemini-cli, issue 20309."""
    with FakeUpstream("gemini") as google:
        google.next(Behaviour(status=499, error_type="CANCELLED"))
        reply = serve(providers(("google", "google", google, 'retries.base_delay = "1ms"', "gemini-2.5-flash"))).post(
            path, body
        )
        assert (reply.status, reply.headers["x-nexus-attempts"]) == (200, "2")


@googles
def test_clients_are_told_not_to_retry_what_a_wrong_key_of_google_ended(
    serve: Serve, path: str, body: dict[str, object]
) -> None:
    """Google answers 400, and clients of other protocols get a 401."""
    with FakeUpstream("gemini") as google:
        google.default = Behaviour(status=400, error_code="API_KEY_INVALID")
        reply = serve(providers(("google", "google", google, "", "gemini-2.5-flash"))).post(path, body)
        assert (reply.status, reply.headers["x-should-retry"]) == (400 if "google" in path else 401, "false")


@googles
def test_googles_retry_delay_is_returned_as_retry_after(serve: Serve, path: str, body: dict[str, object]) -> None:
    with FakeUpstream("gemini") as google:
        google.default = Behaviour(status=429, retry_delay=90.0)
        reply = serve(providers(("google", "google", google, "", "gemini-2.5-flash"))).post(path, body)
        assert (reply.status, reply.headers["retry-after"], len(google.requests)) == (429, "90", 1)
