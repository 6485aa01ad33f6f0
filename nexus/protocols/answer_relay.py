"""How an answer gets from a vendor to a client."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from nexus.conversation.tap import Tap
from nexus.errors.failure import VendorFailure
from nexus.protocols.sse import Frame


class AnswerRelay(ABC):
    """Turns a vendor's answer, whole or frame by frame, into what the client reads; a tap reads along.

    ``begun`` says that the model is at work, thinking at least; ``content`` that the first of what the answer consists
    of went by, behind which no other attempt can answer; ``complete`` that the answer's terminal event did; ``ended``
    that nothing of value can follow, though the terminator did not come yet; ``cut`` that the answer was ended here,
    and the vendor still writes. ``failure`` is the error that the vendor tells in an answer that passes as it is.
    ``content_type`` is None where the vendor's own holds.
    """

    content_type: str | None = None
    piecewise: ClassVar[bool] = False
    """Whether a whole answer may pass before its end: a long one, or one that is no JSON."""

    opaque: ClassVar[bool] = False
    """Whether nothing of an answer is read, streams of events among them."""

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
        """A whole answer. Raises VendorError for an error in its place; ValueError when it cannot be read but must
        be."""

    def frame(self, frame: Frame) -> bytes:
        """One event of a stream; b"" when there is nothing in it for the client. Raises ValueError for garbage, and
        VendorError for an error that the client could not read as it is."""
        raise ValueError("this answer is no stream")

    def piece(self, piece: bytes) -> bytes:
        """What the client gets of a piece of a whole answer that passes before its end."""
        return piece

    def finish(self) -> bytes:
        """What is still due at the end of the vendor's bytes."""
        return b""
