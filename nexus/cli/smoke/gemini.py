"""The Gemini API's dialect, as Google's SDKs and Gemini CLI use it.

A stream is a sequence of documents with more parts each; the last ones have the finish reason and usage.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar
from urllib.parse import quote

from nexus.cli.smoke.dialect import Answer, AnswerReader, Body, DialectClient, Spent, ToolUse, demand, parse, text_parts
from nexus.cli.smoke.http import CheckFailed, error_text
from nexus.protocols.sse import Frame
from nexus.wire import Json, count, mapping, sequence, text


class GeminiAnswerReader(AnswerReader):
    """Merges documents into the parts of a unary answer."""

    def __init__(self) -> None:
        self._model = ""
        self._finish = ""
        self._usage: Mapping[str, Json] = {}
        self._parts: list[Body] = []

    def feed(self, frame: Frame) -> None:
        document = mapping(parse(frame))
        if problem := error_text(document):
            raise CheckFailed(f"in the stream: {problem}")
        self.take(document)

    def take(self, document: Mapping[str, Json]) -> None:
        self._model = text(document.get("modelVersion")) or self._model
        self._usage = mapping(document.get("usageMetadata")) or self._usage
        for candidate in map(mapping, sequence(document.get("candidates"))):
            parts = [dict(mapping(part)) for part in sequence(mapping(candidate.get("content")).get("parts"))]
            demand(not (parts and self._finish), "the stream has parts behind its finishReason")
            self.begun = self.begun or bool(parts)
            self._parts += parts
            self._finish = text(candidate.get("finishReason")) or self._finish

    def finish(self) -> Answer:
        demand(self._finish, "the answer has no finishReason")
        words = "".join(text(part.get("text")) for part in self._parts if not part.get("thought"))
        calls = tuple(_call(mapping(part["functionCall"])) for part in self._parts if "functionCall" in part)
        spent = _usage(self._usage)
        reasoned = any(part.get("thought") is True for part in self._parts)
        return Answer(self._model, words, reasoned, calls, spent, {"role": "model", "parts": self._parts})


class GeminiClient(DialectClient):
    name: ClassVar[str] = "gemini"
    protocol: ClassVar[str] = "google"
    reader: ClassVar[type[AnswerReader]] = GeminiAnswerReader
    path: ClassVar[str] = ""
    lists_models: ClassVar[bool] = False
    # In passthrough Google returns the vendor's model id.
    names_model: ClassVar[bool] = False
    turns: ClassVar[str] = "contents"
    key_header: ClassVar[str] = "x-goog-api-key"

    def address(self, model: str, *, stream: bool) -> str:
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{quote(model, safe='@/')}:{verb}"

    def request(self, model: str, content: str | Sequence[Json], *, stream: bool, usage: bool) -> Body:
        parts = text_parts(content)
        return {"contents": [{"role": "user", "parts": parts}]}

    def read(self, document: Json) -> Answer:
        reader = GeminiAnswerReader()
        reader.take(mapping(document))
        return reader.finish()

    def offer(self, name: str, description: str, schema: Body) -> tuple[Body, Body]:
        declared = {"name": name, "description": description, "parametersJsonSchema": schema}
        forced = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [name]}}
        return {"tools": [{"functionDeclarations": [declared]}]}, {"toolConfig": forced}

    def results(self, answer: Answer, result: str) -> list[Body]:
        response = json.loads(result)
        parts = [
            {"functionResponse": {"name": call.name, "response": response, **({"id": call.id} if call.id else {})}}
            for call in answer.calls
        ]
        return [answer.turn, {"role": "user", "parts": parts}]

    def image(self, png: str) -> Body:
        return {"inlineData": {"mimeType": "image/png", "data": png}}

    def thinking(self) -> list[Body]:
        return [{"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}]

    def schema(self, name: str, schema: Body) -> Body:
        return {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema}}


def _call(call: Mapping[str, Json]) -> ToolUse:
    demand(text(call.get("name")), "a function call has no name")
    return ToolUse(text(call.get("id")), text(call.get("name")), json.dumps(call.get("args")))


def _usage(usage: Mapping[str, Json]) -> Spent | None:
    if not usage:
        return None
    reasoning = count(usage.get("thoughtsTokenCount"))
    output = count(usage.get("candidatesTokenCount")) + reasoning
    return Spent(count(usage.get("promptTokenCount")), output, count(usage.get("cachedContentTokenCount")), reasoning)
