"""The messages dialect, as Anthropic's clients use it.

A stream is ``message_start, (content_block_start, delta*, content_block_stop)*, message_delta, message_stop`` with
event names that match the type in the data, and pings anywhere; anything else is a failure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from nexus.cli.smoke.dialect import Answer, AnswerReader, Body, DialectClient, Spent, ToolUse, demand, parse
from nexus.cli.smoke.http import CheckFailed, error_text
from nexus.protocols.sse import Frame
from nexus.wire import Json, count, mapping, sequence, text

MAX_TOKENS = 1024
THINKING_TOKENS = 4096


class MessagesAnswerReader(AnswerReader):
    """Merges events into the content blocks of a unary answer."""

    def __init__(self) -> None:
        self._model = ""
        self._usage: Body = {}
        self._blocks: list[Body] = []
        self._open: int | None = None
        self._inputs: dict[int, str] = {}
        self._stop_reason = ""
        self._stopped = False

    def feed(self, frame: Frame) -> None:
        event = mapping(parse(frame))
        kind = text(event.get("type"))
        demand(frame.event == kind, f"the event is named {frame.event} and says it is {kind}")
        if kind == "error":
            raise CheckFailed(f"in the stream: {error_text(event) or 'an error without a text'}")
        if kind == "ping":
            return
        demand(not self._stopped, f"{kind} behind message_stop")
        demand((kind == "message_start") != bool(self._model), f"{kind} out of order")
        self._take(kind, event)

    def finish(self) -> Answer:
        demand(self._stopped, "the stream ended without message_stop")
        return answer(self._model, self._blocks, self._usage, self._inputs)

    def _take(self, kind: str, event: Mapping[str, Json]) -> None:
        match kind:
            case "message_start":
                message = mapping(event.get("message"))
                self._model = text(message.get("model"))
                self._usage = dict(mapping(message.get("usage")))
                demand(self._model, "message_start names no model")
            case "content_block_start":
                demand(self._open is None and not self._stop_reason, f"{kind} out of order")
                demand(event.get("index") == len(self._blocks), f"{kind} with index {event.get('index')}")
                self._open = len(self._blocks)
                self._blocks.append(dict(mapping(event.get("content_block"))))
            case "content_block_delta" | "content_block_stop":
                demand(self._open is not None and event.get("index") == self._open, f"{kind} for a block not open")
                if kind == "content_block_stop":
                    self._open = None
                else:
                    self._delta(len(self._blocks) - 1, mapping(event.get("delta")))
            case "message_delta":
                demand(self._open is None, f"{kind} within a block")
                self._stop_reason = text(mapping(event.get("delta")).get("stop_reason")) or self._stop_reason
                self._usage |= {name: value for name, value in mapping(event.get("usage")).items() if value is not None}
            case "message_stop":
                demand(self._open is None, f"{kind} within a block")
                demand(self._stop_reason, "message_stop without a stop_reason")
                self._stopped = True
            case _:
                # Anthropic tells clients to ignore unknown events.
                return

    def _delta(self, index: int, delta: Mapping[str, Json]) -> None:
        self.begun = True
        block = self._blocks[index]
        match delta.get("type"):
            case "text_delta":
                block["text"] = text(block.get("text")) + text(delta.get("text"))
            case "thinking_delta":
                block["thinking"] = text(block.get("thinking")) + text(delta.get("thinking"))
            case "signature_delta":
                block["signature"] = text(delta.get("signature"))
            case "input_json_delta":
                self._inputs[index] = self._inputs.get(index, "") + text(delta.get("partial_json"))
            case _:
                # Citations and future kinds of delta are not checked.
                return


class MessagesClient(DialectClient):
    name: ClassVar[str] = "messages"
    protocol: ClassVar[str] = "anthropic"
    reader: ClassVar[type[AnswerReader]] = MessagesAnswerReader
    path: ClassVar[str] = "/v1/messages"
    headers: ClassVar[Mapping[str, str]] = {"anthropic-version": "2023-06-01"}
    key_header: ClassVar[str] = "x-api-key"
    pages: ClassVar[bool] = True

    def request(self, model: str, content: str | Sequence[Json], *, stream: bool, usage: bool) -> Body:
        body: Body = {"model": model, "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": content}]}
        return body | {"stream": True} if stream else body

    def read(self, document: Json) -> Answer:
        document = mapping(document)
        demand(document.get("type") == "message", "the answer is not a message")
        demand(document.get("role") == "assistant", "the answer has no assistant role")
        demand(text(document.get("stop_reason")), "the answer has no stop_reason")
        blocks = [dict(mapping(block)) for block in sequence(document.get("content"))]
        return answer(text(document.get("model")), blocks, mapping(document.get("usage")))

    def offer(self, name: str, description: str, schema: Body) -> tuple[Body, Body]:
        tool = {"name": name, "description": description, "input_schema": schema}
        return {"tools": [tool]}, {"tool_choice": {"type": "tool", "name": name}}

    def results(self, answer: Answer, result: str) -> list[Body]:
        blocks = [{"type": "tool_result", "tool_use_id": call.id, "content": result} for call in answer.calls]
        return [answer.turn, {"role": "user", "content": blocks}]

    def image(self, png: str) -> Body:
        return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png}}

    def thinking(self) -> list[Body]:
        # Newer models reject a budget, older ones reject adaptive thinking.
        return [
            {"max_tokens": THINKING_TOKENS, "thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"max_tokens": THINKING_TOKENS, "thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        ]

    def schema(self, name: str, schema: Body) -> Body:
        return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


def answer(
    model: str, blocks: list[Body], usage: Mapping[str, Json], inputs: Mapping[int, str] | None = None
) -> Answer:
    """``inputs`` are the tools' arguments as streamed JSON text, by block index."""
    spelled = inputs or {}
    calls = []
    for index, block in enumerate(blocks):
        if block.get("type") == "tool_use":
            calls.append(call(block, spelled.get(index) or json.dumps(block.get("input"))))
    words = "".join(text(block.get("text")) for block in blocks if block.get("type") == "text")
    reasoned = any(block.get("type") in ("thinking", "redacted_thinking") for block in blocks)
    spent = read_usage(usage)
    turn: Body = {"role": "assistant", "content": blocks}
    return Answer(model, words, reasoned, tuple(calls), spent, turn)


def call(block: Body, spelled: str) -> ToolUse:
    demand(text(block.get("id")), "a tool call has no id")
    try:
        block["input"] = json.loads(spelled)
    except ValueError as error:
        raise CheckFailed(f"the arguments of {text(block.get('name'))} are not JSON") from error
    return ToolUse(text(block.get("id")), text(block.get("name")), spelled)


def read_usage(usage: Mapping[str, Json]) -> Spent | None:
    """The token counts, or None without usage."""
    if not usage:
        return None
    cached = count(usage.get("cache_read_input_tokens"))
    prompt = count(usage.get("input_tokens")) + count(usage.get("cache_creation_input_tokens")) + cached
    output = count(usage.get("output_tokens"))
    reasoning = count(mapping(usage.get("output_tokens_details")).get("thinking_tokens"))
    return Spent(prompt, output, cached, reasoning)
