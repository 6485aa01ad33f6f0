"""Fields that Claude Code sends beyond the basic request, on every vendor but Anthropic: mapped, dropped and reported,
or rejected.

One line per field; add a line for each new field. Where Claude itself answers (Vertex AI, Bedrock), a beta and its
field are kept or removed together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.server.vendors import LANES, Stand, Standing
from tests.serving import Reply
from tools.fake_upstream import Behaviour

Body = dict[str, Any]

HI: list[Any] = [{"role": "user", "content": "Hi"}]
TOOL: Body = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}]}
REFERENCE = {"type": "tool_reference", "tool_name": "f"}
FOUND = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [REFERENCE]}]}
WEB = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
MARK = {"cache_control": {"type": "ephemeral", "scope": "global"}}
SYSTEM_ROLE = {"role": "system", "content": "Be brief."}
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


def on(*names: str) -> pytest.MarkDecorator:
    # A compatible server's model supports efforts on chat completions; for OpenAI's own, support depends on the name.
    models = {"openai": "qwen3-coder"}
    lanes = [replace(lane, model=models.get(lane.name, lane.model)) for lane in LANES if lane.name in names]
    return pytest.mark.parametrize("vendor", lanes, ids=lambda lane: lane.name, indirect=True)


TRANSLATED = on("openai", "gemini", "bedrock converse")


def dropped(reply: Reply) -> set[str]:
    named: str = reply.headers.get("x-nexus-dropped", "")
    return set(filter(None, named.split(", ")))


DROPPED: Mapping[str, Body] = {
    "context_management": {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}},
    "output_config.task_budget": {"output_config": {"task_budget": {"type": "tokens", "total": 20000}}},
    "tools.defer_loading": {"tools": [TOOL | {"defer_loading": True}]},
    "tools.eager_input_streaming": {"tools": [TOOL | {"eager_input_streaming": True}]},
    "tools.input_examples": {"tools": [TOOL | {"input_examples": [{}]}]},
    "tools.allowed_callers": {"tools": [TOOL | {"allowed_callers": ["direct"]}]},
    "cache_control.scope": {"system": [{"type": "text", "text": "Be kind."} | MARK]},
    "speed": {"speed": "fast"},
    "safeguards": SAFEGUARDS,
    "metadata.team": {"metadata": {"user_id": "u", "team": "t"}},
}


@TRANSLATED
@pytest.mark.parametrize("name", DROPPED)
def test_tuning_fields_are_dropped_and_reported(vendor: Vendor, name: str) -> None:
    reply = vendor.ask(DROPPED[name])
    assert reply.status == 200
    assert name in dropped(reply)


@TRANSLATED
def test_betas_are_dropped_and_reported(vendor: Vendor) -> None:
    reply = vendor.ask({}, beta="claude-code-20250219,brand-new-2027-01-01")
    assert (reply.status, dropped(reply)) == (200, {"anthropic-beta"})
    assert vendor.upstream.requests[-1].header("anthropic-beta") is None
    assert b"brand-new" not in vendor.upstream.requests[-1].body


REFUSED: Mapping[str, tuple[Body, str]] = {
    "web search": ({"tools": [TOOL, WEB], "tool_choice": {"type": "tool", "name": "web_search"}}, "tools.1"),
    "mcp_servers": ({"mcp_servers": [{"type": "url", "url": "https://x.test", "name": "x"}]}, "mcp_servers"),
    "container": ({"container": "c"}, "container"),
    "inference_geo": ({"inference_geo": "eu"}, "inference_geo"),
    "a forced tool that does not exist": (
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "web_search"}},
        "tool_choice",
    ),
}


@TRANSLATED
@pytest.mark.parametrize("case", REFUSED)
def test_unsupported_content_is_rejected_by_name(vendor: Vendor, case: str) -> None:
    body, name = REFUSED[case]
    reply = vendor.ask(body)
    assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")
    assert reply.json["error"]["message"].startswith(name)
    assert vendor.upstream.requests == []


@TRANSLATED
def test_a_server_tool_is_rejected_by_its_type(vendor: Vendor) -> None:
    assert "web_search_20250305" in vendor.ask({"tools": [WEB]}).json["error"]["message"]


@TRANSLATED
def test_adaptive_thinking_and_effort(vendor: Vendor) -> None:
    reply = vendor.ask({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}})
    assert reply.status == 200
    match vendor.lane.name:
        case "openai":
            assert vendor.sent["reasoning_effort"] == "low"
        case "bedrock converse":
            # Nova Pro does not think; both of the client's names for it are reported.
            assert dropped(reply) == {"thinking", "output_config.effort"}
        case _:
            assert vendor.sent["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 1024
    reply = vendor.ask({"output_config": {"effort": "low"}})
    if vendor.lane.name == "bedrock converse":
        assert dropped(reply) == {"output_config.effort"}
    else:
        assert dropped(reply) == set()


@TRANSLATED
def test_a_system_message_in_the_conversation_keeps_its_text_and_position(vendor: Vendor) -> None:
    reply = vendor.ask({"messages": [*HI, SYSTEM_ROLE]}, beta="mid-conversation-system-2026-04-07")
    assert (reply.status, dropped(reply)) == (200, {"anthropic-beta"})
    assert b"Be brief." in vendor.upstream.requests[-1].body
    if vendor.lane.name == "openai":
        assert [message["role"] for message in vendor.sent["messages"]] == ["user", "system"]


@TRANSLATED
def test_a_tool_reference_in_a_result_becomes_text(vendor: Vendor) -> None:
    reply = vendor.ask({"tools": [TOOL], "messages": [*HI, CALL, FOUND]})
    assert (reply.status, dropped(reply)) == (200, set())
    assert b"Found tool: f" in vendor.upstream.requests[-1].body


@TRANSLATED
def test_strict_is_mapped_if_supported(vendor: Vendor) -> None:
    reply = vendor.ask({"tools": [TOOL | {"strict": True}]})
    known = vendor.lane.name == "openai"
    assert dropped(reply) == (set() if known else {"tools.strict"})
    if known:
        assert vendor.sent["tools"][0]["function"]["strict"] is True


@TRANSLATED
def test_cache_hints(vendor: Vendor) -> None:
    reply = vendor.ask({"system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]})
    if vendor.lane.name == "bedrock converse":
        assert dropped(reply) == set()
        assert {"cachePoint": {"type": "default"}} in vendor.sent["system"]
    else:
        assert dropped(reply) == {"cache_control"}


# Claude on other hosts: rule C3 of the gateway guide, "strip both or neither".

PAIRS: Mapping[str, tuple[Body, str, Mapping[str, bool]]] = {
    "context_management": (
        {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
        "context-management-2025-06-27",
        {"vertex claude": True, "bedrock claude": True},
    ),
    "defer_loading": (
        {"tools": [TOOL, TOOL | {"name": "g", "defer_loading": True}]},
        "advanced-tool-use-2025-11-20",
        {"vertex claude": True, "bedrock claude": True},
    ),
    "strict": (
        {"tools": [TOOL | {"strict": True}]},
        "structured-outputs-2025-12-15",
        # Bedrock supports it without any beta; on Vertex AI an organisation must allow it.
        {"vertex claude": False, "bedrock claude": True},
    ),
    "eager_input_streaming": (
        {"tools": [TOOL | {"eager_input_streaming": True}]},
        "fine-grained-tool-streaming-2025-05-14",
        {"vertex claude": False, "bedrock claude": False},
    ),
    "effort": (
        {"output_config": {"effort": "low"}},
        "effort-2025-11-24",
        # Sonnet 4.5 does not support any.
        {"vertex claude": False, "bedrock claude": False},
    ),
    "task_budget": (
        {"output_config": {"task_budget": {"type": "tokens", "total": 20000}}},
        "task-budgets-2026-03-13",
        {"vertex claude": False, "bedrock claude": False},
    ),
    "speed": ({"speed": "fast"}, "fast-mode-2026-02-01", {"vertex claude": False, "bedrock claude": False}),
    "scope": (
        {"system": [{"type": "text", "text": "Be kind."} | MARK]},
        "prompt-caching-scope-2026-01-05",
        {"vertex claude": False, "bedrock claude": False},
    ),
}
"""Field, its beta, and whether the field is forwarded; a dropped field is reported."""

IMPLIED = {("strict", "bedrock claude")}
"""These hosts accept the field without its beta."""

STREAMED_ANYWAY = {("eager_input_streaming", "bedrock claude")}
"""The older form of the beta has an effect without the field."""


@on("vertex claude", "bedrock claude")
@pytest.mark.parametrize("field", PAIRS)
def test_a_beta_and_its_field_are_a_pair(vendor: Vendor, field: str) -> None:
    body, beta, goes = PAIRS[field]
    reply = vendor.ask(body, beta)
    assert reply.status == 200
    request, lane = vendor.upstream.requests[-1], vendor.lane.name
    betas = [*(request.header("anthropic-beta") or "").split(","), *vendor.sent.get("anthropic_beta", [])]
    arrived = f'"{field}"'.encode() in request.body
    assert arrived is goes[lane]
    if not arrived:
        assert any(name.rpartition(".")[2] == field for name in dropped(reply))
    wanted = "tool-search-tool-2025-10-19" if field == "defer_loading" else beta
    if (field, lane) not in STREAMED_ANYWAY:
        assert (wanted in betas) is (arrived and (field, lane) not in IMPLIED)


@on("vertex claude", "bedrock claude")
def test_adaptive_thinking_needs_no_beta(vendor: Vendor) -> None:
    """For a model that only supports a budget, it becomes one, whatever alias the client uses."""
    reply = vendor.ask({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}})
    assert (reply.status, dropped(reply)) == (200, {"thinking.type", "output_config.effort"})
    assert vendor.sent["thinking"] == {"type": "enabled", "budget_tokens": 4096}


@on("vertex claude", "bedrock claude")
def test_tools_are_never_dropped_so_a_forced_tool_exists(vendor: Vendor) -> None:
    """Anthropic's own tools are forwarded, for the host to run or to reject."""
    choice = {"type": "tool", "name": "web_search"}
    assert vendor.ask({"tools": [TOOL, WEB], "tool_choice": choice}).status == 200
    assert (vendor.sent["tools"], vendor.sent["tool_choice"]) == ([TOOL, WEB], choice)


@on("openai", "gemini", "bedrock converse", "vertex claude", "bedrock claude")
def test_a_breakpoint_inside_a_result_moves_to_a_supported_place_or_is_reported(vendor: Vendor) -> None:
    inner = {"type": "text", "text": "r", "cache_control": {"type": "ephemeral"}}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [inner]}]}
    reply = vendor.ask({"tools": [TOOL], "messages": [*HI, CALL, result]})
    assert reply.status == 200
    match vendor.lane.name:
        case "bedrock converse":
            assert vendor.sent["messages"][-1]["content"][-1] == {"cachePoint": {"type": "default"}}
        case "openai" | "gemini":
            assert dropped(reply) == {"cache_control"}
            return
        case _:
            assert vendor.sent["messages"][-1]["content"][0]["content"] == [inner]
    assert dropped(reply) == set()


@TRANSLATED
def test_anthropics_billing_note_is_not_forwarded(vendor: Vendor) -> None:
    note = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.332.abc; cch=00000;"}
    reply = vendor.ask({"system": [note, {"type": "text", "text": "Be kind."}]})
    assert (reply.status, dropped(reply)) == (200, set())
    assert b"billing" not in vendor.upstream.requests[-1].body and b"Be kind." in vendor.upstream.requests[-1].body


@TRANSLATED
def test_a_placeholder_for_deferred_tools_and_a_result_without_its_call_are_accepted(vendor: Vendor) -> None:
    placeholder = {"name": "DeferredToolPlaceholder", "input_schema": {"type": "object"}, "defer_loading": True}
    reply = vendor.ask({"tools": [TOOL, placeholder], "messages": [FOUND, *HI]})
    assert (reply.status, dropped(reply)) == (200, {"tools.defer_loading", "messages.tool_result"})
    assert b"DeferredToolPlaceholder" not in vendor.upstream.requests[-1].body


@on("vertex claude", "bedrock claude")
def test_a_system_message_in_the_conversation_does_not_become_user_text(vendor: Vendor) -> None:
    reply = vendor.ask({"messages": [*HI, SYSTEM_ROLE]}, beta="mid-conversation-system-2026-04-07")
    assert reply.status == 200 and "messages.role" in dropped(reply)
    (turn,) = vendor.sent["messages"]
    assert [block["text"] for block in turn["content"]] == ["Hi", "<system>\nBe brief.\n</system>"]


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
