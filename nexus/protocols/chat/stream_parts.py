"""The parts of a streamed answer as they start, grow and end, and its tool calls, however the server numbers them.

Of text, reasoning and refusal, one is open at a time. A call may stay open in addition, because servers interleave: it
ends before something else starts only if its arguments are complete JSON.

A call is found by its index, or by its id if ids contradict the index or there is none; a new id at a used index starts
a new call, unless what follows can only continue the call at that index. Id and name count once, however often they are
repeated; arguments that repeat all earlier ones count once where JSON allows no other reading. Content without an
equivalent is reported by the vendor's name.

Sources: streams of OpenAI, vLLM, llama.cpp (repeats everything), Ollama (index always 0), Google (whole calls, no
index), Poolside (pool #9: another id after the first chunk), Qianfan (hermes-agent #35592: all arguments so far in each
chunk).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nexus.conversation.events import Event, PartDelta, PartEnd, PartStart
from nexus.conversation.parts import Image, Reasoning, Refusal, Signature, StreamPart, Text, ToolCall
from nexus.dataclasses import dataclass, field
from nexus.late import pattern
from nexus.protocols.chat.reasoning import BARE, PART, signature_of_call
from nexus.protocols.growing_json import GrowingJson
from nexus.protocols.tool_calls import NO_ARGUMENTS, read_called, spelled_json
from nexus.wire import Json, mapping, sequence, text


def read_pieces(message: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """The content of a message or delta, in order, as (kind, words): a kind of ``_EMPTY``, or "dropped"."""
    content = message.get("content")
    if isinstance(content, (str, dict)):
        yield "text", spelled_json(content)
    for part in map(mapping, sequence(content)):
        yield from read_piece(part)
    # A spoken answer includes its transcript.
    yield "text", text(mapping(message.get("audio")).get("transcript"))
    yield "refusal", text(message.get("refusal"))
    if message.get("audio"):
        yield "dropped", "audio"


def read_piece(part: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    match part.get("type"):
        case "text" | None:
            yield "text", text(part.get("text"))
        case "refusal":
            yield "refusal", text(part.get("refusal"))
        case "thinking":
            # Mistral's reasoning models: text parts inside.
            inner = part.get("thinking")
            yield "thinking", text(inner) or "".join(text(mapping(one).get("text")) for one in sequence(inner))
        case "reasoning":
            # Databricks, whose summary is often empty (goose, formats/databricks.rs).
            words = "".join(text(mapping(one).get("text")) for one in sequence(part.get("summary")))
            yield ("summary", words) if words else ("dropped", "content.reasoning")
        case "image_url":
            # Read together with the message's images.
            pass
        case kind:
            yield "dropped", f"content.{text(kind)}"


@dataclass(slots=True, eq=False)
class StreamedCall:
    """A call as far as it is known: ``sent`` counts the pieces of its arguments that were sent. ``part`` is the index
    of its part, None until its name is known; ``ended`` says that the part has ended."""

    index: int | None = None
    id: str = ""
    name: str = ""
    arguments: GrowingJson = field(default_factory=GrowingJson)
    sent: int = 0
    signature: Signature | None = None
    part: int | None = None
    ended: bool = False
    repeats: bool = False
    """Whether each piece repeats all earlier ones."""

    @property
    def whole(self) -> bool:
        """Whether only white space can follow."""
        return self.arguments.kind is not None

    @property
    def waiting(self) -> list[str]:
        """The pieces that were not sent yet."""
        return self.arguments.pieces[self.sent :]

    @property
    def is_empty(self) -> bool:
        """Whether the arguments are an empty object so far, which may only stand for those to come (autogen #6843)."""
        return not self.sent and self.arguments.pieces == ["{}"]

    def add(self, piece: str) -> None:
        """Adds a piece, without the arguments so far if it repeats them and cannot be their
        continuation."""
        length = self.arguments.length
        if not length and piece.strip() in NO_ARGUMENTS:
            piece = "{}"
        if length and length <= len(piece) and (self.repeats or piece[0] == "{"):
            known = self.arguments.text
            if piece.startswith(known):
                self.repeats = self.repeats or not _may_follow(known, piece)
                piece = piece[length:] if self.repeats else piece
        if self.is_empty and piece.strip():
            self.arguments.clear()
        if piece and (piece.strip() or not self.ended):
            self.arguments.add(piece)

    def goes_on(self, name: str, piece: str) -> bool:
        """Whether a piece with another id can only be more of this call."""
        if name and (name != self.name or piece.lstrip()[:1] in ("", "{")):
            return False
        return not self.whole


_STRING = pattern(r'"(?:[^"\\]|\\.)*"')


def _may_follow(known: str, piece: str) -> bool:
    """Whether ``known + piece`` may be JSON, if ``piece`` begins with an object's brace and key."""
    if '"' in _STRING.sub("", known):
        # Its first quote would end the string that is open.
        return piece.partition('"')[2][:1] in ("", *",:}] \n\r\t")
    return known.rstrip()[-1:] in (":", "[", ",")


class StreamedCalls:
    """Takes the deltas of one answer; returns the updated call of each. ``open`` are the calls that have not ended."""

    def __init__(self) -> None:
        self.all: list[StreamedCall] = []
        self.open: list[StreamedCall] = []
        self._at: dict[int, StreamedCall] = {}
        self._by_id: dict[str, list[StreamedCall]] = {}

    @property
    def nameless(self) -> bool:
        """Whether a call has no name so far."""
        return not all(call.name for call in self.all)

    def feed(self, delta: Mapping[str, Json]) -> StreamedCall:
        function = mapping(delta.get("function"))
        call_id, name = text(delta.get("id")), read_called(function.get("name"))
        piece = spelled_json(function.get("arguments"))
        index = delta.get("index")
        index = index if isinstance(index, int) else None
        if (call := self._find(index, call_id, name, piece)) is None:
            self.all.append(call := StreamedCall())
            self.open.append(call)
        if index is not None:
            self._at[index] = call
            call.index = index
        if call_id and not call.id:
            call.id = call_id
            self._by_id.setdefault(call_id, []).append(call)
        call.name = call.name or name
        if piece:
            call.add(piece)
        call.signature = signature_of_call(delta) or call.signature
        return call

    def _find(self, index: int | None, call_id: str, name: str, piece: str) -> StreamedCall | None:
        here = self._at.get(index) if index is not None else (self.all[-1] if self.all else None)
        if not call_id:
            return None if here is not None and _starts_another(here, name, piece) else here
        if here is not None and (here.id in ("", call_id) or (index is not None and here.goes_on(name, piece))):
            return here
        same = self._by_id.get(call_id, ())
        # The same id at another index is another call, from a server that does not make ids unique.
        return next((call for call in same if index is None or call.index in (None, index)), None)


def _starts_another(call: StreamedCall, name: str, piece: str) -> bool:
    """Whether a delta without an id starts another call at the index of ``call``."""
    return bool(name and call.name) and (name != call.name or (piece.lstrip()[:1] == "{" and call.whole))


_EMPTY: Mapping[str, StreamPart] = {
    "text": Text(""),
    "reasoning": Reasoning("", BARE),
    "thinking": Reasoning("", PART),
    "summary": Reasoning("", None),
    "refusal": Refusal(""),
}


@dataclass(slots=True)
class Prose:
    """The open text, reasoning or refusal. ``signature`` is for its end, ``detail`` the entry of ``reasoning_details``
    that it belongs to, as far as it is known."""

    kind: str
    index: int
    signature: Signature | None = None
    detail: Mapping[str, Json] | None = None


class StreamParts:
    """Puts the events of parts into ``out``."""

    def __init__(self, out: list[Event]) -> None:
        self.prose: Prose | None = None
        self.calls = StreamedCalls()
        self._started = 0
        self._out = out

    @property
    def nothing_started(self) -> bool:
        return self._started == 0

    def extend(self, kind: str, words: str) -> int:
        """Adds text; returns the index of its part."""
        index = self.open(kind).index
        self._out.append(PartDelta(index, words))
        return index

    def open(self, kind: str) -> Prose:
        """The prose of this kind, started here unless it is open."""
        prose = self.prose
        return prose if prose is not None and prose.kind == kind else self.start(kind, _EMPTY[kind])

    def start(self, kind: str, part: StreamPart) -> Prose:
        # Starting one ends the other.
        self.prose = Prose(kind, self._start(part))
        return self.prose

    def add(self, image: Image) -> None:
        self._out.append(PartEnd(self._start(image)))

    def call(self, delta: Mapping[str, Json]) -> None:
        """Adds to a call, which starts when its name is known. Raises ValueError for arguments after its end."""
        call = self.calls.feed(delta)
        if call.part is None:
            if not call.name:
                return
            call.part = self._start(ToolCall(call.id, call.name, "", call.signature))
        if call.ended and "".join(call.waiting).strip():
            raise ValueError("more arguments for a tool call whose arguments were complete")
        if not call.is_empty:
            self._send(call, call.part)

    def _send(self, call: StreamedCall, index: int) -> None:
        if not call.ended:
            self._out += [PartDelta(index, piece) for piece in call.waiting]
        call.sent = len(call.arguments.pieces)

    def end_reasoning(self) -> None:
        """Ends reasoning that nothing can follow in its part."""
        if self.prose is not None and self.prose.kind in ("reasoning", "thinking", "summary"):
            self._end_prose()

    def end_all(self) -> None:
        self._end_prose()
        self._end_calls(self.calls.open)

    def _start(self, part: StreamPart) -> int:
        """Starts a part, after the ends of those that are certainly finished; returns its index."""
        self._end_prose()
        self._end_calls([call for call in self.calls.open if call.whole])
        self._out.append(PartStart(self._started, part))
        self._started += 1
        return self._started - 1

    def _end_prose(self) -> None:
        if self.prose is not None:
            self._out.append(PartEnd(self.prose.index, self.prose.signature))
            self.prose = None

    def _end_calls(self, calls: Sequence[StreamedCall]) -> None:
        for call in calls:
            if call.part is not None and not call.ended:
                self._send(call, call.part)
                call.ended = True
                self._out.append(PartEnd(call.part, call.signature))
        if calls:
            self.calls.open = [call for call in self.calls.open if not call.ended]
