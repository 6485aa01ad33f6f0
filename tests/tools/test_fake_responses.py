"""What the fake OpenAI's Responses API rejects, and what it accepts beyond the published types."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tools.fake_upstream import FakeUpstream
from tools.fake_upstream.parts import SIGNATURES

FUNCTION = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": False}


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream("openai") as upstream:
        yield upstream


@pytest.fixture
def client(upstream: FakeUpstream) -> openai.OpenAI:
    return openai.OpenAI(base_url=upstream.base_url, api_key="k", max_retries=0)


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
    """As LangChain writes tools, the AI SDK the earlier answer of another vendor, and the SDK's README an image."""
    earlier = {"role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
    tool = {name: value for name, value in FUNCTION.items() if name != "strict"}
    image = {"type": "input_image", "image_url": "https://example.com/a.png"}
    items: Any = [{"role": "user", "content": "Hello"}, earlier, {"role": "user", "content": [image]}]
    tools: Any = [tool]
    client.responses.create(model="gpt-4.1", input=items, tools=tools)
    assert upstream.violations == []
