"""The formats of the messages dialect besides Anthropic's own: Claude as its hosts serve it, on Vertex AI and Bedrock.

Sources: Anthropic's SDKs for Vertex AI and Bedrock; Google's page on Claude; the bedrock-runtime service model
(InvokeModel, InvokeModelWithResponseStream, CountTokens).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import ClassVar

from nexus.dataclasses import replace
from nexus.late import pattern
from nexus.protocols.bedrock_protocol import BedrockDialect, exception_event, exception_frame, write_error
from nexus.protocols.checks import a_string, an_array, an_object, wrong
from nexus.protocols.dialect import ClientRequest, Dialect
from nexus.protocols.eventstream import event_message
from nexus.protocols.framing import AwsEventStream, Framing
from nexus.protocols.messages.dialect import Messages
from nexus.protocols.messages.read_error import read_stream_error
from nexus.protocols.operation import COUNT_TOKENS, GENERATE, Operation, match_path
from nexus.protocols.protocol import Protocol
from nexus.protocols.rewrite import REMOVE, Rules, cut, rewrite
from nexus.wire import Json, base64_bytes, decode_object, encode

_INVOKE_PATH = pattern(r"/model/(?P<model>.+)/(?P<verb>invoke|invoke-with-response-stream|count-tokens)")

_OF_ANSWERS = frozenset(
    {"max_tokens", "stop_sequences", "stream", "temperature", "top_p", "top_k", "metadata", "service_tier"}
)
"""Members of InvokeModel that a token counting request does not have: anthropic.types.MessageCountTokensParams."""


def _write_event(event: str, data: str) -> bytes:
    if event == "error":
        failure = read_stream_error(decode_object(data))
        return exception_frame(exception_event(failure.kind), write_error(failure))
    return event_message("chunk", encode({"bytes": base64.b64encode(data.encode()).decode()}))


class Invoke(BedrockDialect, Messages):
    """Bedrock's InvokeModel: the model is in the path, events are chunks of an event stream."""

    format: ClassVar[str] = "invoke"
    framing: ClassVar[Framing] = AwsEventStream(_write_event)
    operations: ClassVar[tuple[Operation, ...]] = (
        GENERATE.matching("/model/.+/(?:invoke|invoke-with-response-stream)"),
        COUNT_TOKENS.matching("/model/.+/count-tokens"),
    )

    def open(self, operation: Operation, path: str, request: ClientRequest) -> ClientRequest:
        found = match_path(_INVOKE_PATH, path)
        if operation.relay == "count":
            return _opened_count(request, found["model"])
        return unwrapped(request, {"model": found["model"], "stream": found["verb"] != "invoke"})

    def check(self, document: Mapping[str, Json], operation: Operation) -> None:
        if operation.relay == "answer":
            super().check(document, operation)


def _opened_count(request: ClientRequest, model: str) -> ClientRequest:
    """Opens a CountTokens request, which has one of either kind inside. Raises InvalidRequest."""
    given = an_object(request.document.get("input"), "input")
    if "converse" in given:
        document = dict(an_object(given["converse"], "input.converse"))
        inner = replace(request, body=encode(document), document={**document, "model": model}, query="")
        return replace(inner, dialect="converse")
    path = "input.invokeModel"
    text = a_string(an_object(given.get("invokeModel"), path), "body", path)
    if (body := base64_bytes(text)) is None:
        raise wrong(f"{path}.body", "base64")
    if not (document := decode_object(body)):
        raise wrong(f"{path}.body", "a JSON object")
    request = unwrapped(replace(request, body=body, document=document), {"model": model})
    counted = cut(request.body, dict.fromkeys(_OF_ANSWERS, lambda _: REMOVE))
    document = {name: value for name, value in request.document.items() if name not in _OF_ANSWERS}
    return replace(request, body=counted, document=document)


_PUBLISHED = r"/projects/[^/]+/locations/[^/]+/publishers/anthropic/models"
_COLON = "(?::|%3[Aa])"
_PATH = pattern(
    r"/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/publishers/anthropic/models/"
    r"(?P<model>.+):(?P<verb>rawPredict|streamRawPredict)"
)

VERTEX = Protocol("vertex", "clients set to Vertex AI (ANTHROPIC_VERTEX_BASE_URL)", base="/v1", models=None)


class Vertex(Messages):
    """Claude on Vertex AI: the model is in the path; answers, streams and errors are the dialect's own."""

    format: ClassVar[str] = "vertex"
    protocol: ClassVar[Protocol] = VERTEX
    any_id: ClassVar[bool] = True
    operations: ClassVar[tuple[Operation, ...]] = (
        GENERATE.matching(f"{_PUBLISHED}/(?!count-tokens{_COLON}).+{_COLON}(?:rawPredict|streamRawPredict)"),
        COUNT_TOKENS.matching(f"{_PUBLISHED}/count-tokens{_COLON}rawPredict"),
    )

    def open(self, operation: Operation, path: str, request: ClientRequest) -> ClientRequest:
        found = match_path(_PATH, path)
        place = f"{found['project']}/{found['location']}"
        if operation.relay == "count":
            return unwrapped(request, {}, place)
        streams = found["verb"] == "streamRawPredict" or request.document.get("stream") is True
        return unwrapped(request, {"model": found["model"], "stream": streams}, place)


_BETAS = "anthropic-beta"
_BETA = pattern(r"[!-+\--~]{1,128}")
_MOST_BETAS = 64
_HOSTS = ("anthropic_version", "anthropic_beta")


def unwrapped(request: ClientRequest, members: Mapping[str, Json], place: str | None = None) -> ClientRequest:
    """The request as Anthropic's own API accepts it: hosts take their own version, betas as a member, no model.

    ``members`` are from the path, and override those of the body. Every other byte is unchanged. Raises InvalidRequest.
    """
    document = request.document
    betas = ",".join(filter(None, [request.headers.get(_BETAS), *_betas(document)]))
    gone = {*_HOSTS, *members} & document.keys()
    rules: Rules = dict.fromkeys(gone, lambda _: REMOVE)
    front = b",".join(encode(name) + b":" + encode(value) for name, value in members.items())
    return replace(
        request,
        body=rewrite(request.body, rules, lambda: front) if members else cut(request.body, rules),
        document={**{name: value for name, value in document.items() if name not in gone}, **members},
        headers={**request.headers, _BETAS: betas} if betas else request.headers,
        # The query string belongs to the host's API.
        query="",
        place=place,
    )


def _betas(document: Mapping[str, Json]) -> Iterator[str]:
    """The betas that are valid in a header. Raises InvalidRequest."""
    named = document.get("anthropic_beta")
    betas = an_array(named, "anthropic_beta") if named is not None else []
    if len(betas) > _MOST_BETAS:
        raise wrong("anthropic_beta", f"an array of at most {_MOST_BETAS}")
    for at, beta in enumerate(betas):
        if not isinstance(beta, str) or not _BETA.fullmatch(beta):
            raise wrong(f"anthropic_beta.{at}", "the name of a beta")
        yield beta


FORMATS: tuple[Dialect, ...] = (Vertex(), Invoke())
