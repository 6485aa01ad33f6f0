"""Cursor's agent with the user's own key: chat completions in every form that Cursor sends."""

from typing import Any

import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from nexus.wire import decode
from tests.server.vendors import CALLS, DIALECTS, Lane, Stand
from tools.fake_upstream import Behaviour

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "responses": ("input", {"type": "function", "name": "weather", "parameters": CITY}),
    "anthropic": ("messages", {"name": "weather", "input_schema": CITY}),
}


def ask(client: openai.OpenAI, body: dict[str, Any]) -> Any:
    """The message of the answer; the SDK has no method for such requests."""
    if not body["stream"]:
        return client.post("/chat/completions", body=body, cast_to=ChatCompletion).choices[0].message
    chunks = client.post(
        "/chat/completions",
        body=body,
        cast_to=ChatCompletion,
        stream=True,
        stream_cls=openai.Stream[ChatCompletionChunk],
    )
    state: Any = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(chunk)
    return state.get_final_completion().choices[0].message


def echo(form: str, calls: list[Any]) -> list[dict[str, Any]]:
    """The calls with their results, as Cursor returns them."""
    if form == "responses":
        made = [
            {"type": "function_call", "call_id": call.id, "name": "weather", "arguments": call.function.arguments}
            for call in calls
        ]
        return made + [{"type": "function_call_output", "call_id": call.id, "output": "19 degrees"} for call in calls]
    blocks = [
        {"type": "tool_use", "id": call.id, "name": "weather", "input": decode(call.function.arguments)}
        for call in calls
    ]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "19 degrees"} for call in calls]
    return [{"role": "assistant", "content": blocks}, {"role": "user", "content": results}]


@pytest.mark.parametrize("lane", DIALECTS, ids=lambda lane: lane.name)
@pytest.mark.parametrize(("form", "first"), [("responses", False), ("anthropic", True)])
def test_two_turns_at_every_vendor(stand: Stand, lane: Lane, form: str, first: bool) -> None:
    """One turn is whole and the other streamed."""
    house, (place, tool) = stand(lane), FORMS[form]
    house.upstream.next(Behaviour(tool_calls=CALLS))
    turns: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "How warm is it?"}]}]
    body: dict[str, Any] = {"model": "v/m", "tools": [tool]}
    with openai.OpenAI(base_url=house.nexus.openai, api_key="unused", max_retries=0) as client:
        calls = ask(client, body | {place: turns, "stream": first}).tool_calls
        assert [call.function.name for call in calls] == ["weather", "weather"]
        turns += echo(form, calls)
        assert ask(client, body | {place: turns, "stream": not first}).content == Behaviour().text
    assert house.upstream.requests[-1].body.count(b"19 degrees") == 2
    assert house.upstream.violations == []
