"""Events, written as a stream for a Responses client.

Law: the complete grammar, numbered from 0 without gaps: ``response.created``, ``in_progress``, items that do not
overlap, and one of ``completed`` and ``incomplete``, which carries the whole answer. A broken stream needs no closing:
an item that was cut must not be announced done (items.py). Source: openai.types.responses.ResponseStreamEvent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nexus.conversation.events import Event
from nexus.conversation.parts import Request
from nexus.protocols.ordered_writer import OrderedWriter
from nexus.protocols.responses.compact import make_composer
from nexus.protocols.responses.items import ResponseEvent
from nexus.protocols.sse import frame
from nexus.wire import Json, encode


class StreamWriter(OrderedWriter):
    """``request`` is what the answer repeats; ``include_usage`` changes nothing; ``now`` as a Composer takes it."""

    def __init__(
        self,
        *,
        model: str,
        response_id: str,
        created: int,
        include_usage: bool,
        request: Request | None = None,
        now: Callable[[], int] | None = None,
    ) -> None:
        super().__init__()
        self._composer = make_composer(model=model, response_id=response_id, created=created, request=request, now=now)
        self._number = 0

    @property
    def whole(self) -> Mapping[str, Json] | None:
        """The answer, once it is whole."""
        return self._composer.response if self._composer.complete else None

    def _write(self, event: Event) -> bytes:
        return b"".join(map(self._frame, self._composer.add(event)))

    def _frame(self, event: ResponseEvent) -> bytes:
        numbered = {"type": event.kind, "sequence_number": self._number} | event.members
        self._number += 1
        return frame(encode(numbered), event.kind)
