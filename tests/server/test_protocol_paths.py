"""Every protocol can be disabled, and served at another path."""

from typing import Any

import pytest

from tests.conftest import Serve
from tests.server.vendors import claude as claude
from tests.serving import anthropic_config
from tools.fake_upstream import FakeUpstream

MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]
CLAUDE = {"max_tokens": 64, "messages": MESSAGES}
VERTEX = "/v1/projects/p/locations/global/publishers/anthropic/models/claude:rawPredict"

PROTOCOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", {"model": "claude", "messages": MESSAGES}),
    "anthropic": ("/v1/messages", {"model": "claude", **CLAUDE}),
    "vertex": (VERTEX, {"anthropic_version": "vertex-2023-10-16", **CLAUDE}),
    "bedrock": ("/model/claude/invoke", {"anthropic_version": "bedrock-2023-05-31", **CLAUDE}),
    "google": ("/v1beta/models/claude:generateContent", {"contents": [{"parts": [{"text": "Hi"}]}]}),
}


ESCAPED = {
    "vertex": "/v1/projects/p%2Fq/locations/global/publishers/anthropic/models/claude:rawPredict",
    "bedrock": "/model/clau%0Ade/invoke",
    "converse": "/model/%0D%0A/converse",
    "google": "/v1beta/models/cla%0Aude:generateContent",
}


@pytest.mark.parametrize("format", ESCAPED)
def test_escapes_cannot_change_the_parts_of_a_path(format: str, claude: FakeUpstream, serve: Serve) -> None:
    protocol = {"converse": "bedrock"}.get(format, format)
    nexus = serve(anthropic_config(claude.base_url, f"[llm.protocols.{protocol}]\nenabled = true\n"))
    reply = nexus.post(f"/llm/{protocol}{ESCAPED[format]}", PROTOCOLS[protocol][1])
    assert (reply.status, b"line break" in reply.body) == (404, True)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_protocol_can_be_disabled_and_moved(protocol: str, claude: FakeUpstream, serve: Serve) -> None:
    path, body = PROTOCOLS[protocol]

    def status(setting: str, base: str) -> int:
        nexus = serve(anthropic_config(claude.base_url, f"[llm.protocols.{protocol}]\n{setting}\n"))
        return nexus.post(f"{base}{path}", body).status

    assert status("enabled = true", f"/llm/{protocol}") == 200
    assert status("enabled = false", f"/llm/{protocol}") == 404
    assert status('path = "/g"', "/g") == 200
