"""The interface of a dialect to test: builds requests and reads both forms of answer.

A reader checks everything and raises ``CheckFailed`` at the first violation of its dialect; an answer that it returns
is complete.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from nexus.cli.smoke.http import CheckFailed, Reply
from nexus.dataclasses import dataclass, field
from nexus.protocols.sse import Frame
from nexus.wire import Json, mapping

Body = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Spent:
    """Token counts; ``input`` includes cached tokens, ``output`` includes reasoning."""

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool call; ``arguments`` is the JSON text as received."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer. ``turn`` is the message that repeats it in the next request."""

    model: str
    text: str
    reasoned: bool
    calls: tuple[ToolUse, ...]
    spent: Spent | None
    turn: Body = field(repr=False)


class AnswerReader(ABC):
    """Reads the frames with data of one stream, in order; ``begun`` is true once there was content."""

    begun: bool = False

    @abstractmethod
    def feed(self, frame: Frame) -> None: ...

    @abstractmethod
    def finish(self) -> Answer:
        """The answer, to call at the end of the HTTP body. Raises CheckFailed if the stream is incomplete."""


class DialectClient(ABC):
    """A dialect; ``protocol`` is its protocol's name in the settings, ``name`` its own in the report."""

    name: ClassVar[str]
    protocol: ClassVar[str]
    path: ClassVar[str]
    reader: ClassVar[type[AnswerReader]]
    headers: ClassVar[Mapping[str, str]] = {}
    """Headers of every request, by lower-case name."""

    key_header: ClassVar[str] = "authorization"
    pages: ClassVar[bool] = False
    """Whether the model list is paginated."""

    lists_models: ClassVar[bool] = True
    names_model: ClassVar[bool] = True
    """Whether an answer names the requested model."""

    talks: ClassVar[bool] = True
    """Whether it generates text; false for embeddings."""

    turns: ClassVar[str] = "messages"
    """The request field that holds the conversation."""

    def address(self, model: str, *, stream: bool) -> str:
        """The path of a request, which includes the model's name in some dialects."""
        return self.path

    def frames(self, reply: Reply) -> Iterator[Frame]:
        """The events of a stream."""
        return reply.frames()

    def carry(self, key: str) -> dict[str, str]:
        """The header with a caller's key, as the protocol's own clients send it."""
        return {self.key_header: f"Bearer {key}" if self.key_header == "authorization" else key}

    @abstractmethod
    def request(self, model: str, content: str | Sequence[Json], *, stream: bool, usage: bool) -> Body:
        """A request with one user message; ``usage`` requests token counts on a stream if the dialect needs that."""

    @abstractmethod
    def read(self, document: Json) -> Answer: ...

    @abstractmethod
    def offer(self, name: str, description: str, schema: Body) -> tuple[Body, Body]:
        """The request fields that offer a tool, and those that force its use."""

    @abstractmethod
    def results(self, answer: Answer, result: str) -> list[Body]:
        """The messages to append after tool calls: the answer's turn, then one result per call."""

    @abstractmethod
    def image(self, png: str) -> Body:
        """A content part with a PNG in base64."""

    @abstractmethod
    def thinking(self) -> list[Body]:
        """Request fields for thinking; alternatives to try in order."""

    @abstractmethod
    def schema(self, name: str, schema: Body) -> Body:
        """Request fields for an answer that matches a JSON schema."""


def text_parts(content: str | Sequence[Json], kind: Body | None = None) -> list[Body]:
    """The content of a capability check for dialects with their own form of text part, whose base is ``kind``; drops
    other fields of text parts."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else [mapping(part) for part in content]
    return [(kind or {}) | {"text": part["text"]} if part.get("type") == "text" else dict(part) for part in parts]


def parse(frame: Frame) -> Json:
    try:
        return json.loads(frame.data or "")
    except ValueError as error:
        raise CheckFailed("the stream holds an event that is not JSON") from error


def demand(holds: object, problem: str) -> None:
    if not holds:
        raise CheckFailed(problem)


def arguments(call: ToolUse) -> Mapping[str, Json]:
    """The arguments of a call as an object. Raises CheckFailed."""
    try:
        value = json.loads(call.arguments)
    except ValueError as error:
        raise CheckFailed(f"the arguments of {call.name} are not JSON") from error
    if not isinstance(value, dict):
        raise CheckFailed(f"the arguments of {call.name} are not an object")
    return value
