"""A vendor that needs no network: it repeats the user's text. The simplest example of a provider.

A provider is a class with a settings type, the dialects it speaks, ``prepare`` (pure: builds the request) and ``send``
(blocking: returns the reply; inherited by every vendor that is reached over HTTP). This one overrides ``send`` and
answers in process, with the codecs that all vendors share.

The same request gets the same answer; models whose name contains ``tools`` call the first tool they are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from nexus.cancel import Cancel
from nexus.conversation.events import Event, PartDelta
from nexus.conversation.fold import unfold
from nexus.conversation.parts import Request, Response, Stop, Text, ToolCall, ToolResult
from nexus.conversation.usage import Usage
from nexus.protocols import loader
from nexus.protocols.codec import Envelope
from nexus.protocols.json_schema.walk import Schema, required_of, types_of
from nexus.provider import Provider, ProviderRequest
from nexus.settings.provider import ProviderSettings
from nexus.upstream.request import LocalReply, UpstreamReply, UpstreamRequest
from nexus.wire import Json, decode, digest, encode, mapping, sequence

_CREATED = 0


class EchoSettings(ProviderSettings):
    """``type = "echo"``: nothing to configure but its models."""

    needs_key: ClassVar[bool] = False
    passes_paths: ClassVar[bool] = False


class EchoProvider(Provider):
    settings_type: ClassVar[type[ProviderSettings]] = EchoSettings
    dialects: ClassVar[tuple[str, ...]] = ("chat", "messages", "responses")
    default_base_url: ClassVar[str] = "echo:"
    is_free: ClassVar[bool] = True

    def prepare(self, request: ProviderRequest) -> UpstreamRequest:
        return UpstreamRequest(url=self.base_url + request.dialect, headers={}, body=request.body)

    def send(self, request: UpstreamRequest, cancel: Cancel) -> UpstreamReply:
        codec = loader.client(request.url.removeprefix(self.base_url))
        document = mapping(decode(request.body))
        asked = codec.read_request(document).request
        model = str(document.get("model"))
        answer = answer_to(asked, model)
        envelope = Envelope(answer.id, model, _CREATED, asked)
        if not asked.stream:
            whole = encode(codec.write_response(answer, envelope))
            return LocalReply(200, {"content-type": "application/json"}, [whole])
        writer = codec.stream_writer(envelope)
        pieces = (writer.write(event) for event in _events(answer))
        return LocalReply(200, {"content-type": "text/event-stream"}, filter(None, pieces))


def answer_to(asked: Request, model: str) -> Response:
    """The echo: the last user text, or the result of the tool that was called for it."""
    words = _last_words(asked)
    allowed = asked.tool_choice is None or asked.tool_choice.mode != "none"
    last = [part for message in asked.messages[-1:] for part in message.parts]
    answered = any(isinstance(part, ToolResult) for part in last)
    called = "tools" in model and asked.tools and allowed and not answered
    part = _call(asked, words) if called else Text(f"You said: {words}" if words else "You said nothing.")
    usage = Usage(input=_tokens("".join(_texts(asked))), output=_tokens(part.text if isinstance(part, Text) else words))
    return Response(
        id=f"echo-{digest(repr((model, asked)), 20)}",
        model=model,
        parts=(part,),
        stop=Stop("tool_use" if called else "end"),
        usage=usage,
    )


def _call(asked: Request, words: str) -> ToolCall:
    """Fills the tool's required arguments with the words, if they are strings."""
    choice = asked.tool_choice
    named = [tool for tool in asked.tools if choice is not None and tool.name == choice.name]
    tool = (named or list(asked.tools))[0]
    schema = mapping(tool.parameters)
    properties = mapping(schema.get("properties"))
    arguments = {name: _example(mapping(properties.get(name)), words) for name in required_of(schema)}
    return ToolCall(id=f"call_{digest(tool.name + words, 20)}", name=tool.name, arguments=encode(arguments).decode())


_EXAMPLES: Mapping[str, Json] = {"integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}


def _example(schema: Schema, words: str) -> Json:
    kind = next(iter(types_of(schema)), "string")
    return next(iter(sequence(schema.get("enum"))), _EXAMPLES.get(kind, words))


def _last_words(asked: Request) -> str:
    """The last text of the last user message, before which agents put reminders; or the texts of its tool results."""
    for message in reversed(asked.messages):
        if message.role == "user":
            own = [part.text for part in message.parts if isinstance(part, Text)]
            results = [
                inner.text
                for part in message.parts
                if isinstance(part, ToolResult)
                for inner in part.parts
                if isinstance(inner, Text)
            ]
            return " ".join(own[-1:] or results)
    return ""


def _texts(asked: Request) -> Iterator[str]:
    """Roughly everything that a real vendor would count as input."""
    yield from (block.text for block in asked.system)
    yield from (f"{tool.name}{tool.description}{tool.parameters}" for tool in asked.tools)
    for message in asked.messages:
        for part in message.parts:
            inner = part.parts if isinstance(part, ToolResult) else (part,)
            yield from (text.text if isinstance(text, Text) else str(text) for text in inner)


def _events(answer: Response) -> Iterator[Event]:
    """The answer as a stream, word by word."""
    for event in unfold(answer):
        match event:
            case PartDelta(index=index, text=text):
                yield from (PartDelta(index, piece) for piece in text.replace(" ", "\0 ").split("\0"))
            case _:
                yield event


def _tokens(text: str) -> int:
    """About four characters per token."""
    return max(1, len(text) // 4)


PROVIDER = EchoProvider
