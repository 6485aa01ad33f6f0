"""Events, written as a stream of chunks for a client.

The role comes first, every call has its own index from 0 with id and name once, one chunk has the finish reason, the
usage chunk follows if it was requested, and only ``[DONE]`` ends the stream. Signatures, citations and the details of
reasoning are in the delta of the last chunk, which client libraries add to the message. Pings are written by the
dialect, not here. Source: openai.types.chat.ChatCompletionChunk.
"""

from __future__ import annotations

from collections.abc import Callable

from nexus.conversation.events import Cited, Event, PartDelta, PartEnd, PartStart, ResponseEnd, ResponseStart
from nexus.conversation.fold import fold
from nexus.conversation.parts import Image, Reasoning, Refusal, Signature, Stop, StreamPart, Text, ToolCall
from nexus.protocols.chat.reasoning import write_details, write_extra
from nexus.protocols.chat.sources import write_annotations, write_answer_image
from nexus.protocols.chat.stops import write_stop
from nexus.protocols.chat.usage import write_usage
from nexus.protocols.codec import Envelope
from nexus.protocols.ordered_writer import EventWriter
from nexus.protocols.sse import delta_frames, frame
from nexus.protocols.tool_calls import custom_names, read_input
from nexus.wire import Json, encode

_DONE = frame(b"[DONE]")


class StreamWriter(EventWriter[bytes]):
    """A custom tool's input arrives as JSON, and is sent once that is complete."""

    _nothing = b""

    def __init__(self, envelope: Envelope) -> None:
        super().__init__()
        self._custom = custom_names(envelope.request)
        self._inputs: dict[int, list[str]] = {}
        self._head = {
            "id": envelope.id,
            "object": "chat.completion.chunk",
            "created": envelope.created,
            "model": envelope.model,
        }
        self._include_usage = envelope.request.include_usage
        self._parts: dict[int, StreamPart] = {}
        self._write_words: dict[int, Callable[[str], bytes]] = {}
        self._calls: dict[int, int] = {}
        self._images = 0
        self._silent: set[int] = set()
        self._kept: list[Event] = []
        self._extra: dict[str, Json] = {}

    def write(self, event: Event) -> bytes:
        """Keeps the events: the last chunk has reasoning and sources with their positions, which needs all of them."""
        if isinstance(event, (ResponseStart, PartStart, PartDelta, Cited, PartEnd, ResponseEnd)):
            self._kept.append(event)
        return super().write(event)

    def _begin(self) -> bytes:
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def _open(self, index: int, part: StreamPart) -> bytes:
        self._parts[index] = part
        match part:
            case ToolCall():
                self._calls[index] = len(self._calls)
                if part.name in self._custom:
                    return self._start_custom(index, part)
                if not part.arguments:
                    self._silent.add(index)
                function = {"name": part.name, "arguments": part.arguments}
                call: dict[str, Json] = {"id": part.id, "type": "function", "function": function}
                return self._call(index, call | write_extra(part.signature))
            case Text(text=words, signature=signature):
                self._extra = write_extra(signature) or self._extra
                return self._extend(index, words) if words else b""
            case Reasoning(text=words) | Refusal(text=words):
                return self._extend(index, words) if words else b""
            case Image():
                self._images += 1
                return self._chunk({"images": [write_answer_image(part, self._images - 1)]})

    def _start_custom(self, index: int, part: ToolCall) -> bytes:
        self._inputs[index] = [part.arguments]
        call: dict[str, Json] = {"id": part.id, "type": "custom", "custom": {"name": part.name, "input": ""}}
        return self._call(index, call | write_extra(part.signature))

    def _extend(self, index: int, words: str) -> bytes:
        if index in self._inputs:
            self._inputs[index].append(words)
            return b""
        self._silent.discard(index)
        if index not in self._write_words:
            self._write_words[index] = delta_frames(lambda words: self._delta(index, words))
        return self._write_words[index](words)

    def _delta(self, index: int, words: str) -> bytes:
        match self._parts[index]:
            case Text():
                return self._chunk({"content": words})
            case Reasoning():
                return self._chunk({"reasoning_content": words})
            case Refusal():
                return self._chunk({"refusal": words})
            case Image():
                raise TypeError("an image has no words")
            case ToolCall():
                return self._call(index, {"function": {"arguments": words}})

    def _close(self, index: int, late: Signature | None) -> bytes:
        part = self._parts[index]
        match part:
            case ToolCall():
                extra = write_extra(late) if late != part.signature else {}
                if index in self._inputs:
                    words = read_input("".join(self._inputs.pop(index)))
                    return self._call(index, {"custom": {"input": words}} | extra)
                # A client parses the arguments, so empty ones must still be an object.
                silent = index in self._silent
                # The official client's stream helper fails on a piece of a call without ``function``.
                function: dict[str, Json] = {"function": {"arguments": "{}" if silent else ""}}
                return self._call(index, function | extra) if silent or extra else b""
            case Text():
                self._extra = write_extra(late) or self._extra
                return b""
            case _:
                return b""

    def _call(self, index: int, members: dict[str, Json]) -> bytes:
        return self._chunk({"tool_calls": [{"index": self._calls[index]} | members]})

    def _finish(self, stop: Stop) -> bytes:
        whole = fold(self._kept)
        details = write_details(whole.parts)
        annotations = write_annotations(whole.parts)
        lists = {"reasoning_details": details, "annotations": annotations}
        delta = {name: value for name, value in lists.items() if value} | self._extra
        last = self._chunk(delta, write_stop(stop, refused=self._refused))
        if not self._include_usage:
            return last + _DONE
        usage = self._head | {"choices": [], "usage": write_usage(self._usage)}
        return last + frame(encode(usage)) + _DONE

    def _chunk(self, delta: dict[str, Json], stop: dict[str, Json] | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None} | (stop or {"finish_reason": None})
        usage = {"usage": None} if self._include_usage else {}
        return frame(encode(self._head | {"choices": [choice]} | usage))
