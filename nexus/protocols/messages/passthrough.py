"""Messages to Messages: the client's bytes to the vendor and the vendor's bytes back, with the model's name edited.

Law: bytes are spliced, never written again; system, tools, thinking and cache hints are bound to their spelling, so
nothing but ``model`` is touched, and fields, blocks and events that are unknown here pass.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.call import Tap
from nexus.protocols.base import AnswerRelay
from nexus.protocols.edit import replace_member, replace_string
from nexus.protocols.messages.usage import merge_usage, read_usage
from nexus.protocols.sse import Frame, data_at
from nexus.wire import Json, decode, mapping


def edit_request(raw: bytes, document: Mapping[str, Json], model: str) -> bytes:
    return replace_member(raw, document, "model", model)


class MessagesPassthrough(AnswerRelay):
    def __init__(self, model: str, tap: Tap) -> None:
        super().__init__(tap)
        self._model = model
        self._usage: dict[str, Json] = {}

    def body(self, raw: bytes) -> bytes:
        answer = mapping(decode(raw))
        self._read_message(answer)
        self._read_stop(answer)
        self.complete = True
        return replace_member(raw, answer, "model", self._model)

    def frame(self, frame: Frame) -> bytes:
        if frame.data is None or frame.event == "content_block_delta":
            return frame.raw
        try:
            event = mapping(decode(frame.data))
        except ValueError:
            return frame.raw
        match event.get("type"):
            case "message_start":
                self._read_message(mapping(event.get("message")))
                return self._renamed(frame)
            case "message_delta":
                self._read_stop(mapping(event.get("delta")))
                self._read_usage(event)
            case "message_stop":
                self.complete = True
            case "error":
                # The vendor's own true ending: it passes as it is and nothing follows it.
                self.complete, self.tap.stop_reason = True, "error"
            case _:
                pass
        return frame.raw

    def _renamed(self, frame: Frame) -> bytes:
        start = data_at(frame.raw)
        if start is None:
            return frame.raw
        return frame.raw[:start] + replace_string(frame.raw[start:], ("message", "model"), self._model)

    def _read_message(self, message: Mapping[str, Json]) -> None:
        if isinstance(message.get("model"), str):
            self.tap.model = message["model"]
        self._read_usage(message)

    def _read_stop(self, holder: Mapping[str, Json]) -> None:
        if isinstance(holder.get("stop_reason"), str):
            self.tap.stop_reason = holder["stop_reason"]

    def _read_usage(self, holder: Mapping[str, Json]) -> None:
        """message_delta repeats some fields of message_start with their final values: merge by field."""
        usage = mapping(holder.get("usage"))
        if usage:
            self._usage = merge_usage(self._usage, usage)
            self.tap.usage = read_usage(self._usage)
