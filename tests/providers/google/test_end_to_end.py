"""Google's tokens and headers through the real server, with fakes of its APIs and its token endpoint.

``tests/server/test_vendors.py`` has the answers, streams, counts and errors of Gemini and Claude on Vertex AI.
"""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nexus.cancel import Cancel
from nexus.errors import Cancelled
from nexus.providers.google import GoogleProvider
from nexus.providers.google.settings import GoogleSettings
from nexus.settings import load
from tests.conftest import Serve
from tests.providers.google.fakes import FakeGoogle, Received, Reply, of_json, service_account, token, written
from tests.providers.google.test_prepare import claude
from tests.serving import wait_until

KEY = "AIza-hushhush-house-0123"
TOKEN = "ya29.hushhush-token"
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [{"type": "text", "text": "Hi."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
GEMINI = {
    "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "Hi."}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
    "modelVersion": "gemini-4-argon",
    "responseId": "r-1",
}
ASK = {"model": "v/claude-sonnet-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello!"}]}


def api(request: Received) -> Reply:
    """Both APIs and the token endpoint."""
    if request.path == "/token":
        return token(TOKEN)
    return of_json(ANSWER if request.path.endswith("rawPredict") else GEMINI)


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    with FakeGoogle(api) as fake:
        yield fake


@pytest.fixture
def vertex(google: FakeGoogle, tmp_path: Path) -> str:
    file = written(tmp_path, service_account(google.url))
    return f"""
[llm.providers.v]
type = "google"
project = "p-1"
base_url = "{google.url}"
credentials = "{file}"
retries.attempts = 1
models.claude-sonnet-5-5 = {{}}
models.gemini-4-argon = {{}}
"""


def gemini(google: FakeGoogle, key: str) -> str:
    return f"""
[llm.providers.g]
type = "google"
{key}
base_url = "{google.url}"
models.gemini-4-argon = {{}}
"""


def asked(google: FakeGoogle) -> list[Received]:
    return [request for request in google.received if request.path != "/token"]


def fetched(google: FakeGoogle) -> int:
    return len(google.received) - len(asked(google))


def test_claude_is_passed_through(serve: Serve, google: FakeGoogle, vertex: str) -> None:
    nexus = serve(vertex)
    beta = {
        "anthropic-beta": "effort-2025-11-24,context-1m-2025-08-07",
        "x-api-key": "own",
        "anthropic-version": "2023-06-01",
    }
    reply = nexus.messages({**ASK, "brand_new": 1, "speed": "fast"}, beta)
    assert (reply.status, reply.json) == (200, {**ANSWER, "model": "v/claude-sonnet-5-5"})
    assert reply.headers["x-nexus-dropped"] == "brand_new, speed"
    (request,) = asked(google)
    assert request.path == "/v1/projects/p-1/locations/global/publishers/anthropic/models/claude-sonnet-5-5:rawPredict"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert not {"x-api-key", "anthropic-version", "x-goog-api-key"} & set(request.headers)
    assert request.body.startswith(b'{"anthropic_version":"vertex-2023-10-16","max_tokens":')
    assert request.json == {"anthropic_version": "vertex-2023-10-16", "max_tokens": 9, "messages": ASK["messages"]}


def test_a_callers_own_key_is_used(serve: Serve, google: FakeGoogle) -> None:
    nexus = serve(gemini(google, "forward_token = true"))
    ask = {"model": "g/gemini-4-argon", "messages": [{"role": "user", "content": "Hello!"}]}
    assert nexus.chat(ask).status == 401
    assert nexus.chat(ask, {"x-provider-api-key": "own-hushhush-key"}).status == 200
    assert google.received[-1].headers["x-goog-api-key"] == "own-hushhush-key"


ERRORS: dict[str, tuple[Reply, int, str, str]] = {
    "Anthropic's": (
        of_json({"type": "error", "error": {"type": "invalid_request_error", "message": "Bad `x`."}}, 400),
        400,
        "invalid_request_error",
        "Bad `x`.",
    ),
    "Google's": (
        of_json({"error": {"code": 429, "message": "Slower.", "status": "RESOURCE_EXHAUSTED"}}, 429),
        429,
        "rate_limit_error",
        "Slower.",
    ),
    "Google's, in an array": (
        of_json([{"error": {"code": 403, "message": "Not you.", "status": "PERMISSION_DENIED"}}], 403),
        403,
        "permission_error",
        "Not you.",
    ),
}


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("answer", "status", "kind", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_errors_of_either_vendor(
    serve: Serve, google: FakeGoogle, vertex: str, answer: Reply, status: int, kind: str, words: str, streams: bool
) -> None:
    google.answer = lambda request: token(TOKEN) if request.path == "/token" else answer
    reply = serve(vertex).messages({**ASK, "stream": streams})
    assert (reply.status, reply.json["type"]) == (status, "error")
    assert (reply.json["error"]["type"], reply.json["error"]["message"]) == (kind, words)


def test_credentials_that_google_rejects(
    serve: Serve, google: FakeGoogle, vertex: str, caplog: pytest.LogCaptureFixture
) -> None:
    google.answer = lambda _: of_json({"error": "invalid_grant", "error_description": TOKEN}, 400)
    with caplog.at_level(logging.DEBUG):
        reply = serve(vertex).messages(ASK)
    assert (reply.status, reply.headers["x-should-retry"]) == (502, "false")
    assert reply.json["error"]["message"] == "v: Google rejected the credentials (invalid_grant)"
    assert not asked(google)
    assert TOKEN not in caplog.text and "PRIVATE KEY" not in caplog.text


def test_a_token_repeated_by_the_vendor_is_redacted(
    serve: Serve, google: FakeGoogle, vertex: str, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(request: Received) -> Reply:
        if request.path == "/token":
            return token(TOKEN)
        echoed = {
            "type": "error",
            "error": {"type": "authentication_error", "message": request.headers["authorization"]},
        }
        return of_json(echoed, 401, {"x-request-id": f"r-{TOKEN}"})

    google.answer = answer
    with caplog.at_level(logging.DEBUG):
        reply = serve(vertex).messages(ASK)
    assert reply.status == 401
    assert reply.json["error"]["message"] == "Bearer [redacted]"
    assert TOKEN not in caplog.text + str(reply.headers)


def made(toml: str, folder: Path) -> GoogleProvider:
    file = folder / "one.toml"
    file.write_text(toml)
    settings = load(file, {}).llm.providers["v"]
    assert isinstance(settings, GoogleSettings)
    return GoogleProvider("v", settings)


def test_a_revoked_token_is_fetched_again(google: FakeGoogle, vertex: str, tmp_path: Path) -> None:
    provider = made(vertex, tmp_path)
    assert provider._tokens is not None
    clock = [time.time()]
    provider._tokens._clock = lambda: clock[0]
    request = provider.prepare(claude())
    revoked = False
    google.answer = lambda it: of_json({}, 401) if revoked and it.path != "/token" else api(it)
    for revoked in (False, True, False):
        with provider.send(request, Cancel()) as reply:
            assert reply.status == (401 if revoked else 200)
        clock[0] += 60
    assert fetched(google) == 2
    provider.close()


def test_a_cancelled_call_frees_its_thread(google: FakeGoogle, vertex: str, tmp_path: Path) -> None:
    hold = threading.Event()
    google.answer = lambda _: Reply(hold=hold)
    provider, cancel = made(vertex, tmp_path), Cancel()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(provider.send, provider.prepare(claude()), cancel)
        wait_until(lambda: fetched(google) == 1)
        cancel.throw(Cancelled("gone"))
        assert isinstance(call.exception(60), Cancelled)
    hold.set()
    provider.close()
