"""The Gemini API's dialect for clients: ``/v1beta/models/MODEL:generateContent`` and its neighbours.

Law: a key in the query is refused before the request is read further, because it would be in every log on the way.
Source: ai.google.dev/api; google.genai.models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar
from urllib.parse import parse_qs, unquote_plus

from nexus.conversation.tap import Tap
from nexus.errors import InvalidRequest, NexusError
from nexus.late import pattern
from nexus.protocols.checks import an_object, require
from nexus.protocols.codec import Target
from nexus.protocols.dialect import AnswerRelay, Asked, BrokenStream, Dialect, Edited
from nexus.protocols.embeddings import shapes
from nexus.protocols.framing import Framing, JsonArray, WithoutComments
from nexus.protocols.gemini import embeddings, listing
from nexus.protocols.gemini.spelling import shallow_camel
from nexus.protocols.operation import COUNT_TOKENS, EMBED, GENERATE, Operation
from nexus.protocols.protocol import Protocol
from nexus.protocols.sse import frame
from nexus.wire import Json

GOOGLE = Protocol(
    "google",
    "Google's GenAI SDKs and Gemini CLI",
    version="/v1beta",
    other_versions=("/v1",),
    header="x-goog-api-client",
)

_COLON = "(?::|%3[Aa])"
_PATH = pattern(r"/models/(?P<model>.+):(?P<verb>[A-Za-z]+)")
_STREAMS = "streamGenerateContent"
_KEYS = frozenset({"key", "$key", "api_key", "access_token", "oauth_token"})
_SSE, _ARRAY = WithoutComments(), JsonArray()


class GeminiDialect(Dialect):
    name: ClassVar[str] = "gemini"
    protocol: ClassVar[Protocol] = GOOGLE
    framing: ClassVar[Framing] = _SSE
    operations: ClassVar[tuple[Operation, ...]] = (
        GENERATE.matching(f"/models/.+{_COLON}(?:generateContent|{_STREAMS})"),
        COUNT_TOKENS.matching(f"/models/.+{_COLON}countTokens"),
        EMBED.matching(f"/models/.+{_COLON}(?:embedContent|batchEmbedContents)"),
    )
    ping: ClassVar[bytes] = b": ping\n"
    id_prefix: ClassVar[str] = "resp_"
    id_header: ClassVar[str] = "x-goog-request-id"

    def framing_of(self, query: str) -> Framing:
        return _SSE if parse_qs(query[:1000]).get("alt") == ["sse"] else _ARRAY

    def check_query(self, query: str) -> None:
        names = {unquote_plus(item.partition("=")[0]).lower() for item in re.split("[&;]", query)}
        if names & _KEYS:
            raise InvalidRequest.about(
                "key",
                "a key in the URL ends up in logs and is rejected; send x-goog-api-key, and rotate this key",
            )

    def open(self, operation: Operation, path: str, asked: Asked) -> Asked:
        found = _PATH.fullmatch(path)
        if found is None:
            raise ValueError(f"not a path of this dialect: {path}")
        document = shallow_camel(asked.document)
        if isinstance(generation := document.get("generationConfig"), dict):
            document["generationConfig"] = shallow_camel(generation)
        if operation.relay == "count" and document.get("generateContentRequest") is not None:
            inner = an_object(document["generateContentRequest"], "generateContentRequest")
            document = {**document, **shallow_camel(inner)}
            del document["generateContentRequest"]
        of_path = {"model": found["model"], "stream": found["verb"] == _STREAMS}
        return replace(asked, document={**document, **of_path})

    def check(self, document: Mapping[str, Json], operation: Operation) -> None:
        if operation.relay == "passed":
            return
        require(document, "contents", (list, Mapping), "an array of contents")

    def edit_request(
        self, raw: bytes, document: Mapping[str, Json], model: str, *, ask_usage: bool, target: Target | None = None
    ) -> Edited:
        from nexus.protocols.gemini.passthrough import edit_request

        return edit_request(raw, model, target)

    def uploaded_ids(self, document: Mapping[str, Json]) -> list[tuple[str, str]]:
        """Files are named by URIs; anything that looks like an id is a model's argument to a tool."""
        return []

    def passthrough(self, document: Mapping[str, Json], model: str, tap: Tap) -> AnswerRelay:
        from nexus.protocols.gemini.passthrough import GeminiPassthrough

        return GeminiPassthrough(tap)

    embeddings: ClassVar[shapes.EmbeddingsCodec | None] = shapes.EmbeddingsCodec(
        shapes.GEMINI, embeddings.read_asked, embeddings.write_answer
    )

    def passed(self, document: Mapping[str, Json], tap: Tap) -> AnswerRelay:
        from nexus.protocols.gemini.passthrough import EmbeddingsPassed

        return EmbeddingsPassed(tap)

    def edit_passed(self, raw: bytes, document: Mapping[str, Json], model: str) -> bytes:
        return self.edit_request(raw, document, model, ask_usage=False).body

    def write_error(self, error: NexusError, request_id: str) -> bytes:
        from nexus.protocols.gemini.write_error import write_error

        return write_error(error)

    def error_frame(self, error: NexusError, broken: BrokenStream) -> bytes:
        from nexus.protocols.gemini.write_error import write_stream_error

        return frame(write_stream_error(error))

    def write_count(self, tokens: int) -> dict[str, Json]:
        return {"totalTokens": tokens}

    write_model = staticmethod(listing.write_model)
    write_models = staticmethod(listing.write_models)


DIALECT = GeminiDialect()
