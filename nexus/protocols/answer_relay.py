"""The relay of an answer from a vendor to a client."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from nexus.conversation.tap import Tap
from nexus.errors.failure import VendorFailure
from nexus.protocols.sse import Frame


class AnswerRelay(ABC):
    """Turns a vendor's answer, complete or frame by frame, into what the client reads; a tap reads along.

    ``begun`` says that the model is at work, at least thinking; ``content`` that the first content went by, after which
    no other attempt can answer; ``complete`` that the answer's terminal event did; ``ended`` that nothing relevant can
    follow, though the terminator has not come yet; ``cut`` that the answer was ended here while the vendor is still
    writing. ``failure`` is the vendor's error in an answer that passes unchanged. ``content_type`` is None if the
    vendor's own applies.
    """

    content_type: str | None = None
    piecewise: ClassVar[bool] = False
    """Whether a complete answer may be forwarded before its end: a long one, or one that is not JSON."""

    opaque: ClassVar[bool] = False
    """Whether answers are not read at all, including event streams."""

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        self.begun = False
        self.content = False
        self.failure: VendorFailure | None = None
        self.complete = False
        self.ended = False
        self.unread = False
        self.cut = False

    @abstractmethod
    def body(self, raw: bytes) -> bytes:
        """A complete answer. Raises VendorError for an error in its place, ValueError if it cannot be read but must
        be."""

    def frame(self, frame: Frame) -> bytes:
        """One event of a stream; b"" if it has nothing for the client. Raises ValueError for invalid data, VendorError
        for an error that the client could not read as it is."""
        raise ValueError("this answer is no stream")

    def piece(self, piece: bytes) -> bytes:
        """The client's bytes for a piece of a complete answer that is forwarded before its end."""
        return piece

    def finish(self) -> bytes:
        """Remaining bytes at the end of the vendor's bytes."""
        return b""
