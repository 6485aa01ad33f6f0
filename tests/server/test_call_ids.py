"""Agents that return only the fields they know: signatures are stored in call ids, and never reach another vendor."""

import re
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
LONG = "functions.look:" + "0123456789" * 10


@dataclass
class House:
    nexus: Nexus
    openai: FakeUpstream
    mistral: FakeUpstream
    anthropic: FakeUpstream
    kimi: FakeUpstream
    gemini: FakeUpstream


@pytest.fixture
def house(serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream) -> Iterator[House]:
    lax = FakeUpstream("anthropic", strict=False)  # Kimi accepts the ids that Claude rejects.
    with FakeUpstream("gemini") as gemini, FakeUpstream("openai") as mistral, lax as kimi:
        toml = providers(
            ("openai", "openai", openai_upstream, "responses = true", "gpt-4.1"),
            ("mistral", "openai", mistral, 'quirks = ["mistral_tool_ids"]', "mistral-large"),
            ("anthropic", "anthropic", anthropic_upstream, "", "claude-sonnet-4-5"),
            ("kimi", "anthropic", kimi, "", "kimi-k2"),
            ("google", "google", gemini, "", "gemini-3-pro-preview"),
        )
        house = House(serve(toml), openai_upstream, mistral, anthropic_upstream, kimi, gemini)
        yield house
        for upstream in (openai_upstream, mistral, anthropic_upstream, kimi, gemini):
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


def test_ids_that_openai_rejects_are_shortened_on_passthrough(house: House) -> None:
    """A conversation that began at another vendor, by either of OpenAI's protocols."""
    function = {"name": "look", "arguments": "{}"}
    made = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": LONG, "type": "function", "function": function}],
    }
    ask(house, "openai/m", answered(made))
    sent = house.openai.requests[-1].json["messages"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] and len(sent[2]["tool_call_id"]) <= 40
    call = {"type": "function_call", "call_id": LONG, **function}
    items = [ASK, call, {"type": "function_call_output", "call_id": LONG, "output": "a wall"}]
    reply = house.nexus.post("/llm/openai/v1/responses", {"model": "openai/m", "input": items})
    assert reply.status == 200
    given = house.openai.requests[-1].json["input"]
    assert given[1]["call_id"] == given[2]["call_id"] and len(given[2]["call_id"]) <= 64


@pytest.mark.parametrize("id", [LONG, "functions.look:0"])
def test_ids_that_claude_rejects_are_replaced_on_passthrough(house: House, id: str) -> None:
    """A session of Claude Code that began with Kimi. Another Messages server gets its ids back."""
    body = (
        b'{ "model":"%s/m","max_tokens":9,"messages":[{"role":"user","content":"Look."}, {"role":"assistant",'
        b'"content":[ {"type":"tool_use", "id":"%s","name":"look","input":{}}]},{"role":"user",'
        b'"content":[{"type":"tool_result","tool_use_id" :"%s","content":"a wall"}]}] }'
    )
    assert house.nexus.messages(body % (b"anthropic", id.encode(), id.encode())).status == 200
    sent = house.anthropic.requests[-1]
    made, result = (sent.json["messages"][at]["content"][0] for at in (1, 2))
    assert made["id"] == result["tool_use_id"] and re.fullmatch("[a-zA-Z0-9_-]+", made["id"])
    new = made["id"].encode()
    assert sent.body == body.replace(b"%s/m", b"claude-sonnet-4-5", 1) % (new, new)
    assert house.nexus.messages(body % (b"kimi", id.encode(), id.encode())).status == 200
    assert house.kimi.requests[-1].json["messages"][1]["content"][0]["id"] == id


def test_passthrough_bytes_do_not_change_if_the_ids_fit(house: House) -> None:
    body = (
        b'{ "model":"openai/m","messages":[ {"role":"assistant","content":null,"tool_calls":[{"id":"a","type":'
        b'"function","function":{"name":"look","arguments":"{}"}}]} , {"role":"tool","tool_call_id":"a",'
        b'"content":"x"}]}'
    )
    assert house.nexus.chat(body).status == 200
    assert house.openai.requests[-1].body == body.replace(b"openai/m", b"m", 1).replace(b'"m"', b'"gpt-4.1"', 1)
