"""The messages dialect in the envelopes of Vertex AI and of Bedrock's InvokeModel, as Claude Code writes it there."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from typing import ClassVar
from urllib.parse import quote

from nexus.cli.smoke.dialect import Body, demand
from nexus.cli.smoke.exchange import Failed, Reply
from nexus.cli.smoke.messages import Messages
from nexus.protocols.sse import Frame
from nexus.wire import Json, mapping, text


class VertexMessages(Messages):
    """``rawPredict`` and ``streamRawPredict``."""

    name: ClassVar[str] = "vertex"
    protocol: ClassVar[str] = "vertex"
    headers: ClassVar[dict[str, str]] = {}
    lists_models: ClassVar[bool] = False

    def carry(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def address(self, model: str, *, stream: bool) -> str:
        verb = "streamRawPredict" if stream else "rawPredict"
        parent = "/v1/projects/smoke/locations/global/publishers/anthropic/models"
        return f"{parent}/{quote(model, safe='@')}:{verb}"

    def request(self, model: str, content: str | Sequence[Json], *, stream: bool, usage: bool) -> Body:
        body = super().request(model, content, stream=stream, usage=usage)
        return {name: value for name, value in body.items() if name != "model"} | {
            "anthropic_version": "vertex-2023-10-16"
        }


class BedrockInvoke(Messages):
    """``invoke`` and ``invoke-with-response-stream``, whose events come in frames of AWS's event stream."""

    name: ClassVar[str] = "invoke"
    protocol: ClassVar[str] = "bedrock"
    headers: ClassVar[dict[str, str]] = {}
    lists_models: ClassVar[bool] = False

    def carry(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def address(self, model: str, *, stream: bool) -> str:
        return f"/model/{quote(model, safe='')}/{'invoke-with-response-stream' if stream else 'invoke'}"

    def request(self, model: str, content: str | Sequence[Json], *, stream: bool, usage: bool) -> Body:
        body = super().request(model, content, stream=False, usage=usage)
        return {name: value for name, value in body.items() if name != "model"} | {
            "anthropic_version": "bedrock-2023-05-31"
        }

    def frames(self, reply: Reply) -> Iterator[Frame]:
        for kind, payload in reply.events():
            demand(kind == "chunk", f"the stream holds an event {kind}")
            try:
                data = base64.b64decode(text(mapping(json.loads(payload)).get("bytes")), validate=True).decode()
                event = text(mapping(json.loads(data)).get("type"))
            except (ValueError, binascii.Error) as error:
                raise Failed("the stream holds a chunk that is not JSON in base64") from error
            yield Frame(payload, event, data)
