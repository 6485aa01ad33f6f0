"""Claude Code always asks for thinking: a compatible server whose model knows no effort is asked without it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Serve
from tests.serving import KEY, Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

CONFIG = """
[llm.providers.house]
type = "openai"
api_key = "{key}"
base_url = "{url}"
{more}
models = ["qwen", "other"]
"""
ASKED: dict[str, Any] = {
    "model": "house/qwen",
    "max_tokens": 64,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "messages": [{"role": "user", "content": "Hi"}],
}
OLLAMA = Behaviour(status=400, message='"qwen2.5-coder:1.5b" does not support thinking')
OLLAMAS_VALUE = Behaviour(status=400, message='invalid reasoning value: \'xhigh\' (must be "high", "low" or "none")')
XAI = Behaviour(
    status=400,
    body=b'{"code": "invalid-argument", "error": "Model grok does not support parameter reasoningEffort."}',
)
MISTRAL = Behaviour(
    status=422,
    body=b'{"detail": [{"loc": ["body", "reasoning_effort"], "msg": "Extra inputs are not permitted"}]}',
)
BLAMED = Behaviour(status=400, message="Unsupported parameter.", error_param="reasoning_effort")


@pytest.fixture
def nexus(serve: Serve, openai_upstream: FakeUpstream) -> Nexus:
    return serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more=""))


def efforts(upstream: FakeUpstream) -> list[Any]:
    """Of every request; under ``reasoning`` where it was one of the Responses API."""
    bodies = [request.json for request in upstream.requests]
    return [body.get("reasoning_effort", (body.get("reasoning") or {}).get("effort")) for body in bodies]


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("refusal", [OLLAMA, XAI, MISTRAL, BLAMED], ids=["ollama", "xai", "mistral", "blamed"])
def test_refused_it_is_left_out_from_then_on(
    refusal: Behaviour, stream: bool, nexus: Nexus, openai_upstream: FakeUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    openai_upstream.next(refusal)
    first, second = nexus.messages(ASKED | {"stream": stream}), nexus.messages(ASKED)
    assert (first.status, second.status) == (200, 200)
    assert "thinking" in first.headers["x-nexus-dropped"] == second.headers["x-nexus-dropped"]
    assert efforts(openai_upstream) == ["high", None, None]
    assert caplog.text.count("an effort of thinking is refused") == 1


def test_a_value_that_is_refused_says_nothing_of_others(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(OLLAMAS_VALUE)
    assert nexus.messages(ASKED | {"output_config": {"effort": "xhigh"}}).status == 200
    assert nexus.messages(ASKED).status == 200
    assert efforts(openai_upstream) == ["xhigh", None, "high"]


def test_another_model_is_asked_as_before(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(OLLAMA)
    assert nexus.messages(ASKED).status == nexus.messages(ASKED | {"model": "house/other"}).status == 200
    assert efforts(openai_upstream) == ["high", None, "high"]


def test_on_the_responses_api(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(CONFIG.format(key=KEY, url=openai_upstream.base_url, more="responses = true"))
    openai_upstream.next(XAI)
    assert nexus.messages(ASKED).status == 200
    assert efforts(openai_upstream) == ["high", None]


def test_a_client_that_speaks_the_servers_protocol_gets_its_answer(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(OLLAMA)
    asked = {"model": "house/qwen", "messages": ASKED["messages"], "reasoning_effort": "high"}
    assert nexus.chat(asked).status == 400


@pytest.mark.parametrize("words", ["reasoning_content is missing in message 3", "No.", "thinking is wonderful"])
def test_another_refusal_is_the_clients(words: str, nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(Behaviour(status=400, message=words))
    assert nexus.messages(ASKED).json["error"]["message"] == words
    assert len(openai_upstream.requests) == 1
