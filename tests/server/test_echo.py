"""The demo models work through both protocols, whole and streamed, without a file or a key."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from nexus.settings import demo_settings
from tests.serving import Nexus


@pytest.fixture
def demo() -> Iterator[Nexus]:
    with Nexus(demo_settings()) as nexus:
        yield nexus


@pytest.fixture
def chat(demo: Nexus) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=demo.openai, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(demo: Nexus) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=demo.anthropic, api_key="any", max_retries=0) as client:
        yield client


HELLO: list[Any] = [{"role": "user", "content": "Hello, you!"}]
PARIS: list[Any] = [{"role": "user", "content": "Paris"}]
CITY = {"city": {"type": "string"}}


def test_a_chat_stream_comes_word_by_word(chat: openai.OpenAI) -> None:
    stream = chat.chat.completions.create(model="demo/echo", messages=HELLO, stream=True)
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert "".join(pieces) == "You said: Hello, you!"
    assert len(pieces) > 3, "word by word"


def test_a_messages_stream_repeats_only_the_users_words(claude: anthropic.Anthropic) -> None:
    """What an agent puts before the user's words is not repeated."""
    words = [{"type": "text", "text": text} for text in ("<system-reminder>", "Hello, you!")]
    messages: Any = [{"role": "user", "content": words}]
    with claude.messages.stream(model="demo/echo", max_tokens=64, messages=messages) as stream:
        assert "".join(stream.text_stream) == "You said: Hello, you!"
        assert stream.get_final_message().usage.output_tokens > 0


def test_a_tool_is_called_and_its_result_answered(claude: anthropic.Anthropic) -> None:
    schema = {"type": "object", "properties": {**CITY, "days": {"type": "integer"}}, "required": ["city", "days"]}
    tools: Any = [{"name": "weather", "input_schema": schema}]
    first = claude.messages.create(model="demo/echo-tools", max_tokens=64, messages=PARIS, tools=tools)
    call = first.content[0]
    assert call.type == "tool_use"
    assert (first.stop_reason, call.name, call.input) == ("tool_use", "weather", {"city": "Paris", "days": 1})
    result: Any = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]}
    again: list[Any] = [*PARIS, {"role": "assistant", "content": first.content}, result]
    second = claude.messages.create(model="demo/echo-tools", max_tokens=64, messages=again, tools=tools)
    assert second.content[0].type == "text"
    assert "sunny" in second.content[0].text


def test_a_tool_call_is_streamed(chat: openai.OpenAI) -> None:
    schema = {"type": "object", "properties": CITY, "required": ["city"], "additionalProperties": False}
    tools: Any = [{"type": "function", "function": {"name": "weather", "strict": True, "parameters": schema}}]
    with chat.chat.completions.stream(model="demo/echo-tools", messages=PARIS, tools=tools) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].function.arguments == '{"city":"Paris"}'


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        ({"properties": {"city": {"type": ["string", "null"]}}, "required": ["city"]}, '{"city":"Paris"}'),
        ({"properties": {"days": {"type": ["integer", "null"]}}, "required": ["days"]}, '{"days":1}'),
        ({"properties": {"city": {"enum": {"Rome": 1}}}, "required": ["city"]}, '{"city":"Paris"}'),
        ({"required": 5}, "{}"),
    ],
)
def test_any_schema_gets_arguments(demo: Nexus, schema: dict[str, Any], arguments: str) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", **schema}}}]
    body = {"model": "demo/echo-tools", "messages": PARIS, "tools": tools}
    (call,) = json.loads(demo.chat(body).body)["choices"][0]["message"]["tool_calls"]
    assert call["function"]["arguments"] == arguments
    told = json.loads(demo.chat({**body, "tool_choice": "none"}).body)["choices"][0]["message"]
    assert told["content"] == "You said: Paris"
