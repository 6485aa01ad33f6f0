"""Compatible servers that repeat or omit frames around the content, over sockets and by the official SDKs.

On the passthrough and translation lanes the answer is complete; a stream without a finish reason is not.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import anthropic
import openai
import pytest

from tests.server.vendors import RESPONSES, Lane, Stand
from tests.serving import Nexus
from tools.fake_upstream import Behaviour

WORDS = "one two three"
Frames = list[bytes]
Change = Callable[[Frames], Frames]


def repeat(name: bytes) -> Change:
    return lambda frames: [frame for frame in frames for _ in range(2 if name in frame else 1)]


def forget(*names: bytes) -> Change:
    return lambda frames: [frame for frame in frames if not any(name in frame for name in names)]


@dataclass(frozen=True)
class Vendor:
    lane: Lane
    path: str
    body: dict[str, Any]
    changes: dict[str, Change]
    broken: dict[str, Change]


HI = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
VENDORS = {
    "messages": Vendor(
        Lane("anthropic", "anthropic", "claude-sonnet-4-5", "messages"),
        "/llm/anthropic/v1/messages",
        {**HI, "max_tokens": 64},
        {
            "message_start twice": repeat(b"event: message_start"),
            "content_block_start twice": repeat(b"event: content_block_start"),
            "no content_block_start": forget(b"event: content_block_start"),
            "no content_block_stop": forget(b"event: content_block_stop"),
            "content_block_stop twice": repeat(b"event: content_block_stop"),
            "no message_stop": forget(b"event: message_stop"),
            "no frames around at all": forget(b"message_start", b"content_block_st", b"message_stop"),
            "the end of chat": lambda frames: [*frames[:-1], b"data: [DONE]\n\n"],
            "no blank line at the end": lambda frames: [*frames[:-1], frames[-1].rstrip()],
        },
        {"no reason": forget(b"event: message_delta", b"event: message_stop")},
    ),
    "chat": Vendor(
        Lane("openai", "openai", "gpt-4.1", "chat"),
        "/llm/openai/v1/chat/completions",
        HI,
        {
            "the role twice": repeat(b'"role":"assistant"'),
            "no [DONE]": forget(b"[DONE]"),
            "no finish_reason": forget(b'"finish_reason":"stop"'),
            "finish_reason twice": repeat(b'"finish_reason":"stop"'),
            "an empty word on every chunk": lambda frames: [
                frame.replace(b'"finish_reason":null', b'"finish_reason":""') for frame in frames
            ],
            "no blank line at the end": lambda frames: [*frames[:-1], frames[-1].rstrip()],
        },
        {"no reason": forget(b"[DONE]", b'"finish_reason":"stop"')},
    ),
    "responses": Vendor(
        RESPONSES,
        "/llm/openai/v1/responses",
        {"input": "Hi", "stream": True},
        {
            "created twice": repeat(b"event: response.created"),
            "no created": forget(b"event: response.created"),
            "item added twice": repeat(b"event: response.output_item.added"),
            "no item added": forget(b"event: response.output_item.added"),
            "no content part": forget(b"event: response.content_part"),
            "items only when done": forget(
                b"event: response.content_part", b"event: response.output_item.added", b"event: response.output_text"
            ),
        },
        {"no end": forget(b"event: response.completed")},
    ),
}
CASES = [
    pytest.param(name, change, whole, id=f"{name}: {case}")
    for name, vendor in VENDORS.items()
    for whole, changes in ((True, vendor.changes), (False, vendor.broken))
    for case, change in changes.items()
]


@pytest.mark.parametrize(("name", "change", "whole"), CASES)
def test_every_client_gets_the_answer(stand: Stand, name: str, change: Change, whole: bool) -> None:
    vendor = VENDORS[name]
    house = stand(replace(vendor.lane, behind="\n[llm.providers.v.retries]\nattempts = 1\n"))
    house.upstream.next(Behaviour(text=WORDS))
    recorded = house.nexus.post(vendor.path, {**vendor.body, "model": "v/m"}).body
    frames = [frame + b"\n\n" for frame in recorded.split(b"\n\n") if frame]
    events = tuple(change(frames))
    assert events != tuple(frames)
    house.upstream.default = Behaviour(events=events)
    assert told(house.nexus, wanted=whole) == ([WORDS] * 3 if whole else [])


def told(nexus: Nexus, *, wanted: bool) -> list[str]:
    """The client's result at the end of its stream; None if it was told that the stream broke."""
    found: list[str] = []
    for ask in (_chat, _messages, _responses):
        try:
            found.append(ask(nexus))
        except (openai.APIError, anthropic.APIError):
            assert not wanted, ask
    return found


def _chat(nexus: Nexus) -> str:
    """With a tool, which sends some of OpenAI's models to the Responses API."""
    tools: Any = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    asked: Any = {"model": "v/m", "messages": [{"role": "user", "content": "Hi"}], "tools": tools, "stream": True}
    with openai.OpenAI(base_url=nexus.openai, api_key="any", max_retries=0) as client:
        chunks = client.chat.completions.create(**asked)
        return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def _messages(nexus: Nexus) -> str:
    """As raw events: the SDK's own helper requires the frames, which pass unchanged on its vendor's lane."""
    with anthropic.Anthropic(base_url=nexus.anthropic, api_key="any", max_retries=0) as client:
        events = client.messages.create(
            model="v/m", max_tokens=64, messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        said = (event.delta for event in events if event.type == "content_block_delta")
        return "".join(delta.text for delta in said if delta.type == "text_delta")


def _responses(nexus: Nexus) -> str:
    """The text of the deltas, otherwise that of the whole items."""
    with openai.OpenAI(base_url=nexus.openai, api_key="any", max_retries=0) as client:
        deltas, items = "", ""
        for event in client.responses.create(model="v/m", input="Hi", stream=True):
            if event.type == "response.output_text.delta":
                deltas += event.delta
            elif event.type == "response.output_item.done" and event.item.type == "message":
                items += "".join(json.loads(part.model_dump_json())["text"] for part in event.item.content)
        return deltas or items
