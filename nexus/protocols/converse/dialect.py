"""The Converse dialect for clients: ``/model/MODEL/converse`` and ``/model/MODEL/converse-stream``.

Source: the bedrock-runtime service model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from nexus.dataclasses import replace
from nexus.errors import NexusError
from nexus.late import pattern
from nexus.protocols.bedrock_protocol import BedrockDialect, described, exception_event, exception_frame, write_error
from nexus.protocols.checks import require
from nexus.protocols.converse.read_error import is_failure
from nexus.protocols.dialect import BrokenStream, ClientRequest
from nexus.protocols.eventstream import event_message
from nexus.protocols.framing import AwsEventStream, Framing
from nexus.protocols.operation import GENERATE, Operation, match_path
from nexus.protocols.sse import frame
from nexus.wire import Json

_PATH = pattern(r"/model/(?P<model>.+)/(?P<verb>converse|converse-stream)")


def _write_event(event: str, data: str) -> bytes:
    write = exception_frame if is_failure(event) else event_message
    return write(event, data.encode())


class Converse(BedrockDialect):
    name: ClassVar[str] = "converse"
    framing: ClassVar[Framing] = AwsEventStream(_write_event)
    operations: ClassVar[tuple[Operation, ...]] = (GENERATE.matching("/model/.+/(?:converse|converse-stream)"),)
    # Not an event of the service model; AWS's SDKs ignore unknown events.
    ping: ClassVar[bytes] = b"event: ping\ndata: {}\n\n"
    id_prefix: ClassVar[str] = "conv_"

    def open(self, operation: Operation, path: str, request: ClientRequest) -> ClientRequest:
        found = match_path(_PATH, path)
        of_path = {"model": found["model"], "stream": found["verb"] == "converse-stream"}
        return replace(request, document={**request.document, **of_path}, query="")

    def check(self, document: Mapping[str, Json], operation: Operation) -> None:
        require(document, "messages", list, "an array of messages")

    def uploaded_ids(self, document: Mapping[str, Json]) -> list[tuple[str, str]]:
        """Files are named by S3 addresses; anything that looks like an id is a model's argument to a tool."""
        return []

    def error_frame(self, error: NexusError, broken: BrokenStream) -> bytes:
        found = described(error)
        return frame(write_error(found), exception_event(found.kind))


DIALECT = Converse()
