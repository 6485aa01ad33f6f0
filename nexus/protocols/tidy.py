"""What is guaranteed for every vendor's answer after its reader: order, distinct ids, complete characters, a fitting
stop reason; and what the client's dialect supports.

Nothing is lost. An id made by the gateway replaces a missing one, and one that the answer or the conversation already
has, and is permanent, because the client sends it back; a stop reason that conflicts with the content is replaced by
the right one. Kimi K3 numbers the calls of each answer from 0 (vllm #50295); Claude Code 2.1.332 then loses the results
("[Tool use interrupted]"), and the model repeats its calls (NVIDIA-NeMo/Switchyard #502).
"""

from __future__ import annotations

from collections.abc import Iterable

from nexus.conversation.events import Cited, ContentDropped, Event, Order, PartDelta, PartEnd, PartStart, ResponseEnd
from nexus.conversation.parts import (
    NOTHING_ASKED,
    Image,
    Inline,
    Link,
    Part,
    Refusal,
    Request,
    Stop,
    Text,
    ToolCall,
    ToolResult,
)
from nexus.dataclasses import dataclass, field, replace
from nexus.errors import VendorError
from nexus.protocols.codec import NewId
from nexus.protocols.error_words import NAMELESS
from nexus.protocols.media import placeholder
from nexus.protocols.tool_calls import calls_of
from nexus.wire import without_half_pairs


@dataclass(frozen=True, slots=True)
class Room:
    """``images`` are the allowed sources of an image in an answer, ``late_citations`` says whether citations may follow
    the end of a text."""

    images: tuple[type[Inline] | type[Link], ...] = (Inline, Link)
    late_citations: bool = True


@dataclass(slots=True)
class Fitted:
    """Takes one answer's events; returns those that the client supports: everything else becomes text or is dropped,
    and is reported."""

    room: Room
    _worded: set[int] = field(default_factory=set)
    _ended: set[int] = field(default_factory=set)

    def feed(self, event: Event) -> Iterable[Event]:
        match event:
            case PartStart(index=index, part=Image() as image) if not isinstance(image.source, self.room.images):
                self._worded.add(index)
                words = placeholder(image).text
                return (ContentDropped("images"), PartStart(index, Text("")), PartDelta(index, words))
            case PartEnd(index=index):
                self._ended.add(index)
                # The signature belonged to the image.
                return (PartEnd(index) if index in self._worded else event,)
            case Cited(index=index) if index in self._ended and not self.room.late_citations:
                return (ContentDropped("citations"),)
            case _:
                return (event,)


class Tidy:
    """One answer's events on their way to the writer; ``request`` is what it answers."""

    def __init__(self, new_id: NewId, request: Request = NOTHING_ASKED) -> None:
        self._new_id = new_id
        self._request = request
        self._ids: set[str] | None = None
        self._refused = False
        self._halves: dict[int, str] = {}
        self._order = Order()

    def feed(self, event: Event) -> Iterable[Event]:
        """Raises IllegalOrder, and VendorError for a call without a name."""
        self._order.check(event)
        match event:
            case PartDelta():
                return self._whole_characters(event)
            case PartEnd(index=index) if index in self._halves:
                return (PartDelta(index, without_half_pairs(self._halves.pop(index))), event)
            case PartStart(part=ToolCall(name="")):
                raise VendorError(NAMELESS)
            case PartStart(part=ToolCall() as call):
                return (replace(event, part=self._distinct(call)),)
            case PartStart(part=Refusal()):
                self._refused = True
                return (event,)
            case ResponseEnd(stop=stop):
                return (ResponseEnd(fitting(stop, calls=self._ids is not None, refused=self._refused)),)
            case _:
                return (event,)

    def _distinct(self, call: ToolCall) -> ToolCall:
        if self._ids is None:
            self._ids = {one.id for one in calls_of(self._request)}
        call_id = call.id if call.id and call.id not in self._ids else self._new_id()
        self._ids.add(call_id)
        return call if call_id == call.id else replace(call, id=call_id)

    def _whole_characters(self, delta: PartDelta) -> Iterable[Event]:
        words = delta.text
        if delta.index in self._halves or not _is_whole(words):
            words = self._halves.pop(delta.index, "") + words
            if words and "\ud800" <= words[-1] <= "\udbff":
                self._halves[delta.index], words = words[-1], words[:-1]
            words = without_half_pairs(words)
        if not words:
            return ()
        return (delta if words is delta.text else PartDelta(delta.index, words),)


def _is_whole(words: str) -> bool:
    if words.isascii():
        return True
    try:
        words.encode()
    except UnicodeEncodeError:
        return False
    return True


def fitting(stop: Stop, *, calls: bool, refused: bool) -> Stop:
    """The stop that fits the content: ``tool_use`` if and only if there are calls, ``refusal`` after a refusal."""
    match stop.reason:
        case "end" if calls:
            return Stop("tool_use", raw=stop.raw)
        case "end" if refused:
            return Stop("refusal", raw=stop.raw)
        case "tool_use" if not calls:
            return Stop("end", raw=stop.raw)
        case _:
            return stop


def with_distinct_calls(request: Request) -> Request:
    """The same history, with distinct ids for calls that share one: the nth result of an id answers its nth call."""
    called: dict[str, int] = {}
    answered: dict[str, int] = {}
    ids = [call.id for call in calls_of(request)]
    if len(taken := set(ids)) == len(ids):
        return request

    def nth(call_id: str, number: int) -> str:
        form = call_id if number == 1 else f"{call_id}_{number}"
        while number > 1 and form in taken:
            form += "_"
        return form

    def distinct(part: Part) -> Part:
        match part:
            case ToolCall(id=call_id):
                called[call_id] = called.get(call_id, 0) + 1
                return replace(part, id=nth(call_id, called[call_id]))
            case ToolResult(call_id=call_id):
                answered[call_id] = min(answered.get(call_id, 0) + 1, max(1, called.get(call_id, 1)))
                return replace(part, call_id=nth(call_id, answered[call_id]))
            case _:
                return part

    messages = (replace(message, parts=tuple(map(distinct, message.parts))) for message in request.messages)
    return replace(request, messages=tuple(messages))
