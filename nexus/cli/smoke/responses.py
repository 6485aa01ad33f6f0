"""The Responses dialect, as OpenAI's SDKs and Codex use it.

A stream numbers its events, begins with ``response.created`` and ends with ``response.completed``, whose response is
the answer; the text deltas must match it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from nexus.cli.smoke.dialect import Answer, AnswerReader, Body, DialectClient, Spent, ToolUse, demand, parse, text_parts
from nexus.cli.smoke.http import CheckFailed, error_text
from nexus.protocols.sse import Frame
from nexus.wire import Json, count, mapping, sequence, text


class ResponsesAnswerReader(AnswerReader):
    """Takes the answer from the last event, and checks the deltas against it."""

    def __init__(self) -> None:
        self._next = 0
        self._deltas = ""
        self._last: Mapping[str, Json] | None = None

    def feed(self, frame: Frame) -> None:
        event = mapping(parse(frame))
        kind = text(event.get("type"))
        demand(frame.event == kind, f"the event is named {frame.event} and says it is {kind}")
        if kind in ("error", "response.failed", "response.incomplete"):
            problem = error_text(event) or error_text(event.get("response")) or text(event.get("message")) or kind
            raise CheckFailed(f"in the stream: {problem}")
        demand(self._last is None, f"{kind} behind response.completed")
        demand(event.get("sequence_number") == self._next, f"{kind} is not numbered {self._next}")
        demand((kind == "response.created") == (self._next == 0), f"{kind} out of order")
        self._next += 1
        if kind == "response.output_text.delta":
            self._deltas += text(event.get("delta"))
        if kind.endswith(".delta"):
            self.begun = True
        if kind == "response.completed":
            self._last = mapping(event.get("response"))

    def finish(self) -> Answer:
        if self._last is None:
            raise CheckFailed("the stream ended without response.completed")
        answer = ResponsesClient().read(dict(self._last))
        demand(answer.text == self._deltas, "the text of the deltas is not that of the response")
        return answer


class ResponsesClient(DialectClient):
    name: ClassVar[str] = "responses"
    protocol: ClassVar[str] = "openai"
    reader: ClassVar[type[AnswerReader]] = ResponsesAnswerReader
    path: ClassVar[str] = "/v1/responses"
    lists_models: ClassVar[bool] = False
    turns: ClassVar[str] = "input"

    def request(self, model: str, content: str | Sequence[Json], *, stream: bool, usage: bool) -> Body:
        parts: Json = content if isinstance(content, str) else text_parts(content, {"type": "input_text"})
        body: Body = {"model": model, "input": [{"role": "user", "content": parts}], "store": False}
        return body | {"stream": True} if stream else body

    def read(self, document: Json) -> Answer:
        document = mapping(document)
        demand(document.get("object") == "response", "the answer is not a response")
        demand(
            document.get("status") == "completed", f"the response is {text(document.get('status')) or 'without status'}"
        )
        return answer(document)

    def offer(self, name: str, description: str, schema: Body) -> tuple[Body, Body]:
        tool = {"type": "function", "name": name, "description": description, "parameters": schema, "strict": False}
        return {"tools": [tool]}, {"tool_choice": {"type": "function", "name": name}}

    def results(self, answer: Answer, result: str) -> list[Body]:
        outputs = [{"type": "function_call_output", "call_id": call.id, "output": result} for call in answer.calls]
        return [*map(dict, map(mapping, sequence(answer.turn["output"]))), *outputs]

    def image(self, png: str) -> Body:
        return {"type": "input_image", "image_url": f"data:image/png;base64,{png}"}

    def thinking(self) -> list[Body]:
        return [{"reasoning": {"effort": "medium"}}]

    def schema(self, name: str, schema: Body) -> Body:
        return {"text": {"format": {"type": "json_schema", "name": name, "strict": True, "schema": schema}}}


def answer(document: Mapping[str, Json]) -> Answer:
    items = [dict(mapping(item)) for item in sequence(document.get("output"))]
    calls = tuple(_call(item) for item in items if item.get("type") == "function_call")
    parts = [mapping(part) for item in items if item.get("type") == "message" for part in sequence(item.get("content"))]
    words = "".join(text(part.get("text")) for part in parts if part.get("type") == "output_text")
    spent = _usage(mapping(document.get("usage")))
    reasoned = any(item.get("type") == "reasoning" for item in items)
    return Answer(text(document.get("model")), words, reasoned, calls, spent, {"output": items})


def _call(item: Mapping[str, Json]) -> ToolUse:
    demand(text(item.get("call_id")), "a function call has no call_id")
    return ToolUse(text(item.get("call_id")), text(item.get("name")), text(item.get("arguments")))


def _usage(usage: Mapping[str, Json]) -> Spent | None:
    if not usage:
        return None
    cached = count(mapping(usage.get("input_tokens_details")).get("cached_tokens"))
    reasoning = count(mapping(usage.get("output_tokens_details")).get("reasoning_tokens"))
    return Spent(count(usage.get("input_tokens")), count(usage.get("output_tokens")), cached, reasoning)
