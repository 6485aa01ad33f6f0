"""Web search tools of the client's own vendor: another vendor runs the search if configured.

Without ``web_search`` a forced search is rejected by name, and an optional one is dropped and reported.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.settings import SettingsError, load
from tests.conftest import Serve
from tests.server.vendors import LANES, Lane
from tests.serving import KEY, Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

Room = tuple[Nexus, FakeUpstream]

SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
FUNCTION = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
ASKED: dict[str, Any] = {
    "model": "v/m",
    "max_tokens": 9000,
    "messages": [{"role": "user", "content": "Perform a web search for the query: tornado"}],
    "tools": [SEARCH],
    "tool_choice": {"type": "tool", "name": "web_search"},
}
OFFERED = {"model": "v/m", "input": "Hi", "tools": [{"type": "web_search"}]}
RESPONSES = "/llm/openai/v1/responses"


def rooms(serve: Serve, folder: Path, lane: Lane, more: str) -> Iterator[Room]:
    with FakeUpstream(lane.vendor) as upstream:
        upstream.default = Behaviour(text="Found it.")
        yield serve(lane.config(upstream, folder) + more), upstream
        assert upstream.violations == []


@pytest.fixture
def searching(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path) -> Iterator[Room]:
    yield from rooms(serve, tmp_path, request.param, "models.m.web_search = true\n")


@pytest.fixture
def plain(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path) -> Iterator[Room]:
    yield from rooms(serve, tmp_path, request.param, "")


def on(fixture: str, *names: str) -> pytest.MarkDecorator:
    lanes = [lane for lane in LANES if lane.name in names]
    return pytest.mark.parametrize(fixture, lanes, ids=lambda lane: lane.name, indirect=True)


GEMINI = on("searching", "gemini", "vertex gemini")


@GEMINI
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_gemini_searches_for_claude_code(searching: Room, stream: bool) -> None:
    nexus, upstream = searching
    reply = nexus.messages({**ASKED, "stream": stream})
    assert (reply.status, b"Found" in reply.body) == (200, True)
    assert upstream.requests[-1].json["tools"] == [{"googleSearch": {}}]
    assert "toolConfig" not in upstream.requests[-1].json
    assert reply.headers["x-nexus-dropped"] == "tools.max_uses, tool_choice"


@GEMINI
def test_a_search_together_with_functions_is_rejected(searching: Room) -> None:
    nexus, upstream = searching
    reply = nexus.messages({**ASKED, "tools": [FUNCTION, SEARCH]})
    assert (reply.status, reply.json["error"]["message"][:8]) == (400, "tools.1:")
    assert upstream.requests == []


@GEMINI
def test_an_optional_search_is_kept_alone_and_dropped_with_functions(searching: Room) -> None:
    nexus, upstream = searching
    assert "x-nexus-dropped" not in nexus.post(RESPONSES, OFFERED).headers
    assert upstream.requests[-1].json["tools"] == [{"googleSearch": {}}]
    function = {"type": "function", "name": "f", "parameters": FUNCTION["input_schema"], "strict": False}
    reply = nexus.post(RESPONSES, {**OFFERED, "tools": [function, {"type": "web_search"}]})
    assert (reply.status, reply.headers["x-nexus-dropped"]) == (200, "tools.web_search")
    assert [list(tool) for tool in upstream.requests[-1].json["tools"]] == [["functionDeclarations"]]


@on("searching", "anthropic", "vertex claude")
def test_claude_searches_for_codex(searching: Room) -> None:
    nexus, upstream = searching
    function = {"type": "function", "name": "f", "parameters": FUNCTION["input_schema"], "strict": False}
    reply = nexus.post(RESPONSES, {**OFFERED, "tools": [function, {"type": "web_search"}]})
    assert reply.status == 200
    assert SEARCH in upstream.requests[-1].json["tools"]
    assert "tools.web_search" not in reply.headers.get("x-nexus-dropped", "")


CHAT: dict[str, Any] = {
    "model": "v/m",
    "messages": [{"role": "user", "content": "Hi"}],
    "web_search_options": {"search_context_size": "low"},
}


@on("searching", "gemini", "vertex gemini", "anthropic", "vertex claude")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_vendor_searches_for_a_chat_client(searching: Room, stream: bool) -> None:
    nexus, upstream = searching
    reply = nexus.chat({**CHAT, "stream": stream})
    assert (reply.status, b"Found" in reply.body) == (200, True)
    assert upstream.requests[-1].json["tools"] in ([{"googleSearch": {}}], [SEARCH])
    assert reply.headers["x-nexus-dropped"] == "web_search_options.search_context_size"


@on("searching", "anthropic")
def test_a_chat_clients_search_is_next_to_its_functions(searching: Room) -> None:
    nexus, upstream = searching
    functions = [{"type": "function", "function": {"name": name}} for name in ("f", "web_search")]
    assert nexus.chat({**CHAT, "tools": functions[:1], "web_search_options": {}}).status == 200
    assert [tool["name"] for tool in upstream.requests[-1].json["tools"]] == ["f", "web_search"]
    refused = nexus.chat({**CHAT, "tools": functions})
    assert (refused.status, refused.json["error"]["param"]) == (400, "web_search_options")


@on("plain", "gemini", "anthropic", "bedrock converse")
def test_a_chat_clients_search_is_rejected_without_configuration(plain: Room) -> None:
    nexus, upstream = plain
    refused = nexus.chat(CHAT)
    assert (refused.status, refused.json["error"]["param"]) == (400, "web_search_options")
    assert "set web_search = true on a model whose vendor can search the web" in refused.json["error"]["message"]
    assert upstream.requests == []


@on("plain", "openai", "gemini", "bedrock converse")
def test_a_search_is_rejected_or_dropped_without_configuration(plain: Room) -> None:
    nexus, upstream = plain
    refused = nexus.messages(ASKED)
    assert (refused.status, refused.json["error"]["message"][:8]) == (400, "tools.0:")
    assert "web_search_20250305 runs at its own vendor only" in refused.json["error"]["message"]
    assert upstream.requests == []
    offered = nexus.post(RESPONSES, OFFERED)
    assert (offered.status, offered.headers["x-nexus-dropped"]) == (200, "tools.web_search")
    assert "tools" not in upstream.requests[-1].json
    demanded = nexus.post(RESPONSES, {**OFFERED, "tool_choice": "required"})
    assert (demanded.status, demanded.json["error"]["param"]) == (400, "tool_choice")


@pytest.mark.parametrize("kind", ["openai", "bedrock", "echo"])
def test_a_vendor_without_web_search_is_rejected_at_start(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "nexus.toml"
    place = 'region = "us-east-1"' if kind == "bedrock" else f'api_key = "{KEY}"'
    file.write_text(f'[llm.providers.v]\ntype = "{kind}"\n{place}\nmodels.m.web_search = true\n')
    with pytest.raises(SettingsError) as refused:
        load(file, {})
    assert any("models.m.web_search: has no effect" in str(line) for line in refused.value.problems)
