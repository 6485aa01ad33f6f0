"""Bedrock's Converse, as AWS SDKs use it.

A stream is ``messageStart``, deltas of blocks, ``messageStop`` and ``metadata``; other events are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar
from urllib.parse import quote

from nexus.cli.smoke.dialect import Answer, AnswerReader, Body, DialectClient, Spent, ToolUse, demand, parse, text_parts
from nexus.cli.smoke.http import CheckFailed, Reply
from nexus.protocols.sse import Frame
from nexus.wire import Json, count, mapping, sequence, text

MAX_TOKENS = 1024


class ConverseAnswerReader(AnswerReader):
    """Merges events into the content blocks of a unary answer."""

    def __init__(self) -> None:
        self._began = False
        self._stop = ""
        self._usage: Json = None
        self._blocks: dict[int, Body] = {}
        self._inputs: dict[int, str] = {}

    def feed(self, frame: Frame) -> None:
        event, kind = mapping(parse(frame)), frame.event or ""
        if kind == "error" or kind.lower().endswith("exception"):
            raise CheckFailed(f"in the stream: {kind}: {text(event.get('message'))}")
        demand(self._began != (kind == "messageStart"), f"{kind} out of order")
        index = count(event.get("contentBlockIndex"))
        match kind:
            case "messageStart":
                demand(event.get("role") == "assistant", "messageStart names no assistant")
                self._began = True
            case "contentBlockStart":
                self._blocks[index] = {"toolUse": dict(mapping(mapping(event.get("start")).get("toolUse")))}
            case "contentBlockDelta":
                demand(not self._stop, f"{kind} behind messageStop")
                self._delta(index, mapping(event.get("delta")))
            case "messageStop":
                self._stop = text(event.get("stopReason"))
            case "metadata":
                demand(self._stop, "metadata before messageStop")
                self._usage = event.get("usage")
            case _:
                return

    def finish(self) -> Answer:
        demand(self._stop, "the stream ended without messageStop")
        for index, spelled in self._inputs.items():
            try:
                mapped = json.loads(spelled or "{}")
            except ValueError as error:
                raise CheckFailed("the input of a tool is not JSON") from error
            self._blocks[index]["toolUse"] = {**mapping(self._blocks[index].get("toolUse")), "input": mapped}
        return answer([self._blocks[index] for index in sorted(self._blocks)], self._usage)

    def _delta(self, index: int, delta: Mapping[str, Json]) -> None:
        self.begun = True
        block = self._blocks.setdefault(index, {})
        if "text" in delta:
            block["text"] = text(block.get("text")) + text(delta.get("text"))
        if "toolUse" in delta:
            piece = text(mapping(delta.get("toolUse")).get("input"))
            self._inputs[index] = self._inputs.get(index, "") + piece
        if "reasoningContent" in delta:
            self._reasoning(block, mapping(delta.get("reasoningContent")))

    def _reasoning(self, block: Body, delta: Mapping[str, Json]) -> None:
        if "redactedContent" in delta:
            block["reasoningContent"] = {"redactedContent": delta["redactedContent"]}
            return
        known = dict(mapping(mapping(block.get("reasoningContent")).get("reasoningText")))
        for name in ("text", "signature"):
            if name in delta:
                known[name] = text(known.get(name)) + text(delta.get(name))
        block["reasoningContent"] = {"reasoningText": known}


class ConverseClient(DialectClient):
    name: ClassVar[str] = "converse"
    protocol: ClassVar[str] = "bedrock"
    reader: ClassVar[type[AnswerReader]] = ConverseAnswerReader
    path: ClassVar[str] = ""
    lists_models: ClassVar[bool] = False
    names_model: ClassVar[bool] = False

    def address(self, model: str, *, stream: bool) -> str:
        return f"/model/{quote(model, safe='')}/{'converse-stream' if stream else 'converse'}"

    def frames(self, reply: Reply) -> Iterator[Frame]:
        for kind, payload in reply.events():
            yield Frame(payload, kind, payload.decode())

    def request(self, model: str, content: str | Sequence[Json], *, stream: bool, usage: bool) -> Body:
        parts = text_parts(content)
        return {"messages": [{"role": "user", "content": parts}], "inferenceConfig": {"maxTokens": MAX_TOKENS}}

    def read(self, document: Json) -> Answer:
        document = mapping(document)
        message = mapping(mapping(document.get("output")).get("message"))
        demand(message.get("role") == "assistant", "the answer has no assistant message")
        demand(text(document.get("stopReason")), "the answer has no stopReason")
        return answer([dict(mapping(block)) for block in sequence(message.get("content"))], document.get("usage"))

    def offer(self, name: str, description: str, schema: Body) -> tuple[Body, Body]:
        tools = [{"toolSpec": {"name": name, "description": description, "inputSchema": {"json": schema}}}]
        return {"toolConfig": {"tools": tools}}, {
            "toolConfig": {"tools": tools, "toolChoice": {"tool": {"name": name}}}
        }

    def results(self, answer: Answer, result: str) -> list[Body]:
        results = [{"toolResult": {"toolUseId": call.id, "content": [{"text": result}]}} for call in answer.calls]
        return [answer.turn, {"role": "user", "content": results}]

    def image(self, png: str) -> Body:
        return {"image": {"format": "png", "source": {"bytes": png}}}

    def thinking(self) -> list[Body]:
        thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
        return [{"inferenceConfig": {"maxTokens": 4096}, "additionalModelRequestFields": thinking}]

    def schema(self, name: str, schema: Body) -> Body:
        shape = {"name": name, "schema": json.dumps(schema)}
        return {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": shape}}}}


def answer(blocks: list[Body], usage: Json) -> Answer:
    words = "".join(text(block.get("text")) for block in blocks)
    calls = tuple(_call(mapping(block["toolUse"])) for block in blocks if "toolUse" in block)
    spent = mapping(usage)
    cached = count(spent.get("cacheReadInputTokens"))
    read = count(spent.get("inputTokens")) + count(spent.get("cacheWriteInputTokens")) + cached
    usage = Spent(read, count(spent.get("outputTokens")), cached) if spent else None
    reasoned = any("reasoningContent" in block for block in blocks)
    return Answer("", words, reasoned, calls, usage, {"role": "assistant", "content": blocks})


def _call(use: Mapping[str, Json]) -> ToolUse:
    demand(text(use.get("toolUseId")), "a tool use has no toolUseId")
    return ToolUse(text(use.get("toolUseId")), text(use.get("name")), json.dumps(use.get("input")))
