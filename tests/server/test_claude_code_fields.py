"""What Claude Code sends beyond the basic request: betas, deferred tools and the checks of auto mode.

``tests/protocols/messages`` and ``tests/providers`` have every field, at every vendor and host.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.server.vendors import Stand, Standing, on
from tests.serving import Reply
from tools.fake_upstream import Behaviour

Body = dict[str, Any]

HI: list[Any] = [{"role": "user", "content": "Hi"}]
TOOL: Body = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}}
REFERENCE = {"type": "tool_reference", "tool_name": "f"}
FOUND = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [REFERENCE]}]}
SAFEGUARDS = {"safeguards": [{"type": "dangerous_tool_use", "classifier_context": {"v": 1, "permission_mode": "auto"}}]}
CHECKING = "dangerous-tool-use-2026-09-03"


@dataclass
class Vendor(Standing):
    def ask(self, more: Body, beta: str = "") -> Reply:
        headers = {"anthropic-version": "2023-06-01"} | ({"anthropic-beta": beta} if beta else {})
        return self.nexus.messages({"model": "v/m", "max_tokens": 9000, "messages": HI} | more, headers)

    @property
    def sent(self) -> Body:
        body: Body = self.upstream.requests[-1].json
        return body


@pytest.fixture
def vendor(request: pytest.FixtureRequest, stand: Stand) -> Iterator[Vendor]:
    standing = stand(request.param)
    yield Vendor(standing.lane, standing.upstream, standing.nexus)
    assert standing.upstream.violations == []


TRANSLATED = on("openai", "gemini", "bedrock converse")


def dropped(reply: Reply) -> set[str]:
    named: str = reply.headers.get("x-nexus-dropped", "")
    return set(filter(None, named.split(", ")))


@TRANSLATED
def test_betas_are_dropped_and_reported(vendor: Vendor) -> None:
    reply = vendor.ask({}, beta="claude-code-20250219,brand-new-2027-01-01")
    assert (reply.status, dropped(reply)) == (200, {"anthropic-beta"})
    assert vendor.upstream.requests[-1].header("anthropic-beta") is None
    assert b"brand-new" not in vendor.upstream.requests[-1].body


@TRANSLATED
def test_a_placeholder_for_deferred_tools_and_a_result_without_its_call_are_accepted(vendor: Vendor) -> None:
    placeholder = {"name": "DeferredToolPlaceholder", "input_schema": {"type": "object"}, "defer_loading": True}
    reply = vendor.ask({"tools": [TOOL, placeholder], "messages": [FOUND, *HI]})
    assert (reply.status, dropped(reply)) == (200, {"tools.defer_loading", "messages.tool_result"})
    assert b"DeferredToolPlaceholder" not in vendor.upstream.requests[-1].body


@on("anthropic")
def test_the_checks_of_auto_mode_and_their_results_pass_through(vendor: Vendor) -> None:
    results = b'"safeguard_results":[{"type":"dangerous_tool_use","tool_use_id":"toolu_1","status":"not_flagged"}]'
    assert vendor.ask({}).status == 200
    answer = vendor.upstream.answer_to(vendor.upstream.requests[-1])
    vendor.upstream.next(Behaviour(body=answer.removesuffix(b"}") + b"," + results + b"}"))
    reply = vendor.ask(SAFEGUARDS, CHECKING)
    assert vendor.sent["safeguards"] == SAFEGUARDS["safeguards"]
    assert vendor.upstream.requests[-1].header("anthropic-beta") == CHECKING
    assert results in reply.body and dropped(reply) == set()
