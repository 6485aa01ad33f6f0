"""The Messages dialect in Bedrock's InvokeModel: the model in the path, events as chunks of an event stream.

Source: the bedrock-runtime service model (InvokeModel, InvokeModelWithResponseStream, CountTokens) and Anthropic's SDK
for Bedrock.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from nexus.late import pattern
from nexus.protocols.bedrock_protocol import BedrockDialect, exception_event, exception_frame, write_error
from nexus.protocols.checks import a_string, an_object, wrong
from nexus.protocols.dialect import Asked
from nexus.protocols.eventstream import event_message
from nexus.protocols.framing import AwsEventStream, Framing
from nexus.protocols.messages.dialect import Messages
from nexus.protocols.messages.read_error import read_error, read_stream_error
from nexus.protocols.messages.unwrapped import unwrapped
from nexus.protocols.operation import COUNT_TOKENS, GENERATE, Operation
from nexus.protocols.rewrite import REMOVE, cut
from nexus.wire import Json, base64_bytes, decode_object, encode

_PATH = pattern(r"/model/(?P<model>.+)/(?P<verb>invoke|invoke-with-response-stream|count-tokens)")

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
    format: ClassVar[str] = "invoke"
    framing: ClassVar[Framing] = AwsEventStream(_write_event)
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

    read_error = staticmethod(read_error)


def _opened_count(asked: Asked, model: str) -> Asked:
    """Either kind of request can be counted. Raises InvalidRequest."""
    given = an_object(asked.document.get("input"), "input")
    if "converse" in given:
        document = dict(an_object(given["converse"], "input.converse"))
        inner = replace(asked, body=encode(document), document={**document, "model": model}, query="")
        return replace(inner, dialect="converse")
    path = "input.invokeModel"
    text = a_string(an_object(given.get("invokeModel"), path), "body", path)
    if (body := base64_bytes(text)) is None:
        raise wrong(f"{path}.body", "base64")
    if not (document := decode_object(body)):
        raise wrong(f"{path}.body", "a JSON object")
    asked = unwrapped(replace(asked, body=body, document=document), {"model": model})
    counted = cut(asked.body, dict.fromkeys(_OF_ANSWERS, lambda _: REMOVE))
    document = {name: value for name, value in asked.document.items() if name not in _OF_ANSWERS}
    return replace(asked, body=counted, document=document)
