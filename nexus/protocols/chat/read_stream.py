"""A vendor's stream of chunks, read into events.

Tolerant of real servers, exact about the end. ``complete`` is set by a finish reason or by ``[DONE]``, whichever comes
first; ResponseEnd waits for ``[DONE]`` or the end of the bytes, because usage comes last. Open parts are in
stream_parts.py. Empty pieces start no part. Source: openai.types.chat.ChatCompletionChunk and the servers named in
stream_parts.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.events import Event, ResponseEnd, ResponseStart, UsageUpdate
from nexus.conversation.parts import Reasoning, Stop
from nexus.conversation.usage import Usage
from nexus.errors import VendorError
from nexus.protocols.chat.read_error import is_answer, read_stream_error
from nexus.protocols.chat.reasoning import (
    BARE,
    detail_signature,
    in_order,
    is_another,
    is_block,
    joined,
    plain_reasoning,
    plain_signature,
    read_detail,
    read_entries,
    vendor_signature,
)
from nexus.protocols.chat.sources import StreamCitations, read_images, read_sources
from nexus.protocols.chat.stops import broken_word, finish_word, read_stop
from nexus.protocols.chat.stream_parts import StreamParts, read_pieces
from nexus.protocols.chat.think_tags import ThinkTags
from nexus.protocols.chat.usage import merge_usage, read_usage, usages_in
from nexus.protocols.checks import Drops
from nexus.protocols.codec import AnswerOrigin
from nexus.protocols.error_words import NAMELESS, ended_with
from nexus.protocols.sse import DONE
from nexus.wire import Json, decode_delta, mapping, sequence, text

_WORDS = ("text", "summary", "thinking")
_CALLS = frozenset({"role", "tool_calls"})
"""Members of a delta with only calls, as most deltas of an agent's stream."""


class StreamReader:
    """``_finish`` is the choice with the finish reason, ``_usage`` the last count of everything by the vendor's own
    names, ``_plain`` the reasoning that came without details."""

    def __init__(self, origin: AnswerOrigin) -> None:
        self.complete = False
        self._started = False
        self._over = False
        self._id = ""
        self._model = ""
        self._service_tier = ""
        self._usage: dict[str, Json] = {}
        self._known = Usage()
        self._finish: Mapping[str, Json] = {}
        self._plain: list[str] = []
        self._plain_length = 0
        self._tags = ThinkTags() if origin.server.think_tags else None
        self._citations = StreamCitations()
        self._dropped = Drops()
        self._out: list[Event] = []
        self._parts = StreamParts(self._out)

    def feed(self, event: str | None, data: str) -> list[Event]:
        if self._over or not (data := data.strip()):
            return []
        if data == DONE:
            self.complete = True
            return self.finish()
        chunk = decode_delta(data)
        if not isinstance(chunk, dict):
            raise ValueError("a chunk is not an object")
        if (chunk.get("error") or event == "error") and not self._is_finished():
            raise VendorError(read_stream_error(chunk))
        prose = self._parts.prose
        goes_on = prose is not None and prose.kind == "text" and not self._citations.waits
        if goes_on and (words := plain_words(chunk, self._service_tier)) is not None:
            self._read_words("text", words)
        else:
            self._read_chunk(chunk)
        return self._take()

    def read_whole(self, answer: Mapping[str, Json]) -> list[Event]:
        """Reads a complete answer instead of chunks; only its first choice counts, whatever its index."""
        choices = list(map(mapping, sequence(answer.get("choices"))))
        if not is_answer(answer) or not choices:
            raise VendorError(read_stream_error(answer))
        first, (message, others) = choices[0], joined(choices)
        lost = {"choices": others, "logprobs": mapping(first.get("logprobs")), "moderation": answer.get("moderation")}
        piece, *pieces = in_order(message)
        # What the reason means depends on all pieces.
        begun = {**first, "index": 0, "delta": piece, "message": None, "finish_reason": None}
        self._read_chunk({**answer, "choices": [begun]})
        self._emit(*(name for name, value in lost.items() if value))
        for piece in pieces:
            self._read_choice({"delta": piece})
            if "reasoning_details" in piece:
                self._parts.end_reasoning()
        self._finish, self.complete = first, True
        self._refuse_broken()
        return self.finish()

    def finish(self) -> list[Event]:
        if self._over or not self.complete:
            return []
        self._over = True
        if not self._started:
            raise _no_choice()
        for kind, words in self._tags.finish() if self._tags else ():
            self._extend(kind, words)
        self._emit(*self._citations.last())
        calls = self._parts.calls.all
        stop = read_stop(self._finish, calls=any(call.name for call in calls))
        if self._parts.calls.nameless:
            self._emit("tool_calls")
            # The model wanted to go on: an agent must not take this for the end of its task.
            stop = Stop("unknown", raw=finish_word(self._finish) or None) if stop.reason == "end" else stop
        if not self._finish and any(call.sent and not call.whole for call in calls):
            # There is only the terminator, which says that the answer is complete, while an incomplete call says the
            # opposite.
            stop = Stop("unknown")
        self._parts.end_all()
        self._out += [UsageUpdate(self._known), ResponseEnd(stop)]
        return self._take()

    def _take(self) -> list[Event]:
        out = [*self._out]
        self._out.clear()
        return out

    def _emit(self, *found: Event | str) -> None:
        """Adds events, and reports names as dropped."""
        self._out += self._dropped.events(*found)

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._out.append(ResponseStart(self._id, self._model, self._known))

    def _read_chunk(self, chunk: Mapping[str, Json]) -> None:
        self._id = self._id or text(chunk.get("id"))
        self._model = self._model or text(chunk.get("model"))
        self._service_tier = text(chunk.get("service_tier")) or self._service_tier
        choices = [mapping(choice) for choice in sequence(chunk.get("choices"))]
        if not choices and mapping(chunk.get("base_resp")).get("status_code"):
            # MiniMax's errors.
            raise VendorError(read_stream_error(chunk))
        for choice in choices:
            self._start()
            if choice.get("index") in (0, None):
                self._read_choice(choice)
            else:
                self._emit("choices")
        self._citations.sources = read_sources(chunk) or self._citations.sources
        for wire in usages_in(chunk):
            self._read_usage(wire)

    def _read_usage(self, wire: Mapping[str, Json]) -> None:
        """The last count wins, field by field."""
        self._usage = merge_usage(self._usage, wire)
        earlier, self._known = self._known, read_usage(self._usage, self._service_tier)
        if self._known != earlier and self._started:
            self._out.append(UsageUpdate(self._known))

    def _read_choice(self, choice: Mapping[str, Json]) -> None:
        delta = mapping(choice.get("delta"))
        if not delta and self._parts.nothing_started:
            # A server that simulates streaming puts the complete message in place of the delta; others repeat at the
            # end what they streamed (hybridclaw #1325).
            delta = mapping(choice.get("message"))
        if holds_more(delta, _CALLS):
            self._read_prose(delta)
        for call in map(mapping, sequence(delta.get("tool_calls"))):
            if call.get("type") in (None, "", "function"):
                self._parts.call(call)
            else:
                self._emit(f"tool_calls.{text(call.get('type'))}")
        if legacy := mapping(delta.get("function_call")):
            self._parts.call({"index": -1, "function": legacy})
        if self._citations.waits or "annotations" in delta:
            self._emit(*self._citations.read(delta))
        if mapping(choice.get("logprobs")):
            self._emit("logprobs")
        if finish_word(choice):
            self._finish = choice
            self.complete = True
            self._refuse_broken()

    def _is_finished(self) -> bool:
        """Whether the finish reason is known, after which an error changes nothing: OpenRouter repeats ``length``
        as an error, with the usage (pydantic-ai's recording of a call)."""
        return bool(self._finish) and broken_word(self._finish) is None

    def _refuse_broken(self) -> None:
        """Raises VendorError if a call without a name is the whole answer, or if there is none after a failure: another
        attempt may do better."""
        if not self._parts.nothing_started:
            return
        if self._parts.calls.nameless:
            raise VendorError(NAMELESS)
        if (word := broken_word(self._finish)) is not None and not self._dropped.names:
            raise VendorError(ended_with(word))

    def _read_prose(self, delta: Mapping[str, Json]) -> None:
        self._read_reasoning(delta)
        for kind, words in read_pieces(delta):
            if kind == "dropped":
                self._emit(words)
            elif words:
                self._read_words(kind, words)
        if (signature := vendor_signature(delta.get("extra_content"))) is not None:
            self._parts.open("text").signature = signature
        for image in read_images(delta):
            if isinstance(image, str):
                self._emit(image)
            else:
                self._parts.add(image)

    def _read_reasoning(self, delta: Mapping[str, Json]) -> None:
        details = [(entry, read_detail(entry, BARE)) for entry in read_entries(delta)]
        detailed = "".join(part.text for _, part in details)
        if not detailed and (plain := plain_reasoning(delta)):
            self._plain.append(plain)
            self._plain_length += len(plain)
            self._extend("reasoning", plain)
            if self._parts.prose is not None and self._parts.prose.detail is None:
                self._parts.prose.signature = plain_signature(delta)
        # A gateway like this one repeats everything at the end with signatures, too late for parts that have ended.
        again = bool(detailed) and len(detailed) == self._plain_length and detailed == "".join(self._plain)
        for entry, part in details:
            if again and part.text:
                self._emit("thinking_blocks" if is_block(entry) else "reasoning_details")
            else:
                self._read_detail(entry, part)

    def _read_detail(self, entry: Mapping[str, Json], part: Reasoning) -> None:
        """Pieces of one entry share its index and are consecutive; the last one has the signature."""
        prose = self._parts.prose
        if prose is None or prose.detail is None or is_another(prose.detail, entry):
            if part.signature == BARE and not part.text:
                return
            signs = is_block(entry) and not part.text and not part.redacted
            if signs and prose is not None and prose.kind == "reasoning" and prose.detail is None:
                # The text came as plain reasoning, and this is its signature.
                prose.detail, prose.signature = entry, part.signature
                return
            prose = self._parts.start("reasoning", Reasoning("", None, part.redacted))
        rest = {name: value for name, value in entry.items() if name not in _WORDS and value is not None}
        prose.detail = {**(prose.detail or {}), **rest}
        prose.signature = detail_signature(prose.detail, BARE)
        if part.text:
            self._extend("reasoning", part.text)

    def _read_words(self, kind: str, words: str) -> None:
        """Text of the content, which may contain thinking between tags."""
        for piece_kind, piece in self._tags.feed(words) if self._tags and kind == "text" else ((kind, words),):
            self._extend(piece_kind, piece)

    def _extend(self, kind: str, words: str) -> None:
        index = self._parts.extend(kind, words)
        if kind == "text":
            self._citations.add_text(index, len(words), self._tags.before if self._tags else 0)


def _no_choice() -> VendorError:
    """Other gateways send no choice if their vendor did not answer: another attempt may do better."""
    return VendorError(read_stream_error({}))


_ENVELOPE = frozenset(
    {"id", "object", "created", "model", "system_fingerprint", "service_tier", "choices"}
    # OpenAI's padding; OpenRouter's vendor.
    | {"obfuscation", "provider"}
)
_CHOICE = frozenset({"index", "delta"})
_DELTA = frozenset({"role", "content"})


def plain_words(chunk: Mapping[str, Json], tier: str) -> str | None:
    """The text of a chunk that has only more text, as nearly all do; None for a chunk with anything else, or another
    ``tier`` than before."""
    choices = chunk.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or (chunk.get("service_tier") or tier) != tier:
        return None
    choice = mapping(choices[0])
    delta = mapping(choice.get("delta"))
    if choice.get("index") or holds_more(chunk, _ENVELOPE) or holds_more(choice, _CHOICE):
        return None
    return None if holds_more(delta, _DELTA) else text(delta.get("content")) or None


def holds_more(holder: Mapping[str, Json], known: frozenset[str]) -> bool:
    return bool([name for name, value in holder.items() if value is not None and name not in known])
