"""The Converse dialect for clients: ``/model/MODEL/converse`` and ``/model/MODEL/converse-stream``.

Source: the bedrock-runtime service model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from nexus.conversation.tap import Tap
from nexus.errors import NexusError, UpstreamStatus
from nexus.operation import GENERATE, Operation
from nexus.protocols import bedrock_protocol
from nexus.protocols.bedrock_protocol import BEDROCK, event_frame, exception_event, exception_frame
from nexus.protocols.codec import Target
from nexus.protocols.converse.passthrough import ConversePassthrough, edit_request
from nexus.protocols.converse.read_error import is_failure, read_error
from nexus.protocols.dialect import Asked, BrokenStream, Dialect, Edited, ModelCard, RateLimit, require
from nexus.protocols.framing import AwsEventStream, Framing
from nexus.protocols.protocol import Protocol
from nexus.protocols.sse import frame
from nexus.wire import Json

_PATH = re.compile(r"/model/(?P<model>.+)/(?P<verb>converse|converse-stream)")


def _write_event(event: str, data: str) -> bytes:
    write = exception_frame if is_failure(event) else event_frame
    return write(event, data.encode())


class Converse(Dialect):
    name: ClassVar[str] = "converse"
    protocol: ClassVar[Protocol] = BEDROCK
    any_id: ClassVar[bool] = True
    framing: ClassVar[Framing] = AwsEventStream(_write_event)
    takes_any_type: ClassVar[bool] = True
    passes_errors: ClassVar[bool] = False
    operations: ClassVar[tuple[Operation, ...]] = (GENERATE.matching("/model/.+/(?:converse|converse-stream)"),)
    # No event of the service model's; AWS's SDKs pass over those that they do not know.
    ping: ClassVar[bytes] = b"event: ping\ndata: {}\n\n"
    id_prefix: ClassVar[str] = "conv_"
    id_header: ClassVar[str] = bedrock_protocol.REQUEST_ID

    def open(self, operation: Operation, path: str, asked: Asked) -> Asked:
        found = _PATH.fullmatch(path)
        if found is None:
            raise ValueError(f"not a path of this dialect: {path}")
        of_path = {"model": found["model"], "stream": found["verb"] == "converse-stream"}
        return replace(asked, document={**asked.document, **of_path}, query="")

    def check(self, document: Mapping[str, Json], operation: Operation) -> None:
        require(document, "messages", list, "an array of messages")

    def edit_request(
        self, raw: bytes, document: Mapping[str, Json], model: str, *, ask_usage: bool, target: Target | None = None
    ) -> Edited:
        return edit_request(raw)

    def uploaded_ids(self, document: Mapping[str, Json]) -> list[tuple[str, str]]:
        """Files are named by addresses in S3; what looks like an id is a model's word to a tool."""
        return []

    def passthrough(self, document: Mapping[str, Json], model: str, tap: Tap) -> ConversePassthrough:
        return ConversePassthrough(tap)

    def write_error(self, error: NexusError, request_id: str) -> bytes:
        return bedrock_protocol.write_error(*_described(error))

    def error_headers(self, error: NexusError) -> dict[str, str]:
        return bedrock_protocol.error_headers(_described(error)[0], error.status)

    def error_frame(self, error: NexusError, broken: BrokenStream) -> bytes:
        kind, message = _described(error)
        return frame(bedrock_protocol.write_error(kind, message), exception_event(kind))

    def rate_limit_headers(self, limits: Sequence[RateLimit], now: float) -> dict[str, str]:
        return {}

    def write_count(self, tokens: int) -> dict[str, Json]:
        return {"inputTokens": tokens}

    def write_model(self, card: ModelCard) -> dict[str, Json]:
        raise NotImplementedError

    def write_models(self, cards: list[ModelCard], query: Mapping[str, str]) -> dict[str, Json]:
        raise NotImplementedError


def _described(error: NexusError) -> tuple[str, str]:
    if isinstance(error, UpstreamStatus):
        failure = read_error(error.status, error.headers, error.body)
        return failure.kind, failure.message
    return error.kind, error.message


DIALECT = Converse()
