"""The formats of clients' requests: how to write a request in each, and how to read both forms of its answer.

Requests and answers are in neutral form. Each format is written and read by the codec with which the gateway itself
speaks to vendors of that dialect.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote

from nexus.cli.smoke.http import CheckFailed, Reply
from nexus.conversation.events import Event, has_content
from nexus.conversation.fold import fold
from nexus.conversation.parts import Request, Response, Stop, Text
from nexus.conversation.usage import Usage
from nexus.dataclasses import dataclass, field, replace
from nexus.errors import VendorError
from nexus.models.bedrock import ConverseModel
from nexus.models.chat_server import ChatServer
from nexus.models.claude import Claude
from nexus.models.gemini import Gemini
from nexus.protocols import loader
from nexus.protocols.codec import AnswerOrigin, Target
from nexus.protocols.contract import StreamReader
from nexus.protocols.embeddings import OPENAI
from nexus.wire import Json, base64_bytes, decode_object, mapping, text

Body = dict[str, Json]

MAX_TOKENS = 1024

ANY_MODEL = Target(
    "",
    claude=Claude(structured_output=True),
    gemini=Gemini(function_ids=True),
    converse=ConverseModel(structured_output=True, reasoning="signed"),
)
"""A model with every capability: the gateway or the vendor rejects what the real one lacks."""


@dataclass(frozen=True, slots=True)
class Format:
    """``dialect`` has its codec; ``protocol`` is the name of its protocol in the settings, ``name`` its own in the
    report.

    ``path`` may contain the model, and one of two ``verbs``: for an answer as a whole, and for a stream. Members of the
    body that the path replaces or some models reject are ``omitted``, ``added`` are others. ``thinking`` are fields
    that request thinking, alternatives to try in order. With ``is_limited`` a request must limit its answer.
    ``lists_models``: its protocol lists models in this dialect; ``names_model``: an answer names the requested model.
    """

    name: str
    dialect: str
    protocol: str
    path: str
    verbs: tuple[str, str] = ("", "")
    omitted: tuple[str, ...] = ()
    added: Mapping[str, Json] = field(default_factory=dict)
    thinking: tuple[Body, ...] = ()
    is_limited: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    key_header: str = "authorization"
    lists_models: bool = False
    names_model: bool = True
    embeds: bool = False

    def address(self, model: str, *, stream: bool) -> str:
        return self.path.format(model=quote(model, safe=""), verb=self.verbs[stream])

    def carry(self, key: str) -> dict[str, str]:
        """The header with a caller's key, as the protocol's own clients send it."""
        return {self.key_header: f"Bearer {key}" if self.key_header == "authorization" else key}

    def write(self, request: Request, model: str, server: ChatServer) -> Body:
        if self.embeds:
            texts = (part.text for message in request.messages for part in message.parts if isinstance(part, Text))
            return {"model": model, "input": list(texts), "encoding_format": "float"}
        if self.is_limited:
            request = replace(request, max_tokens=MAX_TOKENS)
        body = loader.vendor(self.dialect).write_request(request, replace(ANY_MODEL, model=model, chat=server)).body
        return {**{name: value for name, value in body.items() if name not in self.omitted}, **self.added}

    def read(self, document: Json, request: Request, model: str) -> Response:
        """Raises CheckFailed."""
        try:
            if self.embeds:
                return _embedded(mapping(document))
            return fold(self._reader(request, model).read_whole(mapping(document)))
        except (VendorError, ValueError) as error:
            raise CheckFailed(f"the answer is invalid: {error}") from error

    def read_stream(self, reply: Reply, request: Request, model: str, begun: Callable[[], None]) -> Response:
        """Calls ``begun`` with every content. Raises CheckFailed."""
        reader, events = self._reader(request, model), list[Event]()
        try:
            for name, data in self._events(reply):
                fresh = reader.feed(name, data)
                if any(map(has_content, fresh)):
                    begun()
                events += fresh
            return fold([*events, *reader.finish()])
        except (VendorError, ValueError) as error:
            raise CheckFailed(f"in the stream: {error}") from error

    def _reader(self, request: Request, model: str) -> StreamReader:
        origin = AnswerOrigin(request, "", model, lambda: f"call_{uuid.uuid4().hex}")
        return loader.vendor(self.dialect).stream_reader(origin)

    def _events(self, reply: Reply) -> Iterator[tuple[str | None, str]]:
        """Name and data of each event."""
        if self.protocol != "bedrock":
            yield from ((frame.event, frame.data.strip()) for frame in reply.frames() if frame.data is not None)
            return
        for name, data in reply.events():
            if self.dialect == "converse":
                yield name, data
            elif name == "chunk":
                yield None, (base64_bytes(text(decode_object(data.encode()).get("bytes"))) or b"").decode()
            else:
                raise CheckFailed(f"in the stream: {name}: {data}")


def _embedded(document: Mapping[str, Json]) -> Response:
    found = OPENAI.read(document)
    usage = Usage() if found.tokens is None else Usage(input=found.tokens, raw=mapping(document.get("usage")))
    words = ", ".join(f"{len(vector)} numbers" for vector in found.vectors)
    return Response("", text(document.get("model")), (Text(words),), Stop("end"), usage)


_THINKING_TOKENS = {"max_tokens": 4096}
_BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
_ADAPTIVE = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
_CLAUDES = (_THINKING_TOKENS | _BUDGET, _THINKING_TOKENS | _ADAPTIVE)
"""Newer models reject a budget, older ones reject adaptive thinking."""

FORMATS = (
    Format(
        *("chat", "chat", "openai", "/v1/chat/completions"),
        thinking=({"reasoning_effort": "medium"},),
        lists_models=True,
    ),
    Format(
        *("responses", "responses", "openai", "/v1/responses"),
        omitted=("include",),
        thinking=({"reasoning": {"effort": "medium"}},),
    ),
    Format(
        *("messages", "messages", "anthropic", "/v1/messages"),
        thinking=_CLAUDES,
        is_limited=True,
        headers={"anthropic-version": "2023-06-01"},
        key_header="x-api-key",
        lists_models=True,
    ),
    Format(
        *("vertex", "messages", "vertex"),
        "/v1/projects/smoke/locations/global/publishers/anthropic/models/{model}:{verb}",
        ("rawPredict", "streamRawPredict"),
        omitted=("model",),
        added={"anthropic_version": "vertex-2023-10-16"},
        thinking=_CLAUDES,
        is_limited=True,
    ),
    Format(
        *("invoke", "messages", "bedrock", "/model/{model}/{verb}"),
        ("invoke", "invoke-with-response-stream"),
        omitted=("model", "stream"),
        added={"anthropic_version": "bedrock-2023-05-31"},
        thinking=_CLAUDES,
        is_limited=True,
    ),
    Format(
        *("converse", "converse", "bedrock", "/model/{model}/{verb}"),
        ("converse", "converse-stream"),
        thinking=({"inferenceConfig": {"maxTokens": 4096}, "additionalModelRequestFields": _BUDGET},),
        is_limited=True,
        names_model=False,
    ),
    Format(
        *("gemini", "gemini", "google", "/v1beta/models/{model}:{verb}"),
        ("generateContent", "streamGenerateContent?alt=sse"),
        thinking=({"generationConfig": {"thinkingConfig": {"includeThoughts": True}}},),
        key_header="x-goog-api-key",
        # In passthrough Google returns the vendor's model id, and so do OpenAI's servers with embeddings.
        names_model=False,
    ),
    Format(*("embeddings", "chat", "openai", "/v1/embeddings"), names_model=False, embeds=True),
)
