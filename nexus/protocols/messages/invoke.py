"""The Messages dialect as Bedrock's InvokeModel has it: the model in the path, events as chunks of an event stream.

Source: the bedrock-runtime service model (InvokeModel, InvokeModelWithResponseStream, CountTokens) and Anthropic's SDK
for Bedrock.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from nexus.errors import InvalidRequest, NexusError, UpstreamStatus
from nexus.operation import COUNT_TOKENS, GENERATE, Operation
from nexus.protocols import bedrock_protocol
from nexus.protocols.bedrock_protocol import BEDROCK, event_frame, exception_event, exception_frame
from nexus.protocols.checks import a_string, an_object
from nexus.protocols.dialect import Asked, RateLimit
from nexus.protocols.framing import AwsEventStream, Framing
from nexus.protocols.messages.dialect import Messages
from nexus.protocols.messages.read_error import read_error, read_stream_error
from nexus.protocols.messages.unwrapped import unwrapped
from nexus.protocols.protocol import Protocol
from nexus.protocols.rewrite import REMOVE, cut
from nexus.wire import Json, decode_object, encode

_PATH = re.compile(r"/model/(?P<model>.+)/(?P<verb>invoke|invoke-with-response-stream|count-tokens)")

_OF_ANSWERS = frozenset(
    {"max_tokens", "stop_sequences", "stream", "temperature", "top_p", "top_k", "metadata", "service_tier"}
)
"""What InvokeModel has, and a request to count has no place for: anthropic.types.MessageCountTokensParams."""


def _write_event(event: str, data: str) -> bytes:
    if event == "error":
        failure = read_stream_error(decode_object(data))
        payload = bedrock_protocol.write_error(failure.kind, failure.message)
        return exception_frame(exception_event(failure.kind), payload)
    return event_frame("chunk", encode({"bytes": base64.b64encode(data.encode()).decode()}))


class Invoke(Messages):
    format: ClassVar[str] = "invoke"
    protocol: ClassVar[Protocol] = BEDROCK
    any_id: ClassVar[bool] = True
    framing: ClassVar[Framing] = AwsEventStream(_write_event)
    id_header: ClassVar[str] = bedrock_protocol.REQUEST_ID
    takes_any_type: ClassVar[bool] = True
    passes_errors: ClassVar[bool] = False
    operations: ClassVar[tuple[Operation, ...]] = (
        GENERATE.matching("/model/.+/(?:invoke|invoke-with-response-stream)"),
        COUNT_TOKENS.matching("/model/.+/count-tokens"),
    )

    def open(self, operation: Operation, path: str, asked: Asked) -> Asked:
        found = _PATH.fullmatch(path)
        if found is None:
            raise ValueError(f"not a path of this format: {path}")
        if operation.relay == "count":
            return _opened_count(asked, found["model"])
        return unwrapped(asked, {"model": found["model"], "stream": found["verb"] != "invoke"})

    def check(self, document: Mapping[str, Json], operation: Operation) -> None:
        if operation.relay == "answer":
            super().check(document, operation)

    def write_error(self, error: NexusError, request_id: str) -> bytes:
        return bedrock_protocol.write_error(*_described(error))

    def error_headers(self, error: NexusError) -> dict[str, str]:
        return bedrock_protocol.error_headers(_described(error)[0], error.status)

    def rate_limit_headers(self, limits: Sequence[RateLimit], now: float) -> dict[str, str]:
        return {}

    def write_count(self, tokens: int) -> dict[str, Json]:
        return {"inputTokens": tokens}


def _described(error: NexusError) -> tuple[str, str]:
    """The kind and the words of an error, those of the vendor in its answer to a Messages request."""
    if isinstance(error, UpstreamStatus):
        failure = read_error(error.status, error.headers, error.body)
        return failure.kind, failure.message
    return error.kind, error.message


def _opened_count(asked: Asked, model: str) -> Asked:
    """Either kind of request can be counted. Raises InvalidRequest."""
    given = an_object(asked.document.get("input"), "input")
    if "converse" in given:
        document = dict(an_object(given["converse"], "input.converse"))
        inner = replace(asked, body=encode(document), document={**document, "model": model}, query="")
        return replace(inner, dialect="converse")
    path = "input.invokeModel"
    text = a_string(an_object(given.get("invokeModel"), path), "body", path)
    try:
        body = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise InvalidRequest(f"{path}.body: expected base64", param=f"{path}.body") from error
    document = decode_object(body)
    if not document:
        raise InvalidRequest(f"{path}.body: expected a JSON object", param=f"{path}.body")
    asked = unwrapped(replace(asked, body=body, document=document), {"model": model})
    counted = cut(asked.body, dict.fromkeys(_OF_ANSWERS, lambda _: REMOVE))
    document = {name: value for name, value in asked.document.items() if name not in _OF_ANSWERS}
    return replace(asked, body=counted, document=document)
