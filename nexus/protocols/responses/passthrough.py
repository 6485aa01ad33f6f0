"""Responses to Responses: the client's bytes to the vendor and the vendor's bytes back, with the model's name edited.

Law: bytes are spliced, never written again; items, tools and events that are unknown here pass. Only ``model`` of the
request and of the response object is touched, which some events carry as ``response``.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.call import Tap
from nexus.protocols.base import AnswerRelay
from nexus.protocols.edit import replace_member, replace_string
from nexus.protocols.responses.usage import read_usage
from nexus.protocols.sse import Frame, data_at
from nexus.wire import Json, decode, mapping, text

_TERMINAL = frozenset({"response.completed", "response.failed", "response.incomplete"})


def edit_request(raw: bytes, document: Mapping[str, Json], model: str) -> bytes:
    return replace_member(raw, document, "model", model)


class ResponsesPassthrough(AnswerRelay):
    def __init__(self, model: str, tap: Tap) -> None:
        super().__init__(tap)
        self._model = model

    def body(self, raw: bytes) -> bytes:
        answer = mapping(decode(raw))
        self._read(answer)
        self.complete = True
        return replace_member(raw, answer, "model", self._model)

    def frame(self, frame: Frame) -> bytes:
        if frame.data is None or (frame.event or "").endswith(".delta"):
            return frame.raw
        try:
            event = mapping(decode(frame.data))
        except ValueError:
            return frame.raw
        kind = event.get("type")
        if kind == "error":
            # The vendor's own ending: only its response.failed may still follow.
            self.ended, self.tap.stop_reason = True, "error"
        response = mapping(event.get("response"))
        if not response:
            return frame.raw
        self._read(response)
        if kind in _TERMINAL:
            self.complete = True
        return self._renamed(frame)

    def _renamed(self, frame: Frame) -> bytes:
        start = data_at(frame.raw)
        if start is None:
            return frame.raw
        return frame.raw[:start] + replace_string(frame.raw[start:], ("response", "model"), self._model)

    def _read(self, response: Mapping[str, Json]) -> None:
        if text(response.get("model")):
            self.tap.model = response["model"]
        if usage := mapping(response.get("usage")):
            self.tap.usage = read_usage(usage)
        reason = text(mapping(response.get("incomplete_details")).get("reason")) or text(response.get("status"))
        if reason and reason not in ("in_progress", "queued"):
            self.tap.stop_reason = reason
