"""The chat dialect, as OpenAI's clients use it.

An answer is complete when its choice has a ``finish_reason``. After that, a stream must end with ``[DONE]`` or cleanly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from nexus.cli.smoke.dialect import Answer, AnswerReader, Body, DialectClient, Spent, ToolUse, demand, parse
from nexus.cli.smoke.http import CheckFailed, error_text
from nexus.protocols.sse import Frame
from nexus.wire import Json, count, mapping, sequence, text


class ChatAnswerReader(AnswerReader):
    """Merges chunks into the message of a unary answer."""

    def __init__(self) -> None:
        self._model = ""
        self._role = ""
        self._finish = ""
        self._done = False
        self._usage: Json = None
        self._message: Body = {}
        self._calls: dict[int, Body] = {}
        self._details: dict[int, Body] = {}

    def feed(self, frame: Frame) -> None:
        demand(not self._done, "the stream goes on behind [DONE]")
        if (frame.data or "").strip() == "[DONE]":
            self._done = True
            return
        chunk = mapping(parse(frame))
        if problem := error_text(chunk):
            raise CheckFailed(f"in the stream: {problem}")
        demand(chunk.get("object") == "chat.completion.chunk", "the stream holds an event that is not a chunk")
        self._name(text(chunk.get("model")))
        self._usage = chunk.get("usage") or self._usage
        for choice in map(mapping, sequence(chunk.get("choices"))):
            demand(choice.get("index") == 0, "the stream has a second choice")
            self._delta(mapping(choice.get("delta")))
            self._finish = text(choice.get("finish_reason")) or self._finish

    def finish(self) -> Answer:
        demand(self._finish, "the stream ended without a finish_reason")
        demand(self._role == "assistant", "the stream never named its role")
        message = dict(self._message)
        if self._calls:
            message["tool_calls"] = [self._calls[index] for index in sorted(self._calls)]
        if self._details:
            message["reasoning_details"] = [self._details[index] for index in sorted(self._details)]
        return answer(self._model, message, self._usage)

    def _name(self, model: str) -> None:
        # Azure begins with a chunk without a model.
        demand(not self._model or model in ("", self._model), "the stream changes its model")
        self._model = model or self._model

    def _delta(self, delta: Mapping[str, Json]) -> None:
        self._role = text(delta.get("role")) or self._role
        for name in ("content", "reasoning_content", "reasoning", "refusal"):
            if piece := text(delta.get(name)):
                demand(not self._finish, "the stream has text behind its finish_reason")
                self._message[name] = self._message.get(name, "") + piece
                self.begun = True
        if "extra_content" in delta:
            self._message["extra_content"] = delta["extra_content"]
        for entry in map(mapping, sequence(delta.get("reasoning_details"))):
            merge(self._details.setdefault(count(entry.get("index")), {}), entry, ("text", "summary", "data"))
        for part in map(mapping, sequence(delta.get("tool_calls"))):
            self._call(part)

    def _call(self, piece: Mapping[str, Json]) -> None:
        self.begun = True
        demand(isinstance(piece.get("index"), int), "the stream has a tool call without an index")
        call = self._calls.setdefault(piece["index"], {"function": {}})
        merge(call["function"], mapping(piece.get("function")), ("arguments",))
        merge(call, {name: value for name, value in piece.items() if name not in ("index", "function")}, ())


class ChatClient(DialectClient):
    name: ClassVar[str] = "chat"
    protocol: ClassVar[str] = "openai"
    reader: ClassVar[type[AnswerReader]] = ChatAnswerReader
    path: ClassVar[str] = "/v1/chat/completions"

    def request(self, model: str, content: str | Sequence[Json], *, stream: bool, usage: bool) -> Body:
        body: Body = {"model": model, "messages": [{"role": "user", "content": content}]}
        if stream:
            body["stream"] = True
        if stream and usage:
            body["stream_options"] = {"include_usage": True}
        return body

    def read(self, document: Json) -> Answer:
        document = mapping(document)
        demand(document.get("object") == "chat.completion", "the answer is not a chat.completion")
        choices = sequence(document.get("choices"))
        demand(len(choices) == 1, f"the answer has {len(choices)} choices")
        choice = mapping(choices[0])
        message = mapping(choice.get("message"))
        demand(message.get("role") == "assistant", "the answer has no assistant message")
        demand(text(choice.get("finish_reason")), "the answer has no finish_reason")
        return answer(text(document.get("model")), message, document.get("usage"))

    def offer(self, name: str, description: str, schema: Body) -> tuple[Body, Body]:
        tool = {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}
        return {"tools": [tool]}, {"tool_choice": {"type": "function", "function": {"name": name}}}

    def results(self, answer: Answer, result: str) -> list[Body]:
        replies = [{"role": "tool", "tool_call_id": call.id, "content": result} for call in answer.calls]
        return [answer.turn, *replies]

    def image(self, png: str) -> Body:
        return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}}

    def thinking(self) -> list[Body]:
        return [{"reasoning_effort": "medium"}]

    def schema(self, name: str, schema: Body) -> Body:
        wanted = {"name": name, "strict": True, "schema": schema}
        return {"response_format": {"type": "json_schema", "json_schema": wanted}}


def merge(whole: Body, piece: Mapping[str, Json], growing: Sequence[str]) -> None:
    """Merges a delta: strings named in ``growing`` are appended, everything else is set."""
    for name, value in piece.items():
        if name in growing and isinstance(value, str):
            whole[name] = whole.get(name, "") + value
        elif value is not None:
            whole[name] = value


def answer(model: str, message: Mapping[str, Json], usage: Json) -> Answer:
    calls = tuple(call(entry) for entry in sequence(message.get("tool_calls")))
    spent = read_usage(mapping(usage))
    thought = ("reasoning_content", "reasoning", "reasoning_details")
    reasoned = any(message.get(name) for name in thought)
    # Clients send these back unchanged in the next turn.
    kept = ("tool_calls", "extra_content", *thought)
    turn = {name: message[name] for name in kept if message.get(name)}
    words = text(message.get("content"))
    return Answer(model, words, reasoned, calls, spent, {"role": "assistant", "content": words or None, **turn})


def call(entry: Json) -> ToolUse:
    entry = mapping(entry)
    function = mapping(entry.get("function"))
    demand(text(entry.get("id")), "a tool call has no id")
    return ToolUse(text(entry.get("id")), text(function.get("name")), text(function.get("arguments")))


def read_usage(usage: Mapping[str, Json]) -> Spent | None:
    """The token counts, or None without usage. Raises CheckFailed if they contradict each other."""
    if not usage:
        return None
    prompt, completion = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    # Some vendors include reasoning in the total only.
    total = usage.get("total_tokens")
    demand(total is None or count(total) >= prompt + completion, f"the usage does not add up to {total}")
    cached = count(mapping(usage.get("prompt_tokens_details")).get("cached_tokens"))
    reasoning = count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens"))
    return Spent(prompt, completion, cached, reasoning)


class EmbeddingsClient(ChatClient):
    """The embeddings API; shares the key header with the chat dialect."""

    name: ClassVar[str] = "embeddings"
    path: ClassVar[str] = "/v1/embeddings"
    lists_models: ClassVar[bool] = False
    talks: ClassVar[bool] = False
    # In passthrough OpenAI's servers return the vendor's model id.
    names_model: ClassVar[bool] = False

    def request(self, model: str, content: str | Sequence[Json], *, stream: bool, usage: bool) -> Body:
        return {"model": model, "input": content, "encoding_format": "float"}

    def read(self, document: Json) -> Answer:
        document = mapping(document)
        data = [mapping(entry) for entry in sequence(document.get("data"))]
        demand(document.get("object") == "list" and len(data) == 1, "the answer is not a list of one embedding")
        vector = sequence(data[0].get("embedding"))
        demand(vector and all(isinstance(number, int | float) for number in vector), "the embedding has no numbers")
        usage = mapping(document.get("usage"))
        spent = Spent(count(usage.get("prompt_tokens")), 0) if usage else None
        return Answer(text(document.get("model")), f"{len(vector)} numbers", False, (), spent, {})
