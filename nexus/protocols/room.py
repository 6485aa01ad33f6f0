"""What a client's dialect supports in an answer; everything else becomes text or is dropped, and is reported.

Pure; neutral events in, neutral events out, for complete answers and streams alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from nexus.conversation.events import Cited, ContentDropped, Event, PartDelta, PartEnd, PartStart
from nexus.conversation.parts import Image, Inline, Link, Text
from nexus.dataclasses import dataclass
from nexus.protocols.images import placeholder


@dataclass(frozen=True, slots=True)
class Room:
    """``images`` are the allowed sources of an image in an answer, ``late_citations`` says whether citations may follow
    the end of a text."""

    images: tuple[type[Inline] | type[Link], ...] = (Inline, Link)
    late_citations: bool = True


@dataclass(slots=True)
class Fitted:
    """Takes one answer's events; returns those that the client supports."""

    room: Room
    _worded: set[int] = field(default_factory=set)
    _ended: set[int] = field(default_factory=set)

    def feed(self, event: Event) -> Iterator[Event]:
        match event:
            case PartStart(index=index, part=Image() as image) if not isinstance(image.source, self.room.images):
                self._worded.add(index)
                yield ContentDropped("images")
                yield PartStart(index, Text(""))
                yield PartDelta(index, placeholder(image).text)
            case PartEnd(index=index):
                self._ended.add(index)
                # The signature belonged to the image.
                yield PartEnd(index) if index in self._worded else event
            case Cited(index=index) if index in self._ended and not self.room.late_citations:
                yield ContentDropped("citations")
            case _:
                yield event
