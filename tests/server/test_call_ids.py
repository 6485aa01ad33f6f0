"""Agents that return only the fields they know: signatures are stored in call ids, and never reach another vendor."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from tests.conftest import Serve
from tests.server.vendors import providers
from tests.serving import Nexus
from tools.fake_upstream import Behaviour, Call, FakeUpstream, Thinking
from tools.fake_upstream.parts import SIGNATURES

TOOL: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
ASK: dict[str, Any] = {"role": "user", "content": "Look."}
THOUGHT = "Let me see."


@dataclass
class House:
    nexus: Nexus
    openai: FakeUpstream
    mistral: FakeUpstream
    anthropic: FakeUpstream
    gemini: FakeUpstream


@pytest.fixture
def house(serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream) -> Iterator[House]:
    with FakeUpstream("gemini") as gemini, FakeUpstream("openai") as mistral:
        toml = providers(
            ("openai", "openai", openai_upstream, "responses = true", "gpt-4.1"),
            ("mistral", "openai", mistral, 'quirks = ["mistral_tool_ids"]', "mistral-large"),
            ("anthropic", "anthropic", anthropic_upstream, "", "claude-sonnet-4-5"),
            ("google", "google", gemini, "", "gemini-3-pro-preview"),
        )
        house = House(serve(toml), openai_upstream, mistral, anthropic_upstream, gemini)
        yield house
        for upstream in (openai_upstream, mistral, anthropic_upstream, gemini):
            assert upstream.violations == []


def called(house: House, model: str, *, stream: bool, **more: Any) -> tuple[dict[str, Any], str]:
    """The message as a simple agent keeps it, and the thinking it received."""
    with openai.OpenAI(base_url=house.nexus.openai, api_key="unused", max_retries=0) as client:
        asked: Any = {"model": model, "messages": [ASK], "tools": [TOOL], **more}
        if stream:
            with client.chat.completions.stream(**asked) as chunks:
                message = chunks.get_final_completion().choices[0].message.to_dict()
        else:
            message = client.chat.completions.create(**asked).choices[0].message.to_dict()
    calls: Any = message["tool_calls"]
    kept = [{"id": call["id"], "type": "function", "function": call["function"]} for call in calls]
    for call in kept:
        call["function"] = {name: call["function"][name] for name in ("name", "arguments")}
    return {"role": "assistant", "content": None, "tool_calls": kept}, str(message.get("reasoning_content") or "")


def answered(message: dict[str, Any]) -> list[dict[str, Any]]:
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "a wall"} for call in message["tool_calls"]]
    return [ASK, message, *results]


def ask(house: House, model: str, messages: list[dict[str, Any]], **more: Any) -> None:
    reply = house.nexus.chat({"model": model, "messages": messages, "tools": [TOOL], **more})
    assert reply.status == 200, reply.body


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_geminis_signature_returns_to_gemini_and_to_no_other_vendor(stream: bool, house: House) -> None:
    house.gemini.next(Behaviour(parts=(Thinking(THOUGHT), Call("look", "{}"), Call("look", "{}"))))
    message, _ = called(house, "google/m", stream=stream)
    assert len(message["tool_calls"][0]["id"]) > 40
    ask(house, "google/m", answered(message))
    parts = house.gemini.requests[-1].json["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [SIGNATURES["gemini"], None]
    for model, upstream in (("openai/m", house.openai), ("mistral/m", house.mistral)):
        ask(house, model, answered(message))
        assert b"__nexus_" not in upstream.requests[-1].body
        sent = upstream.requests[-1].json["messages"]
        ids = [call["id"] for call in sent[1]["tool_calls"]]
        assert [result["tool_call_id"] for result in sent[2:]] == ids and len(set(ids)) == 2
        assert all(len(id) == 9 and id.isalnum() if model == "mistral/m" else len(id) <= 40 for id in ids)
    ask(house, "anthropic/m", answered(message))


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_claudes_signature_returns_with_its_thinking(stream: bool, house: House) -> None:
    house.anthropic.next(Behaviour(parts=(Thinking(THOUGHT), Call("look", "{}"))))
    message, thought = called(house, "anthropic/m", stream=stream, reasoning_effort="low", max_tokens=8192)
    assert thought == THOUGHT
    ask(house, "anthropic/m", answered(message | {"reasoning_content": thought}), reasoning_effort="low")
    body = house.anthropic.requests[-1].json
    signed = {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURES["anthropic"]}
    assert body["messages"][1]["content"][0] == signed and body["thinking"]["type"] == "enabled"
    for changed in (message, message | {"reasoning_content": "Something else."}):
        ask(house, "anthropic/m", answered(changed), reasoning_effort="low")
        body = house.anthropic.requests[-1].json
        assert body["messages"][1]["content"][0]["type"] == "tool_use" and "thinking" not in body
