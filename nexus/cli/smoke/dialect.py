"""What a client protocol must offer to be tested: requests to send and a reader for each form of answer.

A reader takes nothing for granted and raises ``Failed`` at the first thing that its dialect does not allow; what
it returns is complete.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import ClassVar

from nexus.cli.smoke.exchange import Failed, Reply
from nexus.dataclasses import dataclass
from nexus.protocols.sse import Frame
from nexus.wire import Json, mapping

Body = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens; ``input`` includes the cached ones, ``output`` the reasoning."""

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; ``arguments`` as they were sent."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer. ``turn`` is the message that repeats it in the next request."""

    model: str
    text: str
    reasoned: bool
    calls: tuple[Call, ...]
    spent: Spent | None
    turn: Body = field(repr=False)


class StreamReader(ABC):
    """Takes the frames of one stream that hold data, in order; ``begun`` once there was anything of an answer."""

    begun: bool = False

    @abstractmethod
    def feed(self, frame: Frame) -> None: ...

    @abstractmethod
    def finish(self) -> Answer:
        """The answer, at the end of the HTTP body. Raises Failed when the stream is not complete."""


class Dialect(ABC):
    """``protocol`` is its name in the settings, ``name`` the one in the table."""

    name: ClassVar[str]
    protocol: ClassVar[str]
    path: ClassVar[str]
    reader: ClassVar[type[StreamReader]]
    headers: ClassVar[Mapping[str, str]] = {}
    """Lower-case names."""

    key_header: ClassVar[str] = "authorization"
    pages: ClassVar[bool] = False
    """Whether the list of models comes in pages."""

    lists_models: ClassVar[bool] = True
    names_model: ClassVar[bool] = True
    """Whether an answer says whose it is."""

    talks: ClassVar[bool] = True
    """Whether it is for models that answer in words, and not for those that embed."""

    turns: ClassVar[str] = "messages"
    """The field of a request that holds what was said."""

    def address(self, model: str, *, stream: bool) -> str:
        """The path of a request, where the model's name stands in it in some dialects."""
        return self.path

    def frames(self, reply: Reply) -> Iterator[Frame]:
        """What comes in a stream, one event each."""
        return reply.frames()

    def carry(self, key: str) -> dict[str, str]:
        """A caller's key as the protocol's own clients send it."""
        return {self.key_header: f"Bearer {key}" if self.key_header == "authorization" else key}

    @abstractmethod
    def request(self, model: str, content: str | Sequence[Json], *, stream: bool, usage: bool) -> Body:
        """One user message; ``usage`` asks a stream for token counts where the dialect needs asking."""

    @abstractmethod
    def read(self, document: Json) -> Answer: ...

    @abstractmethod
    def offer(self, name: str, description: str, schema: Body) -> tuple[Body, Body]:
        """A tool as the field that offers it, and the one that forces it."""

    @abstractmethod
    def results(self, answer: Answer, result: str) -> list[Body]:
        """The messages that follow a tool call: the turn, then one result for each of its calls."""

    @abstractmethod
    def image(self, png: str) -> Body:
        """A content part of base64 PNG."""

    @abstractmethod
    def thinking(self) -> list[Body]:
        """Fields that ask for thinking, alternatives in the order in which they are tried."""

    @abstractmethod
    def schema(self, name: str, schema: Body) -> Body:
        """Fields that ask for an answer of this shape."""


def text_parts(content: str | Sequence[Json], kind: Body | None = None) -> list[Body]:
    """What a capability wrote, in dialects that have texts of a ``kind`` of their own: without hints of others."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else [mapping(part) for part in content]
    return [(kind or {}) | {"text": part["text"]} if part.get("type") == "text" else dict(part) for part in parts]


def parse(frame: Frame) -> Json:
    try:
        return json.loads(frame.data or "")
    except ValueError as error:
        raise Failed("the stream holds an event that is not JSON") from error


def demand(holds: object, problem: str) -> None:
    if not holds:
        raise Failed(problem)


def arguments(call: Call) -> Mapping[str, Json]:
    """The arguments of a call as the object that they have to be."""
    try:
        value = json.loads(call.arguments)
    except ValueError as error:
        raise Failed(f"the arguments of {call.name} are not JSON") from error
    if not isinstance(value, dict):
        raise Failed(f"the arguments of {call.name} are not an object")
    return value
