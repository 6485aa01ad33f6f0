"""A conversation that moves to a passthrough vendor: no vendor receives another vendor's thinking."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest

from tests.conftest import Serve
from tests.server.vendors import providers
from tests.serving import Nexus
from tools.fake_upstream import Behaviour, FakeUpstream
from tools.fake_upstream.parts import SIGNATURES


@dataclass
class House:
    nexus: Nexus
    openai: FakeUpstream
    anthropic: FakeUpstream
    gemini: FakeUpstream


@pytest.fixture
def house(serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream) -> Iterator[House]:
    with FakeUpstream("gemini") as gemini:
        toml = providers(
            ("openai", "openai", openai_upstream, "responses = true", "gpt-4.1"),
            ("anthropic", "anthropic", anthropic_upstream, "", "claude-sonnet-4-5"),
            ("google", "google", gemini, "", "gemini-2.5-flash"),
            ("opus", "anthropic", anthropic_upstream, "", "claude-opus-5"),
        )
        yield House(serve(toml), openai_upstream, anthropic_upstream, gemini)
        assert [upstream.violations for upstream in (openai_upstream, anthropic_upstream, gemini)] == [[], [], []]


def test_a_messages_client(house: House) -> None:
    house.gemini.next(Behaviour(thinking="Let me see."))
    budget: Any = {"type": "enabled", "budget_tokens": 2048}
    asked: list[Any] = [{"role": "user", "content": "Hi"}]
    with anthropic.Anthropic(base_url=house.nexus.anthropic, api_key="unused", max_retries=0) as client:
        said = client.messages.create(model="google/m", max_tokens=4096, messages=asked, thinking=budget)
        assert any(block.type == "thinking" and block.signature.startswith("nexus.gemini.") for block in said.content)
        asked += [{"role": "assistant", "content": [block.to_dict() for block in said.content]}, *asked]
        raw = client.messages.with_raw_response.create(
            model="anthropic/m", max_tokens=4096, messages=asked, thinking=budget
        )
    assert raw.headers["x-nexus-dropped"] == "messages.thinking"
    sent = house.anthropic.requests[-1]
    assert b"nexus." not in sent.body
    assert [block["type"] for block in sent.json["messages"][1]["content"]] == ["text"]


def test_a_responses_client(house: House) -> None:
    house.anthropic.next(Behaviour(thinking="Let me see."))
    asked: list[Any] = [{"role": "user", "content": "Hi"}]
    with openai.OpenAI(base_url=house.nexus.openai, api_key="unused", max_retries=0) as client:
        said = client.responses.create(model="anthropic/m", input=asked, reasoning={"effort": "low"}, store=False)
        asked += [item.to_dict() for item in said.output]
        assert SIGNATURES["anthropic"] in str(asked)
        asked.append({"role": "user", "content": "And now?"})
        raw = client.responses.with_raw_response.create(model="openai/m", input=asked, store=False)
    assert raw.headers["x-nexus-dropped"] == "input.reasoning"
    sent = house.openai.requests[-1]
    assert b"nexus." not in sent.body
    assert "reasoning" not in [item.get("type") for item in sent.json["input"]]


def test_a_chat_client(house: House) -> None:
    house.anthropic.next(Behaviour(thinking="Let me see."))
    asked: list[Any] = [{"role": "user", "content": "Hi"}]
    with openai.OpenAI(base_url=house.nexus.openai, api_key="unused", max_retries=0) as client:
        said = client.chat.completions.create(model="anthropic/m", messages=asked, reasoning_effort="low")
        echo = said.choices[0].message.to_dict()
        assert "nexus.messages." in str(echo)
        asked += [{name: echo[name] for name in echo if name not in ("annotations", "refusal")}, *asked]
        raw = client.chat.completions.with_raw_response.create(model="openai/m", messages=asked)
    assert raw.headers["x-nexus-dropped"] == "messages.reasoning"
    assert set(house.openai.requests[-1].json["messages"][1]) == {"role", "content"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_chat_client_with_googles_signatures(house: House, stream: bool) -> None:
    """They are in Google's own form, which is not tagged; OpenAI rejects unknown members of a message."""
    house.gemini.next(Behaviour(thinking="Let me see.", tool_calls=(("weather", '{"city": "Paris"}'),)))
    function: Any = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    tools: Any = [{"type": "function", "function": function}]
    asked: list[Any] = [{"role": "user", "content": "Hi"}]
    with openai.OpenAI(base_url=house.nexus.openai, api_key="unused", max_retries=0) as client:
        said = client.chat.completions.create(model="google/m", messages=asked, tools=tools).choices[0].message
        echo = said.to_dict()
        assert "thought_signature" in str(echo)
        call: Any = said.tool_calls[0] if said.tool_calls else None
        asked += [echo, {"role": "tool", "tool_call_id": call.id, "content": "19 degrees"}]
        raw = client.chat.completions.with_raw_response.create(
            model="openai/m", messages=asked, tools=tools, stream=stream
        )
    assert raw.headers["x-nexus-dropped"] == "messages.reasoning"
    assert b"extra_content" not in house.openai.requests[-1].body


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_system_message_before_a_turn_of_another_vendors_thinking(house: House, stream: bool) -> None:
    """Claude accepts it only before a turn of the assistant. Source: router-for-me/CLIProxyAPI#5422."""
    house.gemini.next(Behaviour(thinking="Let me see."))
    asked: list[Any] = [{"role": "user", "content": "Hi"}]
    with anthropic.Anthropic(base_url=house.nexus.anthropic, api_key="unused", max_retries=0) as client:
        said = client.messages.create(
            model="google/m", max_tokens=4096, messages=asked, thinking={"type": "enabled", "budget_tokens": 2048}
        )
        thought = [block.to_dict() for block in said.content if block.type == "thinking"]
        asked += [{"role": "system", "content": "Be brief."}, {"role": "assistant", "content": thought}, *asked]
        raw = client.messages.with_raw_response.create(model="opus/m", max_tokens=99, messages=asked, stream=stream)
    assert raw.headers["x-nexus-dropped"] == "messages.thinking"
    roles = [message["role"] for message in house.anthropic.requests[-1].json["messages"]]
    assert roles == ["user", "system", "assistant", "user"]
