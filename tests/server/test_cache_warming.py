"""``max_tokens`` 0, with which clients of Anthropic only warm the prompt cache, on vendors that generate at least one
token.
"""

from typing import Any

import anthropic
import pytest

from tests.server.vendors import CALLS, DIALECTS, RESPONSES, Lane, Stand
from tools.fake_upstream import Behaviour

TRANSLATED = [lane for lane in DIALECTS if lane.passes != "messages"]
LIMITS: dict[str, Any] = {
    "openai": lambda body: body["max_tokens"],
    "openai responses": lambda body: body["max_output_tokens"],
    "bedrock converse": lambda body: body["inferenceConfig"]["maxTokens"],
    "gemini": lambda body: body["generationConfig"]["maxOutputTokens"],
}
TOOL: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
ANSWERS = {
    "calls": Behaviour(cache_write_tokens=5, tool_calls=CALLS),
    "text": Behaviour(cache_write_tokens=5),
    "thinking": Behaviour(cache_write_tokens=5, thinking="Hm."),
    "nothing": Behaviour(cache_write_tokens=5, text="", output_tokens=0),
}


@pytest.mark.parametrize("lane", TRANSLATED, ids=lambda lane: lane.name)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_answer_is_empty_like_anthropics(stand: Stand, lane: Lane, stream: bool) -> None:
    for answer in list(ANSWERS)[stream::2]:
        warm(stand, lane, answer, stream)


def warm(stand: Stand, lane: Lane, answer: str, stream: bool) -> None:
    house = stand(lane)
    house.upstream.next(ANSWERS[answer])
    asked: Any = {
        "model": "v/m",
        "max_tokens": 0,
        "system": [{"type": "text", "text": "Long instructions.", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": "warm"}],
        "tools": [TOOL],
    }
    with anthropic.Anthropic(base_url=house.nexus.anthropic, api_key="unused", max_retries=0) as client:
        if stream:
            with client.messages.stream(**asked) as events:
                message = events.get_final_message()
        else:
            raw = client.messages.with_raw_response.create(**asked)
            assert "max_tokens" in raw.headers["x-nexus-dropped"].split(", ")
            message = raw.parse()
    assert message.content == []
    assert message.stop_reason == "max_tokens"
    assert message.usage.input_tokens > 0
    assert LIMITS[lane.name](house.upstream.requests[-1].json) == (16 if lane is RESPONSES else 1)
    assert house.upstream.violations == []
