"""Neutral events -> the events and the final response object of this dialect, before they are numbered and framed.

One part is one output item, and items never overlap: while one is open, what belongs to later parts waits, in
order. The final object's ``output`` is the list of the items as they were announced done, so that it equals the sum of
the deltas. Text without words is no item. A custom tool's input is told once its call has ended, being JSON until then.
An item is announced done when something follows it, for only then it is known to be whole: the last one of an answer
that ended too early is incomplete. Source: openai.types.responses.ResponseStreamEvent.
"""

from __future__ import annotations

from nexus.conversation.events import (
    Cited,
    ContentDropped,
    Event,
    PartDelta,
    PartEnd,
    PartStart,
    Ping,
    ResponseEnd,
    ResponseStart,
    UsageUpdate,
)
from nexus.conversation.parts import Reasoning, Refusal, Signature
from nexus.conversation.usage import Usage
from nexus.protocols.codec import Envelope
from nexus.protocols.part_order import PartOrder
from nexus.protocols.responses.items import ItemComposer, ReasoningComposer, ResponseEvent, item_composer
from nexus.protocols.responses.response_object import write_response_object
from nexus.protocols.responses.signatures import HERE, NEXT, PREVIOUS, pack_carrier
from nexus.protocols.responses.stops import write_stop
from nexus.protocols.responses.tools import Names
from nexus.protocols.responses.usage import write_usage
from nexus.wire import Json


class Composer:
    """Feed it events; it returns what to tell. ``response`` is the object so far, final after ResponseEnd."""

    def __init__(self, envelope: Envelope) -> None:
        self.response = write_response_object(envelope)
        self._envelope = envelope
        self.output: list[Json] = []
        self.complete = False
        self._id_suffix = envelope.id.removeprefix("resp_")
        self._names = Names(envelope.request)
        self._current: tuple[PartStart, ItemComposer] | None = None
        self._ended: tuple[PartStart, ItemComposer, Signature | None] | None = None
        self._order = PartOrder()
        self._usage = Usage()
        self._refused = False

    def add(self, event: Event) -> list[ResponseEvent]:
        return [one for due in self._order.feed(event) for one in self._add(due)]

    def _add(self, event: Event) -> list[ResponseEvent]:
        match event:
            case ResponseStart(usage=usage):
                self._usage = usage
                return [self._lifecycle("response.created"), self._lifecycle("response.in_progress")]
            case PartStart():
                return self._open(event)
            case PartDelta(text=words):
                return self._say(words)
            case Cited():
                return self._cite(event)
            case PartEnd(signature=signature):
                self._close(signature)
                return []
            case UsageUpdate(usage=usage):
                self._usage = usage
                return []
            case ContentDropped() | Ping():
                return []
            case ResponseEnd():
                return self._finish(event)

    def _lifecycle(self, kind: str) -> ResponseEvent:
        return ResponseEvent(kind, {"response": dict(self.response)})

    def _open(self, event: PartStart) -> list[ResponseEvent]:
        self._refused = self._refused or isinstance(event.part, Refusal)
        events = self._release(whole=True)
        composer = item_composer(event.part, self._names, self._id_suffix)
        self._current = (event, composer)
        return events + (self._begin(event, composer) if composer.begins == "at_once" else self._say(composer.first))

    def _begin(self, event: PartStart, composer: ItemComposer) -> list[ResponseEvent]:
        """The item's start, behind the carrier of its signature, with what the part already holds."""
        signature = None if isinstance(event.part, Reasoning | Refusal) else event.part.signature
        events = [] if signature is None else self._carrier(signature, NEXT)
        events += composer.begin(len(self.output))
        return events + (composer.say(composer.first) if composer.begins == "at_once" else [])

    def _say(self, words: str) -> list[ResponseEvent]:
        if not words or self._current is None:
            return []
        event, composer = self._current
        begun = [] if composer.begun or composer.begins == "whole" else self._begin(event, composer)
        return begun + composer.say(words)

    def _cite(self, event: Cited) -> list[ResponseEvent]:
        """For the item that is open; of an earlier one nothing more can be told."""
        if self._current is None or self._current[0].index != event.index:
            return []
        composer = self._current[1]
        return composer.cite(event.citation) if composer.begun else []

    def _close(self, late: Signature | None) -> None:
        assert self._current is not None
        self._ended = (*self._current, late)
        self._current = None

    def _release(self, *, whole: bool) -> list[ResponseEvent]:
        """The end of the item that ended last."""
        if self._ended is None:
            return []
        event, composer, late = self._ended
        self._ended = None
        if isinstance(event.part, Reasoning):
            return self._done(composer, composer.end(late or event.part.signature, whole=whole))
        early = None if isinstance(event.part, Refusal) else event.part.signature
        begun = self._begin(event, composer) if composer.begins == "whole" else []
        if not composer.begun:
            signature = late or early
            return [] if signature is None else self._carrier(signature, HERE)
        events = begun + self._done(composer, composer.end(None, whole=whole))
        return events + ([] if late is None or late == early else self._carrier(late, PREVIOUS))

    def _carrier(self, signature: Signature, place: str) -> list[ResponseEvent]:
        composer = ReasoningComposer(Reasoning(""), self._id_suffix)
        begun = composer.begin(len(self.output))
        return begun + self._done(composer, composer.end_with(pack_carrier(signature, place)))

    def _done(self, composer: ItemComposer, events: list[ResponseEvent]) -> list[ResponseEvent]:
        self.output.append(composer.item)
        return events

    def _finish(self, event: ResponseEnd) -> list[ResponseEvent]:
        self.complete = True
        self.response |= write_stop(event.stop, refused=self._refused)
        events = self._release(whole=self.response["status"] == "completed")
        if self.response["status"] == "completed":
            now = self._envelope.now
            self.response["completed_at"] = self._envelope.created if now is None else now()
        self.response |= {"output": list(self.output), "usage": write_usage(self._usage)}
        return [*events, self._lifecycle(f"response.{self.response['status']}")]
