"""The Gemini API's dialect for clients: ``/v1beta/models/MODEL:generateContent`` and its neighbours.

Law: a key in the query is refused before the request is read further, because it would be in every log on the way.
Source: ai.google.dev/api; google.genai.models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import parse_qs, unquote_plus

from nexus.dataclasses import replace
from nexus.errors import InvalidRequest, NexusError
from nexus.late import pattern
from nexus.protocols.checks import an_object, require, wrong
from nexus.protocols.dialect import ClientRequest, Dialect, ModelCard
from nexus.protocols.embeddings import GEMINI, EmbeddingsCodec
from nexus.protocols.framing import Framing, JsonArray, WithoutComments
from nexus.protocols.gemini import embeddings
from nexus.protocols.gemini.spelling import shallow_camel
from nexus.protocols.operation import COUNT_TOKENS, EMBED, GENERATE, Operation, match_path
from nexus.protocols.protocol import Protocol
from nexus.wire import Json, mapping, only, sequence

GOOGLE = Protocol(
    "google",
    "Google's GenAI SDKs and Gemini CLI",
    version="/v1beta",
    other_versions=("/v1",),
    header="x-goog-api-client",
)

_COLON = "(?::|%3[Aa])"
# The AI SDK and LangChain.js leave models/ out before a name with a slash.
_BEFORE = "/(?:models/|(?=[^/]+/))"
_PATH = pattern(_BEFORE + "(?P<model>.+):(?P<verb>[A-Za-z]+)")
_STREAMS = "streamGenerateContent"
_KEYS = frozenset({"key", "$key", "api_key", "access_token", "oauth_token"})
_SSE, _ARRAY = WithoutComments(), JsonArray()

DEFAULT_PAGE, MAX_PAGE = 50, 1000
"""Models per page of the list."""


class GeminiDialect(Dialect):
    name: ClassVar[str] = "gemini"
    protocol: ClassVar[Protocol] = GOOGLE
    framing: ClassVar[Framing] = _SSE
    operations: ClassVar[tuple[Operation, ...]] = (
        GENERATE.matching(f"{_BEFORE}.+{_COLON}(?:generateContent|{_STREAMS})"),
        COUNT_TOKENS.matching(f"{_BEFORE}.+{_COLON}countTokens"),
        EMBED.matching(f"{_BEFORE}.+{_COLON}(?:embedContent|batchEmbedContents)"),
    )
    ping: ClassVar[bytes] = b": ping\n"
    id_prefix: ClassVar[str] = "resp_"
    id_header: ClassVar[str] = "x-goog-request-id"

    def framing_of(self, query: str) -> Framing:
        return _SSE if parse_qs(query[:1000]).get("alt") == ["sse"] else _ARRAY

    def keepalive(self, headers: Mapping[str, str], events: int) -> bytes:
        # The GenAI SDKs skip empty lines, but not comments. @google/generative-ai 0.24 (of LangChain.js), Genkit 1.42
        # and @google-cloud/vertexai 1.12 accept neither.
        return b"\n" if "google-genai-sdk/" in headers.get("x-goog-api-client", "") else self.ping

    def check_query(self, query: str) -> None:
        names = {unquote_plus(item.partition("=")[0]).lower() for item in re.split("[&;]", query)}
        if names & _KEYS:
            raise InvalidRequest.about(
                "key", "a key in the URL ends up in logs and is rejected; send x-goog-api-key, and rotate this key"
            )

    def open(self, operation: Operation, path: str, request: ClientRequest) -> ClientRequest:
        found = match_path(_PATH, path)
        document = shallow_camel(request.document)
        if isinstance(generation := document.get("generationConfig"), dict):
            document["generationConfig"] = shallow_camel(generation)
        if operation.relay == "count" and document.get("generateContentRequest") is not None:
            inner = an_object(document["generateContentRequest"], "generateContentRequest")
            document = {**document, **shallow_camel(inner)}
            del document["generateContentRequest"]
        of_path = {"model": found["model"], "stream": found["verb"] == _STREAMS}
        return replace(request, document={**document, **of_path})

    def check(self, document: Mapping[str, Json], operation: Operation) -> None:
        if operation.relay == "passed":
            return
        require(document, "contents", (list, Mapping), "an array of contents")

    def uploaded_ids(self, document: Mapping[str, Json]) -> list[tuple[str, str]]:
        """Files are named by URIs; anything that looks like an id is a model's argument to a tool."""
        return []

    stored_fields: ClassVar[tuple[str, ...]] = ("cachedContent",)

    def names_stored(self, path: str, document: Mapping[str, Json]) -> bool:
        contents = document.get("contents")
        turns = map(mapping, sequence(contents) or [contents])
        parts = (mapping(part) for turn in turns for part in sequence(turn.get("parts")))
        return any("fileData" in part or "file_data" in part for part in parts) or super().names_stored(path, document)

    embeddings: ClassVar[EmbeddingsCodec | None] = EmbeddingsCodec(
        GEMINI, embeddings.read_asked, embeddings.write_answer
    )

    def edit_passed(self, raw: bytes, document: Mapping[str, Json], model: str) -> bytes:
        from nexus.protocols.codec import Target

        return self.passing.edit_request(raw, document, Target(model)).body

    def write_error(self, error: NexusError, request_id: str) -> bytes:
        from nexus.protocols.gemini.write_error import write_error

        return write_error(error)

    def write_count(self, tokens: int) -> dict[str, Json]:
        return {"totalTokens": tokens}

    def write_model(self, card: ModelCard) -> dict[str, Json]:
        model = {
            "name": f"models/{card.id}",
            "version": "001",
            "displayName": card.display_name or card.id,
            "description": card.description,
            "inputTokenLimit": card.context,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
            "thinking": True if card.efforts else None,
        }
        return only(model)

    def write_models(self, cards: list[ModelCard], query: Mapping[str, str]) -> dict[str, Json]:
        """One page: ``pageSize`` models after those of the previous pages. Raises InvalidRequest."""
        size = min(_number(query, "pageSize", "page_size") or DEFAULT_PAGE, MAX_PAGE)
        start = _number(query, "pageToken", "page_token") or 0
        more: dict[str, Json] = {"nextPageToken": str(start + size)} if start + size < len(cards) else {}
        return {"models": [self.write_model(card) for card in cards[start : start + size]], **more}


def _number(query: Mapping[str, str], *names: str) -> int | None:
    value = next((query[name] for name in names if query.get(name)), None)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise wrong(names[0], "a whole number")
    return int(value)


DIALECT = GeminiDialect()
