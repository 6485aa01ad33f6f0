"""A caller that names a file, a cache or a container that does not exist gets the vendor's error, and puts nothing in
cooldown for the other callers.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Serve
from tests.server.vendors import providers
from tests.serving import KEY
from tools.fake_upstream import Behaviour, FakeUpstream

HELLO = "Hello!"


def chat(nexus: Any, model: str, **more: Any) -> Any:
    content = more.pop("content", HELLO)
    body = {"model": model, "messages": [{"role": "user", "content": content}], **more}
    return nexus.post("/llm/openai/v1/chat/completions", body)


def messages(nexus: Any, model: str, **more: Any) -> Any:
    content = more.pop("content", HELLO)
    body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": content}], **more}
    return nexus.post("/llm/anthropic/v1/messages", body)


def gemini(nexus: Any, model: str, **more: Any) -> Any:
    content = more.pop("content", [{"text": HELLO}])
    body = {"contents": [{"role": "user", "parts": content}], **more}
    return nexus.post(f"/llm/google/v1beta/models/{model}:generateContent", body)


FILE = {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/none", "mimeType": "image/png"}
CASES: dict[str, tuple[str, str, str, Callable[..., Any], dict[str, Any]]] = {
    "a file of OpenAI": (
        "openai",
        "openai",
        "gpt-4.1",
        chat,
        {"content": [{"type": "file", "file": {"file_id": "f"}}]},
    ),
    "a file of Anthropic": (
        "anthropic",
        "anthropic",
        "claude-sonnet-4-5",
        messages,
        {"content": [{"type": "document", "source": {"type": "file", "file_id": "f"}}]},
    ),
    "a container": ("anthropic", "anthropic", "claude-sonnet-4-5", messages, {"container": "container_none"}),
    "a cache of Google": ("gemini", "google", "gemini-2.5-flash", gemini, {"cachedContent": "cachedContents/none"}),
    "a cache of Google for chat": (
        "gemini",
        "google",
        "gemini-2.5-flash",
        chat,
        {"extra_body": {"google": {"cachedContent": "cachedContents/none"}}},
    ),
    "a file of Google for chat": (
        "gemini",
        "google",
        "gemini-2.5-flash",
        chat,
        {"content": [{"type": "image_url", "image_url": {"url": FILE["fileUri"]}}]},
    ),
    "a file of Google": ("gemini", "google", "gemini-2.5-flash", gemini, {"content": [{"fileData": FILE}]}),
}


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(("vendor", "kind", "model", "ask", "named"), CASES.values(), ids=CASES)
def test_nobody_else_is_affected(
    vendor: str, kind: str, model: str, ask: Callable[..., Any], named: dict[str, Any], status: int, serve: Serve
) -> None:
    with FakeUpstream(vendor) as first, FakeUpstream("openai") as second:
        tables = (("v1", kind, first, "retries.attempts = 1", model), ("v2", "openai", second, "", "gpt-4.1"))
        nexus = serve(providers(*tables) + '[llm.models.smart]\ntargets = ["v1/m", "v2/m"]\n')
        first.next(*[Behaviour(status=status)] * 5)
        assert [ask(nexus, "v1/m", **named).status for _ in range(5)] == [status] * 5
        assert ask(nexus, "smart").headers["x-nexus-route"] == f"v1/{model}"


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_of_the_model_itself_is_the_targets(status: int, serve: Serve) -> None:
    with FakeUpstream("openai") as first, FakeUpstream("openai") as second:
        tables = (("v1", "openai", first, "retries.attempts = 1", "gpt-4.1"), ("v2", "openai", second, "", "gpt-4.1"))
        nexus = serve(providers(*tables) + '[llm.models.smart]\ntargets = ["v1/m", "v2/m"]\n')
        first.next(Behaviour(status=status))
        assert chat(nexus, "smart").headers["x-nexus-tried"] == f"v1/m={status}, v2/m=200"


UNKNOWN_MAKER = {name: case for name, case in CASES.items() if name != "a container"}


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(("vendor", "kind", "model", "ask", "named"), UNKNOWN_MAKER.values(), ids=UNKNOWN_MAKER)
class TestSeveralAccounts:
    """What one account does not have, the next may have."""

    def test_of_a_virtual_model(
        self, vendor: str, kind: str, model: str, ask: Callable[..., Any], named: Any, status: int, serve: Serve
    ) -> None:
        with FakeUpstream(vendor) as first, FakeUpstream(vendor) as second:
            tables = (("v1", kind, first, "", model), ("v2", kind, second, "", model))
            nexus = serve(providers(*tables) + '[llm.models.smart]\ntargets = ["v1/m", "v2/m"]\n')
            first.next(Behaviour(status=status))
            assert ask(nexus, "smart", **named).headers["x-nexus-tried"] == f"v1/m={status}, v2/m=200"
            first.next(Behaviour(status=status))
            second.next(Behaviour(status=status, message="not here either"))
            assert b"not here either" in ask(nexus, "smart", **named).body

    def test_of_one_provider(
        self, vendor: str, kind: str, model: str, ask: Callable[..., Any], named: Any, status: int, serve: Serve
    ) -> None:
        with FakeUpstream(vendor) as upstream:
            keys = f'api_keys = ["{KEY}", "sk-hushhush-second-0123456789"]'
            nexus = serve(providers(("v1", kind, upstream, "", model)).replace(f'api_key = "{KEY}"', keys))
            upstream.next(Behaviour(status=status))
            assert ask(nexus, "v1/m", **named).status == 200
            sent = [
                [*map(request.header, ("authorization", "x-api-key", "x-goog-api-key"))]
                for request in upstream.requests
            ]
            assert len(sent) == 2 and sent[0] != sent[1]
