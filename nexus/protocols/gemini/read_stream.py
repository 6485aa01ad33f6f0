"""A stream of ``streamGenerateContent?alt=sse``, read into events; a unary answer is a stream of one piece.

Pieces of text are one part as long as they are of one kind and unsigned; a signature ends its part. A function
call comes whole. A stream has no terminator: it is complete once a finish reason or a block reason was seen, and
because usage may still follow, ``finish`` returns the end. Content without a counterpart is named once in a
ContentDropped. The end of a text waits for what follows it, because the sources that it rests on come last.
Source: ai.google.dev/api/generate-content, google.genai.types.GenerateContentResponse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nexus.conversation.events import Event, PartDelta, PartEnd, PartStart, ResponseEnd, ResponseStart, UsageUpdate
from nexus.conversation.parts import Image, Inline, Reasoning, Refusal, Signature, Stop, Text, ToolCall
from nexus.errors import VendorError
from nexus.protocols.checks import Drops
from nexus.protocols.codec import AnswerOrigin
from nexus.protocols.error_words import ended_with
from nexus.protocols.gemini.grounding import Grounding
from nexus.protocols.gemini.read_error import find_error, is_answer, read_stream_error
from nexus.protocols.gemini.signatures import OWN
from nexus.protocols.gemini.stops import BROKEN, read_stop
from nexus.protocols.gemini.usage import read_usage
from nexus.protocols.sse import DONE
from nexus.wire import Json, decode_delta, encode, mapping, only, sequence, text

_ASIDE = ("urlContextMetadata", "groundingAttributions", "logprobsResult")
"""Members of a candidate about its text that no other dialect has."""

_ABOUT = frozenset({"thought", "thoughtSignature", "partMetadata"})
"""Keys of a part that are not its content."""


class StreamReader:
    """``_last`` is the index of the part that began last."""

    def __init__(self, origin: AnswerOrigin) -> None:
        self.complete = False
        self._new_id = origin.new_id
        self._started = False
        self._last = -1
        self._open: type[Text] | type[Reasoning] | None = None
        self._signature: Signature | None = None
        self._grounding = Grounding()
        self._usage: dict[str, Json] = {}
        self._dropped = Drops()
        self._end: dict[str, Json] = {}

    def feed(self, event: str | None, data: str) -> list[Event]:
        if data.strip() in ("", DONE):
            return []
        value = decode_delta(data)
        pieces = value if isinstance(value, list) else [value]
        events: list[Event] = []
        for piece in pieces:
            events += self.read(piece)
        return events

    def read(self, piece: Json) -> list[Event]:
        if not isinstance(piece, dict):
            raise ValueError("expected a JSON object")
        if find_error(piece) is not None:
            raise VendorError(read_stream_error(piece))
        events = list(self._read(piece))
        if self._last < 0 and (reason := self._end.get("finishReason")) in BROKEN:
            raise VendorError(ended_with(reason, text(self._end.get("finishMessage"))))
        return events

    def read_whole(self, answer: Mapping[str, Json]) -> list[Event]:
        """A unary answer: one without a finish reason, a candidate or any part is normal, and ends ``unknown`` unless
        the vendor says more."""
        if not is_answer(answer):
            raise VendorError(read_stream_error(answer))
        return [*self.read(answer), *(self.finish() or [ResponseEnd(Stop("unknown"))])]

    def finish(self) -> list[Event]:
        if not self.complete:
            return []
        stop, dropped = read_stop(self._end), self._dropped.events(*self._grounding.finish())
        return [*dropped, *self._close(), *self._explained(stop), ResponseEnd(stop)]

    def _explained(self, stop: Stop) -> list[Event]:
        """Google's explanation of why it stopped the answer; with other stop reasons it has no information, or none
        that another dialect supports."""
        words = text(self._end.get("finishMessage")) or text(self._end.get("blockReasonMessage"))
        if not words or stop.reason not in ("content_filter", "unknown"):
            return []
        if stop.reason == "unknown":
            return self._dropped.events("finishMessage")
        self._last += 1
        return [PartStart(self._last, Refusal(words)), PartEnd(self._last)]

    def _read(self, piece: Mapping[str, Json]) -> Iterator[Event]:
        usage = only(mapping(piece.get("usageMetadata")))
        known = self._usage | usage
        if not self._started:
            self._started = True
            yield ResponseStart(text(piece.get("responseId")), text(piece.get("modelVersion")), read_usage(known))
        elif known != self._usage:
            yield UsageUpdate(read_usage(known))
        self._usage = known
        for candidate in map(mapping, sequence(piece.get("candidates"))):
            if candidate.get("index"):
                yield from self._dropped.events(f"candidates.{candidate['index']}")
            else:
                yield from self._read_candidate(candidate)
        feedback = mapping(piece.get("promptFeedback"))
        if text(feedback.get("blockReason")):
            self._end |= {name: feedback.get(name) for name in ("blockReason", "blockReasonMessage")}
            self.complete = True

    def _read_candidate(self, candidate: Mapping[str, Json]) -> Iterator[Event]:
        for at, part in enumerate(map(mapping, sequence(mapping(candidate.get("content")).get("parts")))):
            yield from self._read_part(part, at)
        if found := list(self._grounding.read(candidate)):
            yield from self._dropped.events(*found)
        for name in _ASIDE:
            if candidate.get(name):
                yield from self._dropped.events(name)
        if text(candidate.get("finishReason")):
            self._end |= {name: candidate.get(name) for name in ("finishReason", "finishMessage")}
            self.complete = True

    def _read_part(self, part: Mapping[str, Json], at: int) -> Iterator[Event]:
        opaque = text(part.get("thoughtSignature"))
        signature = Signature(OWN, opaque) if opaque else None
        if isinstance(call := part.get("functionCall"), dict):
            yield from self._read_call(call, signature)
        elif isinstance(words := part.get("text"), str):
            yield from self._read_text(words, Reasoning if part.get("thought") is True else Text, signature)
            if words and self._open is Text:
                self._grounding.add_text(self._last, at, words)
        elif (image := _image_in(part)) is not None:
            yield from self._whole(Image(image, signature=signature))
        elif foreign := sorted(key for key in part if key not in _ABOUT and part[key] is not None):
            # Its signature is dropped with it: on another part it would be worse than none.
            yield from self._dropped.events(*foreign)
        elif signature is not None:
            yield from self._read_text("", self._open or Text, signature)

    def _read_text(
        self, words: str, kind: type[Text] | type[Reasoning], signature: Signature | None
    ) -> Iterator[Event]:
        if not words and signature is None:
            return
        if self._open is not kind or self._signature is not None:
            yield from self._close()
            self._open = kind
            self._last += 1
            yield PartStart(self._last, Text("") if kind is Text else Reasoning("", Signature(OWN, "")))
        if words:
            yield PartDelta(self._last, words)
        self._signature = signature

    def _read_call(self, call: Mapping[str, Json], signature: Signature | None) -> Iterator[Event]:
        if call.get("partialArgs") or call.get("willContinue"):
            raise ValueError("function call arguments came in pieces, which were not requested")
        arguments = encode(mapping(call.get("args"))).decode()
        call_id = text(call.get("id")) or self._new_id()
        yield from self._whole(ToolCall(call_id, text(call.get("name")), arguments, signature))

    def _whole(self, part: ToolCall | Image) -> Iterator[Event]:
        yield from self._close()
        self._last += 1
        yield PartStart(self._last, part)
        yield PartEnd(self._last)

    def _close(self) -> Iterator[Event]:
        if self._open is not None:
            yield PartEnd(self._last, self._signature)
            self._open = self._signature = None


def _image_in(part: Mapping[str, Json]) -> Inline | None:
    """An image of the answer; one that was made on the way there is no more than a thought."""
    blob = mapping(part.get("inlineData"))
    image = Inline(text(blob.get("mimeType")).lower(), text(blob.get("data")))
    is_made = image.media_type.startswith("image/") and image.data and part.get("thought") is not True
    return image if is_made else None
