"""Failed authentication is logged with its reason, on every path."""

import logging
from typing import Any

import pytest

from tests.conftest import Serve
from tests.serving import CHAT, MESSAGES, Nexus, wait_until

KEYS = '[server.keys.alice]\nkey = "nx-hushhusha1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6"\n'
ECHO = '[llm.providers.demo]\ntype = "echo"\nmodels.echo = {}\n'
WRONG = {"Authorization": "Bearer nx-hushhushx1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6"}

PATHS: dict[str, tuple[str, str, Any]] = {
    "chat": ("POST", "/llm/openai/v1/chat/completions", CHAT),
    "responses": ("POST", "/llm/openai/v1/responses", {"model": "demo/echo", "input": "x"}),
    "messages": ("POST", "/llm/anthropic/v1/messages", MESSAGES),
    "count_tokens": ("POST", "/llm/anthropic/v1/messages/count_tokens", MESSAGES),
    "models": ("GET", "/llm/openai/v1/models", None),
    "one model": ("GET", "/llm/anthropic/v1/models/demo/echo", None),
    "a stored answer": ("GET", "/llm/openai/v1/responses/resp_1", None),
    "a wrong path": ("GET", "/v1/v1/messages", None),
    "a wrong method": ("GET", "/llm/openai/v1/chat/completions", None),
}


@pytest.fixture
def house(serve: Serve) -> Nexus:
    return serve(KEYS + ECHO)


@pytest.mark.parametrize("headers", [{}, WRONG], ids=["no key", "a wrong key"])
@pytest.mark.parametrize(("method", "path", "body"), PATHS.values(), ids=PATHS)
def test_failed_authentication_has_an_access_line(
    house: Nexus, caplog: pytest.LogCaptureFixture, headers: dict[str, str], method: str, path: str, body: Any
) -> None:
    def lines() -> list[dict[str, Any]]:
        return [record.__dict__["fields"] for record in caplog.records if record.name == "nexus.access"]

    with caplog.at_level(logging.INFO, "nexus.access"):
        reply = house.post(path, body, headers) if body is not None else house.request(method, path, b"", headers)
        assert reply.status == 401
        wait_until(lambda: bool(lines()))
    (line,) = lines()
    assert (line["status"], line["error"], line["caller"]) == (401, "authentication", "127.0.0.1")
    assert "key" in line["why"] and "nx-" not in line["why"]
