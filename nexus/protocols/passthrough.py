"""What passthrough answers have in common: their bytes are forwarded, except for a dialect's edits, and read on the
way.

Anything that only the client understands is not read.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from nexus.errors.failure import VendorFailure
from nexus.protocols.dialect import AnswerRelay
from nexus.protocols.sse import DONE, Frame
from nexus.wire import Json, decode, mapping

Document = Mapping[str, Json]


class Passthrough(AnswerRelay):
    done_completes: ClassVar[bool] = False
    """Whether ``[DONE]`` is the dialect's own terminator, and not only an addition of some servers."""

    def body(self, raw: bytes) -> bytes:
        self.complete = True
        try:
            answer = mapping(decode(raw)) if raw.strip() else {}
        except ValueError:
            self.unread = True
            return raw
        return self._whole(raw, answer)

    def frame(self, frame: Frame) -> bytes:
        if frame.data is None:
            return frame.raw
        if frame.data.strip() == DONE:
            self.complete, self.ended = self.complete or self.done_completes, True
            return frame.raw
        try:
            event = mapping(decode(frame.data or "{}"))
        except ValueError:
            return frame.raw
        return self._event(frame, event)

    @abstractmethod
    def _whole(self, raw: bytes, answer: Document) -> bytes:
        """Raises VendorError if it is not an answer."""

    def _event(self, frame: Frame, event: Document) -> bytes:
        """One event of a stream, decoded."""
        return super().frame(frame)

    def _ends(self, failure: VendorFailure) -> None:
        """The vendor's own error event: it is forwarded unchanged, and nothing follows it."""
        self.complete, self.tap.stop_reason, self.failure = True, "error", failure
