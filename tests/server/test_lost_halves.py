"""Histories with incomplete tool calls, from every client to every vendor: the vendor answers, and the repairs are
reported.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.server.vendors import DISTINCT, Lane
from tests.serving import Nexus
from tools.fake_upstream import FakeUpstream

ASK = {"role": "user", "content": "Go on."}


def chat(*messages: Any) -> tuple[str, dict[str, Any]]:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    return "/llm/openai/v1/chat/completions", {"model": "v/m", "messages": [*messages, ASK], "tools": [tool]}


def responses(*items: Any) -> tuple[str, dict[str, Any]]:
    tool = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
    return "/llm/openai/v1/responses", {"model": "v/m", "input": [*items, ASK], "tools": [tool]}


def messages(*turns: Any) -> tuple[str, dict[str, Any]]:
    tool = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
    body = {"model": "v/m", "max_tokens": 64, "messages": [*turns, ASK], "tools": [tool]}
    return "/llm/anthropic/v1/messages", body


def chat_call(*ids: str) -> dict[str, Any]:
    calls = [{"id": id, "type": "function", "function": {"name": "look", "arguments": "{}"}} for id in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def use(*ids: str) -> dict[str, Any]:
    blocks = [{"type": "tool_use", "id": id, "name": "look", "input": {}} for id in ids]
    return {"role": "assistant", "content": blocks}


def found(*ids: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "seen"} for id in ids]}


CALL = {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "a", "output": "seen"}
TOOL = {"role": "tool", "tool_call_id": "a", "content": "seen"}

CASES: dict[str, tuple[str, tuple[str, dict[str, Any]], str]] = {
    "chat, a result whose call is gone": ("chat", chat(TOOL), "messages.tool_result"),
    "chat, a call whose result is missing": ("chat", chat(ASK, chat_call("a", "b"), TOOL), "messages.tool_call"),
    "chat, one id for both calls": ("chat", chat(ASK, chat_call("a", "a"), TOOL, TOOL), ""),
    "responses, a result whose call is gone": ("responses", responses(OUTPUT), "input.tool_result"),
    "responses, a call whose result is missing": ("responses", responses(ASK, CALL), "input.tool_call"),
    "messages, a result whose call is gone": ("messages", messages(found("a")), "messages.tool_result"),
    "messages, a call whose result is missing": (
        "messages",
        messages(ASK, use("a", "b"), found("b")),
        "messages.tool_call",
    ),
    "messages, a result that came late": (
        "messages",
        messages(ASK, use("a"), ASK, {"role": "assistant", "content": "I wait."}, found("a")),
        "",
    ),
}


@pytest.mark.parametrize("lane", DISTINCT, ids=lambda lane: lane.name)
def test_incomplete_tool_calls_are_repaired(lane: Lane, tmp_path: Path) -> None:
    with FakeUpstream(lane.vendor) as upstream, Nexus.of(lane.config(upstream, tmp_path), tmp_path) as nexus:
        for name, (client, (path, body), dropped) in CASES.items():
            if lane.passes == client:
                continue
            reply = nexus.post(path, body)
            assert reply.status == 200, (name, reply.body)
            named = [one for one in reply.headers.get("x-nexus-dropped", "").split(", ") if "tool_" in one]
            assert named == ([dropped] if dropped else []), name
        assert upstream.violations == []
