"""The messages dialect on Vertex AI and in Bedrock's InvokeModel, as Claude Code uses it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from typing import ClassVar
from urllib.parse import quote

from nexus.cli.smoke.dialect import Body, demand
from nexus.cli.smoke.http import CheckFailed, Reply
from nexus.cli.smoke.messages import MessagesClient
from nexus.protocols.sse import Frame
from nexus.wire import Json, mapping, text


class HostedClient(MessagesClient):
    """Base class: the version is in the body and the model in the path."""

    headers: ClassVar[dict[str, str]] = {}
    key_header: ClassVar[str] = "authorization"
    lists_models: ClassVar[bool] = False
    version: ClassVar[str]
    in_path: ClassVar[frozenset[str]] = frozenset({"model"})
    """Body fields that the path replaces."""

    def request(self, model: str, content: str | Sequence[Json], *, stream: bool, usage: bool) -> Body:
        body = super().request(model, content, stream=stream, usage=usage)
        kept = {name: value for name, value in body.items() if name not in self.in_path}
        return kept | {"anthropic_version": self.version}


class VertexClient(HostedClient):
    """``rawPredict`` and ``streamRawPredict``."""

    name: ClassVar[str] = "vertex"
    protocol: ClassVar[str] = "vertex"
    version: ClassVar[str] = "vertex-2023-10-16"

    def address(self, model: str, *, stream: bool) -> str:
        verb = "streamRawPredict" if stream else "rawPredict"
        parent = "/v1/projects/smoke/locations/global/publishers/anthropic/models"
        return f"{parent}/{quote(model, safe='@')}:{verb}"


class InvokeClient(HostedClient):
    """``invoke`` and ``invoke-with-response-stream``, whose events are in AWS event stream messages."""

    name: ClassVar[str] = "invoke"
    protocol: ClassVar[str] = "bedrock"
    version: ClassVar[str] = "bedrock-2023-05-31"
    in_path: ClassVar[frozenset[str]] = frozenset({"model", "stream"})

    def address(self, model: str, *, stream: bool) -> str:
        return f"/model/{quote(model, safe='')}/{'invoke-with-response-stream' if stream else 'invoke'}"

    def frames(self, reply: Reply) -> Iterator[Frame]:
        for kind, payload in reply.events():
            demand(kind == "chunk", f"the stream holds an event {kind}")
            try:
                data = base64.b64decode(text(mapping(json.loads(payload)).get("bytes")), validate=True).decode()
                event = text(mapping(json.loads(data)).get("type"))
            except (ValueError, binascii.Error) as error:
                raise CheckFailed("the stream holds a chunk that is not JSON in base64") from error
            yield Frame(payload, event, data)
