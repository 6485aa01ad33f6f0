"""Neutral events -> the events and the final response object of this dialect, before they are numbered and framed.

One part is one output item, and items never overlap: while one is open, later parts wait, in order. The final object's
``output`` is the list of the items as they were announced done, so that it equals the sum of the deltas. Empty text is
not an item. A custom tool's input is sent when its call has ended, because it is JSON until then. An item is announced
done when something follows it, because only then is it known to be complete: the last one of an answer that ended too
early is incomplete. Source: openai.types.responses.ResponseStreamEvent.
"""

from __future__ import annotations

from collections.abc import Sequence

from nexus.conversation.events import Event
from nexus.conversation.parts import Citation, Reasoning, Refusal, Signature, Stop, StreamPart
from nexus.protocols.codec import Envelope
from nexus.protocols.ordered_writer import EventWriter, PartOrder
from nexus.protocols.responses.items import ItemComposer, ReasoningComposer, ResponseEvent, item_composer
from nexus.protocols.responses.response_object import write_response_object
from nexus.protocols.responses.signatures import HERE, OWN
from nexus.protocols.responses.stops import write_stop
from nexus.protocols.responses.tools import ClientCalls
from nexus.protocols.responses.usage import write_usage
from nexus.protocols.signatures import NEXT, PREVIOUS, pack_neighbours
from nexus.wire import Json


class Composer(EventWriter[Sequence[ResponseEvent]]):
    """Takes events; returns what to send. ``response`` is the object so far, final after ResponseEnd."""

    _nothing = ()

    def __init__(self, envelope: Envelope) -> None:
        super().__init__()
        self.response = write_response_object(envelope)
        self._envelope = envelope
        self.output: list[Json] = []
        self.complete = False
        self._id_suffix = envelope.id.removeprefix("resp_")
        self._names = ClientCalls(envelope.request)
        self._index = 0
        self._current: ItemComposer | None = None
        self._ended: tuple[StreamPart, ItemComposer, Signature | None] | None = None
        self._order = PartOrder()

    def add(self, event: Event) -> list[ResponseEvent]:
        return [one for due in self._order.feed(event) for one in self.write(due)]

    def _begin(self) -> list[ResponseEvent]:
        return [self._lifecycle("response.created"), self._lifecycle("response.in_progress")]

    def _lifecycle(self, kind: str) -> ResponseEvent:
        return ResponseEvent(kind, {"response": dict(self.response)})

    def _open(self, index: int, part: StreamPart) -> list[ResponseEvent]:
        events = self._release(whole=True)
        self._index = index
        self._current = composer = item_composer(part, self._names, self._id_suffix)
        begun = self._start(part, composer) if composer.begins == "at_once" else self._extend(index, composer.first)
        return [*events, *begun]

    def _start(self, part: StreamPart, composer: ItemComposer) -> list[ResponseEvent]:
        """The item's start, after the carrier of its signature, with the part's first content."""
        signature = None if isinstance(part, (Reasoning, Refusal)) else part.signature
        events = [] if signature is None else self._carrier(signature, NEXT)
        events += composer.begin(len(self.output))
        return events + (composer.extend(composer.first) if composer.begins == "at_once" and composer.first else [])

    def _extend(self, index: int, words: str) -> list[ResponseEvent]:
        composer = self._current
        if not words or composer is None:
            return []
        begun = [] if composer.begun or composer.begins == "whole" else self._start(self._part, composer)
        return begun + composer.extend(words)

    def _cite(self, index: int, citation: Citation) -> list[ResponseEvent]:
        """Cites in the open item only: nothing can be added to an earlier one."""
        composer = self._current
        return composer.cite(citation) if composer is not None and composer.begun and index == self._index else []

    def _close(self, index: int, late: Signature | None) -> list[ResponseEvent]:
        assert self._current is not None
        self._ended = (self._part, self._current, late)
        self._current = None
        return []

    def _release(self, *, whole: bool) -> list[ResponseEvent]:
        """The end of the item that ended last."""
        if self._ended is None:
            return []
        part, composer, late = self._ended
        self._ended = None
        if isinstance(part, Reasoning):
            return self._done(composer, composer.end(late or part.signature, whole=whole))
        early = None if isinstance(part, Refusal) else part.signature
        begun = self._start(part, composer) if composer.begins == "whole" else []
        if not composer.begun:
            signature = late or early
            return [] if signature is None else self._carrier(signature, HERE)
        events = begun + self._done(composer, composer.end(None, whole=whole))
        return events + ([] if late is None or late == early else self._carrier(late, PREVIOUS))

    def _carrier(self, signature: Signature, place: str) -> list[ResponseEvent]:
        composer = ReasoningComposer(Reasoning(""), self._id_suffix)
        begun = composer.begin(len(self.output))
        return begun + self._done(composer, composer.end_with(pack_neighbours(signature, place, OWN)))

    def _done(self, composer: ItemComposer, events: list[ResponseEvent]) -> list[ResponseEvent]:
        self.output.append(composer.item)
        return events

    def _finish(self, stop: Stop) -> list[ResponseEvent]:
        self.complete = True
        self.response |= write_stop(stop, refused=self._refused)
        events = self._release(whole=self.response["status"] == "completed")
        if self.response["status"] == "completed":
            now = self._envelope.now
            self.response["completed_at"] = self._envelope.created if now is None else now()
        self.response |= {"output": list(self.output), "usage": write_usage(self._usage)}
        return [*events, self._lifecycle(f"response.{self.response['status']}")]
