"""The relay of an answer from a vendor to a client, what is read off it on the way, and what the passthrough of every
dialect has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from nexus.conversation.usage import Usage
from nexus.dataclasses import dataclass, field
from nexus.errors.failure import VendorFailure
from nexus.protocols.contract import Document
from nexus.protocols.sse import DONE, Frame
from nexus.wire import Json, decode_leniently, mapping

SEALED = "sealed_"
"""Prefix of ids made by Nexus for encrypted content, which only the account that created it can read."""


@dataclass(slots=True)
class Tap:
    """What is read off the bytes that pass: filled on success, on failure and when the client disconnected.

    ``events`` counts those that the client gets, in dialects that number them. ``answer_id`` is the answer's id in
    dialects whose vendors store answers. ``ids`` are those of objects that the vendor stores, and those with SEALED,
    until they are taken from here; True for objects that it stores even if the request turns storing off. ``units`` is
    usage that the vendor reports in other units than tokens, such as seconds.
    """

    model: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    units: Mapping[str, Json] | None = field(default=None, compare=False, repr=False)
    events: int = field(default=0, compare=False)
    answer_id: str = field(default="", compare=False)
    ids: dict[str, bool] = field(default_factory=dict, compare=False)


class AnswerRelay(ABC):
    """Turns a vendor's answer, complete or frame by frame, into what the client reads; a tap reads along.

    ``begun`` says that the model is at work, at least thinking; ``content`` that the first content went by, after which
    no other attempt can answer; ``complete`` that the answer's terminal event did; ``ended`` that nothing relevant can
    follow, though the terminator has not come yet; ``unsure`` that only its last bytes decide whether it is an answer,
    if it has no content; ``cut`` that the answer was ended here while the vendor is still writing. ``failure`` is the
    vendor's error in an answer that passes unchanged. ``content_type`` is None if the vendor's own applies.
    """

    content_type: str | None = None
    piecewise: ClassVar[bool] = False
    """Whether a complete answer may be forwarded before its end: a long one, or one that is not JSON."""

    opaque: ClassVar[bool] = False
    """Whether answers are not read at all, including event streams: they pass only in pieces."""

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        self.begun = False
        self.content = False
        self.failure: VendorFailure | None = None
        self.complete = False
        self.ended = False
        self.unsure = False
        self.cut = False

    @abstractmethod
    def body(self, raw: bytes) -> bytes:
        """A complete answer. Raises VendorError for an error in its place, ValueError if it cannot be read."""

    def frame(self, frame: Frame) -> bytes:
        """One event of a stream; b"" if it has nothing for the client. Raises ValueError for invalid data, VendorError
        for an error that the client could not read as it is."""
        raise ValueError("this answer is not a stream")

    def piece(self, piece: bytes) -> bytes:
        """The client's bytes for a piece of a complete answer that is forwarded before its end."""
        return piece

    def finish(self) -> bytes:
        """Remaining bytes at the end of the vendor's bytes."""
        return b""


class Opaque(AnswerRelay):
    """An answer that passes unread."""

    piecewise = True
    opaque = True

    def body(self, raw: bytes) -> bytes:
        return raw


class Passthrough(AnswerRelay):
    """Forwards the bytes, except for a dialect's edits, and reads them on the way; anything that only the client
    understands is not read."""

    done_completes: ClassVar[bool] = False
    """Whether ``[DONE]`` is the dialect's own terminator, and not only an addition of some servers."""

    delta: ClassVar[str] = ""
    """Suffix of the names of events that are not read once content has passed; "" if there are none."""

    def body(self, raw: bytes) -> bytes:
        answer = mapping(decode_leniently(raw)) if raw.strip() else {}
        self.complete = True
        return self._whole(raw, answer)

    def frame(self, frame: Frame) -> bytes:
        if frame.data is None or (self.content and self.delta and (frame.event or "").endswith(self.delta)):
            return frame.raw
        if frame.data.strip() == DONE:
            self.complete, self.ended = self.complete or self.done_completes, True
            return frame.raw
        try:
            event = mapping(decode_leniently(frame.data or "{}"))
        except ValueError:
            return frame.raw
        return self._event(frame, event)

    @abstractmethod
    def _whole(self, raw: bytes, answer: Document) -> bytes:
        """A complete answer, decoded. Raises VendorError if it is not one."""

    def _event(self, frame: Frame, event: Document) -> bytes:
        return super().frame(frame)

    def _ends(self, failure: VendorFailure) -> None:
        """The vendor's own error event: it is forwarded unchanged, and nothing follows it."""
        self.complete, self.tap.stop_reason, self.failure = True, "error", failure
