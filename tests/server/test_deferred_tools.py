"""Servers compatible with Anthropic that reject deferred tools, which Claude Code sends to every endpoint
(OpenRouter: claude-code #89211)."""

from typing import Any

from tests.conftest import Serve
from tests.server.test_needed_thinking import CONFIG
from tests.serving import KEY
from tools.fake_upstream import Behaviour, FakeUpstream

REFUSAL = Behaviour(
    status=400,
    message="Deferred custom tools are only supported on Anthropic models and on Anthropic-compatible provider "
    "endpoints that implement deferral. Other endpoints cannot call tools omitted from tools[].",
)


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": {"type": "object"}, **more}


FOUND = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "tool_reference", "tool_name": "read"}]}
ASKED: dict[str, Any] = {
    "model": "house/deepseek-v4-pro",
    "max_tokens": 2048,
    "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "ToolSearch", "input": {}}]},
        {"role": "user", "content": [FOUND]},
    ],
    "tools": [tool("ToolSearch"), tool("read", defer_loading=True), tool("write", defer_loading=True)],
}


def test_deferred_tools_that_were_found_are_sent_where_none_are_accepted(
    serve: Serve, anthropic_upstream: FakeUpstream
) -> None:
    nexus = serve(CONFIG.format(key=KEY, url=anthropic_upstream.base_url))
    anthropic_upstream.next(REFUSAL)
    beta = {"anthropic-beta": "advanced-tool-use-2025-11-20"}
    replies = [nexus.post("/llm/anthropic/v1/messages", ASKED, beta) for _ in range(2)]
    assert [(reply.status, reply.headers.get("x-nexus-dropped")) for reply in replies] == [
        (200, "tools.defer_loading")
    ] * 2
    first, *later = (request.json for request in anthropic_upstream.requests)
    assert first["tools"] == ASKED["tools"]
    for request in later:
        assert request["tools"] == [tool("ToolSearch"), tool("read")]
        assert request["messages"][2]["content"][0]["content"] == [{"type": "text", "text": "Found tool: read"}]
    search = {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}
    assert nexus.post("/llm/anthropic/v1/messages", ASKED | {"tools": [search, *ASKED["tools"]]}, beta).status == 200
    assert anthropic_upstream.requests[-1].json["tools"] == [tool("ToolSearch"), tool("read"), tool("write")]
