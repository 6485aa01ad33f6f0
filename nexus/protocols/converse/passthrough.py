"""Converse to Converse: the client's bytes to Bedrock and Bedrock's bytes back; neither names a model.

Another vendor's thinking is removed, because Bedrock could not verify its signature.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.errors import VendorError
from nexus.protocols.answer_relay import Passthrough
from nexus.protocols.checks import blocks_in
from nexus.protocols.codec import Target
from nexus.protocols.contract import Document
from nexus.protocols.converse.read_error import is_answer, is_failure, read_no_answer, read_stream_error
from nexus.protocols.converse.signatures import is_foreign
from nexus.protocols.converse.usage import read_usage
from nexus.protocols.dialect import Passing
from nexus.protocols.rewrite import ANY, Edited
from nexus.protocols.signatures import without_blocks
from nexus.protocols.sse import Frame
from nexus.wire import Json, mapping, text


def edit_request(raw: bytes, document: Mapping[str, Json], target: Target) -> Edited:
    # A redacted tag is base64, so no search for tags finds it.
    if not any("reasoningContent" in block for block in blocks_in(document)):
        return Edited(raw)
    return Edited(raw).without({"messages": {ANY: _judge}}, "messages.reasoningContent")


def _judge(message: bytes) -> bytes | None:
    return without_blocks(message, is_foreign) if b'"reasoningContent"' in message else None


class ConversePassthrough(Passthrough):
    delta = "contentBlockDelta"

    def _whole(self, raw: bytes, answer: Document) -> bytes:
        if not is_answer(answer):
            raise VendorError(read_no_answer(answer))
        self._read(answer)
        return raw

    def _event(self, frame: Frame, event: Document) -> bytes:
        name = frame.event or ""
        if is_failure(name):
            self._ends(read_stream_error(name, event))
            return frame.raw
        self.begun = self.begun or name in ("contentBlockStart", "contentBlockDelta")
        self.content = self.content or (name == "contentBlockDelta" and _has_content(event.get("delta")))
        self._read(event)
        self.ended = self.ended or name == "messageStop"
        # The usage comes last.
        self.complete = self.complete or (self.ended and name == "metadata")
        return frame.raw

    def _read(self, holder: Mapping[str, Json]) -> None:
        if reason := text(holder.get("stopReason")):
            self.tap.stop_reason = reason
        if usage := mapping(holder.get("usage")):
            self.tap.usage = read_usage(usage, holder.get("serviceTier"))


def _has_content(delta: Json) -> bool:
    """Whether a delta contains any text, at any depth."""
    return any(_has_content(value) if isinstance(value, dict) else bool(value) for value in mapping(delta).values())


PASSING = Passing(edit_request, lambda document, model, tap: ConversePassthrough(tap))
