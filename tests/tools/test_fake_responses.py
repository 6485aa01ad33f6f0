"""The fake OpenAI's Responses API: read back by the official SDK, whose stream helper demands the whole grammar.

Driven from outside, over sockets; requests that do not match the published types are rejected.
"""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from tools.fake_upstream import Behaviour, Call, FakeUpstream, Text, Thinking
from tools.fake_upstream.parts import SIGNATURES

FUNCTION = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": False}
CUSTOM = {"type": "custom", "name": "patch"}
SPACE = {"type": "namespace", "name": "agents", "description": "Agents.", "tools": [FUNCTION | {"name": "spawn"}]}
SAID = Behaviour(
    parts=(
        Thinking("Let me see."),
        Text("Hello you."),
        Call("weather", '{"a": 1}'),
        Call("patch", "text"),
        Call("spawn"),
    ),
    input_tokens=3,
    cached_tokens=2,
)


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream("openai") as upstream:
        upstream.default = SAID
        yield upstream


@pytest.fixture
def client(upstream: FakeUpstream) -> openai.OpenAI:
    return openai.OpenAI(base_url=upstream.base_url, api_key="k", max_retries=0)


def shown(answer: Response) -> list[Any]:
    found: list[Any] = []
    for item in answer.output:
        match item.type:
            case "message":
                found.append(answer.output_text)
            case "reasoning":
                found.append((item.summary[0].text, item.encrypted_content))
            case "function_call":
                found.append((item.name, item.namespace, item.arguments))
            case "custom_tool_call":
                found.append((item.name, item.input))
    return found


@pytest.mark.parametrize("streamed", [False, True])
def test_every_part_is_an_item(client: openai.OpenAI, upstream: FakeUpstream, streamed: bool) -> None:
    asked: dict[str, Any] = {"model": "gpt-4.1", "input": "Hi", "tools": [FUNCTION, CUSTOM, SPACE]}
    if streamed:
        with client.responses.stream(**asked) as stream:
            answer: Any = stream.get_final_response()
    else:
        answer = client.responses.create(**asked)
    assert answer.status == "completed"
    assert shown(answer) == [
        ("Let me see.", SIGNATURES["responses"]),
        "Hello you.",
        ("weather", None, '{"a": 1}'),
        ("patch", "text"),
        ("spawn", "agents", "{}"),
    ]
    assert (answer.usage.input_tokens, answer.usage.input_tokens_details.cached_tokens) == (5, 2)
    assert upstream.violations == []


def test_tokens_are_counted(client: openai.OpenAI, upstream: FakeUpstream) -> None:
    assert client.responses.input_tokens.count(model="gpt-4.1", input="Hi").input_tokens == 5
    assert upstream.violations == []


CALL = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([CALL], "No tool output found"),
        ([{"type": "function_call_output", "call_id": "c1", "output": "x"}], "No tool call found"),
        ([{"type": "reasoning", "id": "r", "summary": [], "encrypted_content": SIGNATURES["gemini"]}], "encrypted"),
        ([{"type": "message", "role": "user", "content": "Hi", "mood": "good"}], "mood"),
    ],
)
def test_invalid_requests_are_rejected(
    client: openai.OpenAI, upstream: FakeUpstream, items: list[Any], words: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=words):
        client.responses.create(model="gpt-4.1", input=items)
    assert upstream.violations


def test_what_the_types_require_and_the_vendor_does_not_may_be_missing(
    client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    """As LangChain writes tools, and the AI SDK the earlier answer of another vendor."""
    earlier = {"role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
    tool = {name: value for name, value in FUNCTION.items() if name != "strict"}
    items: Any = [{"role": "user", "content": "Hello"}, earlier, {"role": "user", "content": "Go on"}]
    tools: Any = [tool]
    client.responses.create(model="gpt-4.1", input=items, tools=tools)
    assert upstream.violations == []


def test_a_limit_and_a_failure_end_a_stream(client: openai.OpenAI, upstream: FakeUpstream) -> None:
    upstream.next(Behaviour(stop_reason="max_output_tokens"), Behaviour(error_after=3, message="down"))
    *_, last = client.responses.create(model="gpt-4.1", input="Hi", stream=True)
    assert last.type == "response.incomplete"
    *_, last = client.responses.create(model="gpt-4.1", input="Hi", stream=True)
    assert last.type == "error" and last.message == "down"
