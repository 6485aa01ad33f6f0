"""Events, written as a stream for a Responses client.

The complete grammar, numbered from 0 without gaps: ``response.created``, ``in_progress``, items that do not overlap,
and one of ``completed`` and ``incomplete``, which has the complete answer. Source:
openai.types.responses.ResponseStreamEvent.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.events import Event
from nexus.protocols.codec import Envelope
from nexus.protocols.responses.compact import make_composer
from nexus.protocols.responses.items import ResponseEvent
from nexus.protocols.sse import frame
from nexus.wire import Json, encode


class StreamWriter:
    def __init__(self, envelope: Envelope) -> None:
        self._composer = make_composer(envelope)
        self._number = 0

    @property
    def whole(self) -> Mapping[str, Json] | None:
        return self._composer.response if self._composer.complete else None

    def write(self, event: Event) -> bytes:
        return b"".join(map(self._frame, self._composer.add(event)))

    def _frame(self, event: ResponseEvent) -> bytes:
        numbered = {"type": event.kind, "sequence_number": self._number} | event.members
        self._number += 1
        return frame(encode(numbered), event.kind)
