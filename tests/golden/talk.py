"""One conversation with every kind of content, as a client of each dialect holds it, and the vendors' recorded answers.

The client is an official SDK; it keeps the answers it gets and knows nothing about vendors.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nexus.models import bedrock, claude, gemini
from nexus.protocols.codec import ReadRequest, Target, VendorRequest
from nexus.relay.translation import Translation
from nexus.wire import decode
from tests.laws.kit import HISTORY, Turn, echo, echo_stream, new_attempt, read, stream_of, write

FIXTURES = Path(__file__).parents[1] / "fixtures" / "golden"

TARGETS: Mapping[str, Target] = {
    "chat": Target("compatible-1"),
    "messages": Target("claude-sonnet-4-5", claude=claude.profile("claude-sonnet-4-5")),
    "gemini": Target("gemini-3-pro-preview", gemini=gemini.profile("gemini-3-pro-preview")),
    "converse": Target("us.openai.gpt-5.6-sol", converse=bedrock.profile("us.openai.gpt-5.6-sol")),
}

USER_IMAGE, TOOL_IMAGE = "aVZCT1J3MEtHZ28=", "UklGRiQAAABXRUJQ"
FORECAST, FAILURE = "Sunny, 21 °C", "the clock is broken"
ARGUMENTS = {"city": "Ulm", "days": [1, 2], "exact": None}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "array"}, "exact": {}}}


class Talk:
    """A client's side: its history grows with each answer."""

    def __init__(self, client: str) -> None:
        self.client = client
        self.body: Mapping[str, Any] = _BODIES[client]
        self.history: list[Turn] = [_opening(client)]

    def read(self) -> ReadRequest:
        head = [{"role": "system", "content": "Be brief."}] if self.client == "chat" else []
        return read(self.client, {**self.body, HISTORY[self.client]: [*head, *self.history]})

    def written_for(self, vendor: str) -> tuple[VendorRequest, tuple[str, ...]]:
        """The body, and everything that was reported as dropped during translation."""
        asked = self.read()
        written = write(vendor, asked.request, TARGETS[vendor])
        return written, (*asked.dropped, *written.dropped)

    def answered_by(self, vendor: str, which: str, *, stream: bool) -> None:
        """The vendor's recorded answer, returned to the client, which appends it to its history."""
        asked = self.read().request
        written = write(vendor, asked, TARGETS[vendor])
        relay = Translation(new_attempt(self.client, stream=stream), asked, vendor, TARGETS[vendor].model, written)
        path = recorded(vendor, which, stream=stream)
        if stream:
            told = b"".join(map(relay.frame, stream_of(path))) + relay.finish()
            self.history += echo_stream(self.client, told)
        else:
            self.history += echo(self.client, decode(relay.body(path.read_bytes())))
        assert relay.complete

    def says(self, words: str) -> None:
        self.history.append({"role": "user", "content": words})

    def gives_results(self) -> None:
        """Text and an image for the first call, a failure for the second, in reverse order if allowed."""
        match self.client:
            case "chat":
                self._give_tool_messages(*(entry["id"] for entry in self.history[-1]["tool_calls"]))
            case "messages":
                blocks = self.history[-1]["content"]
                self._give_blocks(*(block["id"] for block in blocks if block["type"] == "tool_use"))
            case _:
                self._give_items(*(item["call_id"] for item in self.history if "call_id" in item))

    def _give_tool_messages(self, first: str, second: str) -> None:
        url = {"url": f"data:image/webp;base64,{TOOL_IMAGE}"}
        content = [{"type": "text", "text": FORECAST}, {"type": "image_url", "image_url": url}]
        self.history.append({"role": "tool", "tool_call_id": second, "content": FAILURE})
        self.history.append({"role": "tool", "tool_call_id": first, "content": content})

    def _give_blocks(self, first: str, second: str) -> None:
        source = {"type": "base64", "media_type": "image/webp", "data": TOOL_IMAGE}
        content = [{"type": "text", "text": FORECAST}, {"type": "image", "source": source}]
        failed = {"type": "tool_result", "tool_use_id": second, "content": FAILURE, "is_error": True}
        self.history.append(
            {"role": "user", "content": [failed, {"type": "tool_result", "tool_use_id": first, "content": content}]}
        )

    def _give_items(self, first: str, second: str) -> None:
        image = {"type": "input_image", "image_url": f"data:image/webp;base64,{TOOL_IMAGE}"}
        content = [{"type": "input_text", "text": FORECAST}, image]
        self.history.append({"type": "function_call_output", "call_id": second, "output": FAILURE})
        self.history.append({"type": "function_call_output", "call_id": first, "output": content})


def recorded(vendor: str, which: str, *, stream: bool) -> Path:
    suffix = ("jsonl" if vendor == "converse" else "sse") if stream else "json"
    return FIXTURES / vendor / which / f"upstream.{suffix}"


def secrets(vendor: str, which: str) -> Iterator[str]:
    """The opaque values in the vendor's answer."""
    return _opaque(json.loads(recorded(vendor, which, stream=False).read_text()))


_OPAQUE = ("signature", "thoughtSignature", "redactedContent")


def _opaque(value: Any) -> Iterator[str]:
    match value:
        case {"type": "redacted_thinking", "data": data}:
            yield data
        case Mapping():
            for name, inner in value.items():
                yield from [inner] if name in _OPAQUE else _opaque(inner)
        case list():
            for inner in value:
                yield from _opaque(inner)
        case _:
            pass


def _opening(client: str) -> Turn:
    question = "What is this, and how is the weather in Ulm?"
    url = f"data:image/png;base64,{USER_IMAGE}"
    words: Any = {"type": "text", "text": question}
    match client:
        case "chat":
            image: Any = {"type": "image_url", "image_url": {"url": url}}
        case "messages":
            image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": USER_IMAGE}}
        case _:
            image, words = {"type": "input_image", "image_url": url}, {"type": "input_text", "text": question}
    return {"role": "user", "content": [image, words]}


_CHAT: Mapping[str, Any] = {
    "model": "m",
    "tools": [
        {"type": "function", "function": {"name": "look_up", "description": "The weather.", "parameters": SCHEMA}},
        {"type": "function", "function": {"name": "now"}},
    ],
    "reasoning_effort": "medium",
    "max_completion_tokens": 20000,
}
_MESSAGES: Mapping[str, Any] = {
    "model": "m",
    "system": "Be brief.",
    "tools": [
        {"name": "look_up", "description": "The weather.", "input_schema": SCHEMA},
        {"name": "now", "input_schema": {"type": "object", "properties": {}}},
    ],
    "thinking": {"type": "enabled", "budget_tokens": 8000},
    "max_tokens": 20000,
}
_RESPONSES: Mapping[str, Any] = {
    "model": "m",
    "instructions": "Be brief.",
    "tools": [
        {"type": "function", "name": "look_up", "description": "The weather.", "parameters": SCHEMA, "strict": False},
        {"type": "function", "name": "now"},
    ],
    "reasoning": {"effort": "medium", "summary": "auto"},
    "max_output_tokens": 20000,
    "store": False,
    "include": ["reasoning.encrypted_content"],
}
_BODIES = {"chat": _CHAT, "messages": _MESSAGES, "responses": _RESPONSES}
