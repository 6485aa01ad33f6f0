"""The version of Anthropic's API: a Messages client's own passes, and translated requests use one that accepts what
clients of other protocols send.
"""

from typing import Any

import pytest

from tests.conftest import Serve
from tests.serving import anthropic_config
from tools.fake_upstream import FakeUpstream

NEWEST = {"anthropic-version": "2026-10-21"}
HELLO: dict[str, Any] = {"model": "anthropic/claude", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_sampling_of_other_clients_reaches_claude(serve: Serve, anthropic_upstream: FakeUpstream, stream: bool) -> None:
    """Source: platform.claude.com, "Migrating to API version 2026-10-21", which removes sampling."""
    nexus = serve(anthropic_config(anthropic_upstream.base_url))
    google = "/llm/google/v1beta/models/anthropic/claude:" + ("streamGenerateContent" if stream else "generateContent")
    contents = {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {"temperature": 0.5}}
    replies = [
        nexus.chat({**HELLO, "temperature": 0.5, "stream": stream}, NEWEST),
        nexus.post("/llm/openai/v1/responses", {"model": HELLO["model"], "input": "Hi", "temperature": 0.5}, NEWEST),
        nexus.post(google, contents, NEWEST),
    ]
    assert [reply.status for reply in replies] == [200] * 3
    assert [request.json["temperature"] for request in anthropic_upstream.requests] == [0.5] * 3


def test_a_messages_clients_version_passes(serve: Serve, anthropic_upstream: FakeUpstream) -> None:
    nexus = serve(anthropic_config(anthropic_upstream.base_url))
    body = {**HELLO, "max_tokens": 9}
    assert nexus.messages(body, NEWEST).status == 200
    assert nexus.messages({**body, "temperature": 1}, NEWEST).status == 400
    assert nexus.messages({**body, "temperature": 1}, {"anthropic-version": "2023-06-01"}).status == 200
    assert [request.header("anthropic-version") for request in anthropic_upstream.requests] == [
        *["2026-10-21"] * 2,
        "2023-06-01",
    ]
