"""The responses dialect: OpenAI's ``/v1/responses``, which Codex and the OpenAI SDK speak.

Everything a client of this dialect sees is written in this folder; after a translation nothing is stored. The ping is a
comment: there is no published event type for it, and before ``response.created`` the SDK's stream helper accepts no
event at all. Only Codex gets OpenAI's own ``keepalive`` event, because comments do not reset its idle timeout. Sources:
OpenAI's API reference and the types of its Python SDK; openai/codex, codex-api/src/sse/responses.rs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from nexus.errors import NexusError, UnsupportedFeature
from nexus.late import pattern
from nexus.models import gpt
from nexus.protocols.checks import require
from nexus.protocols.codec import Target
from nexus.protocols.dialect import BrokenStream
from nexus.protocols.openai_protocol import OpenAIDialect
from nexus.protocols.operation import COMPACT, COUNT_TOKENS, GENERATE, STORED, Operation
from nexus.protocols.sse import frame
from nexus.wire import Json, encode

_KEPT = pattern(r"/responses/(resp_[0-9a-f]{32})(?:/cancel|/input_items)?")
"""Paths of answers with ids made by Nexus."""


class Responses(OpenAIDialect):
    name: ClassVar[str] = "responses"
    operations: ClassVar[tuple[Operation, ...]] = (
        GENERATE.at("/responses"),
        COUNT_TOKENS.at("/responses/input_tokens"),
        COMPACT.at("/responses/compact"),
        STORED.at(
            r"/responses/[A-Za-z0-9_-]{1,200}(?:/cancel|/input_items)?"
            r"|/conversations(?:/[A-Za-z0-9_-]{1,200}(?:/items(?:/[A-Za-z0-9_-]{1,200})?)?)?"
        ),
    )
    id_prefix: ClassVar[str] = "resp_"
    stored_fields: ClassVar[tuple[str, ...]] = ("prompt",)

    def check(self, document: Mapping[str, Json], operation: Operation) -> None:
        """Input may be missing: a stored prompt or conversation can have it."""
        if document.get("input") is not None:
            require(document, "input", (str, list), "a string or an array of items")

    def uses_rejected_options(self, document: Mapping[str, Json], target: Target) -> bool:
        return target.gpt is not None and gpt.responses_uses_rejected_options(target.gpt, document)

    def kept_id(self, path: str) -> str | None:
        found = _KEPT.fullmatch(path)
        return found.group(1) if found else None

    has_vendor_ids: ClassVar[bool] = True

    def vendor_ids(self, path: str, document: Mapping[str, Json]) -> list[tuple[str, str]]:
        from nexus.protocols.responses.earlier_answers import vendor_ids

        return vendor_ids(path, document)

    def answer_of(self, id: str) -> str:
        from nexus.protocols.responses.earlier_answers import answer_of

        return answer_of(id)

    def sealed_ids(self, document: Mapping[str, Json]) -> list[tuple[str, str]]:
        from nexus.protocols.responses.earlier_answers import sealed_ids

        return sealed_ids(document)

    def read_kept(self, record: Mapping[str, Json], method: str, path: str) -> dict[str, Json]:
        from nexus.protocols.responses.earlier_answers import stored_answer

        answer = stored_answer(record)
        if path.endswith(("/cancel", "/input_items")):
            raise UnsupportedFeature("a stored translated answer can only be fetched and deleted")
        if method == "DELETE":
            return {"id": answer.get("id"), "object": "response", "deleted": True}
        return dict(answer)

    def keepalive(self, headers: Mapping[str, str], events: int) -> bytes:
        if not is_codex(headers):
            return self.ping
        return b": nexus\n" + frame(encode({"type": "keepalive", "sequence_number": max(0, events - 1)}), "keepalive")

    def error_frame(self, error: NexusError, broken: BrokenStream) -> bytes:
        from nexus.protocols.responses.write_error import write_frames

        response_id = broken.answer_id or self.id_prefix + broken.request_id.removeprefix("req_")
        return write_frames(error, response_id, broken, codex=is_codex(broken.headers))

    def write_count(self, tokens: int) -> dict[str, Json]:
        return {"object": "response.input_tokens", "input_tokens": tokens}


def is_codex(headers: Mapping[str, str]) -> bool:
    """Whether the client with these headers (lower-case names) is Codex."""
    return headers.get("originator", "").startswith("codex") or any(name.startswith("x-codex-") for name in headers)


DIALECT = Responses()
