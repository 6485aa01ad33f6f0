"""The events of one output item: added, its content in deltas, done.

Law: an item is announced done exactly once and never before its end, because a client acts on that: Codex runs a call
immediately. An item that the model could not finish (``whole`` is false) says so, and nothing is added to it. Source:
openai.types.responses, the events of output items, content parts and reasoning summaries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

from nexus.conversation.parts import Citation, Image, Inline, Reasoning, Refusal, Signature, StreamPart, Text, ToolCall
from nexus.dataclasses import dataclass, field, replace
from nexus.protocols.responses.signatures import pack_reasoning
from nexus.protocols.responses.tools import ClientCalls
from nexus.protocols.responses.write_parts import write_annotation
from nexus.protocols.tool_calls import an_object_of, read_input
from nexus.wire import Json


@dataclass(frozen=True, slots=True)
class ResponseEvent:
    kind: str
    members: dict[str, Json] = field(default_factory=dict)


class ItemComposer(ABC):
    """One item: call ``begin`` once, ``extend`` for each delta, ``end`` once. ``item`` is final after the end."""

    prefix: str
    begins: ClassVar[Literal["at_once", "with_words", "whole"]] = "at_once"
    """When the item is sent: before it has any text, with its first text, or when it is complete."""

    def __init__(self, first: str, id_suffix: str) -> None:
        self.first = first
        self.begun = False
        self.item: dict[str, Json] = {}
        self._pieces: list[str] = []
        self._id_suffix = id_suffix
        self._place: dict[str, Json] = {}

    def begin(self, index: int) -> list[ResponseEvent]:
        self.begun = True
        item_id = f"{self.prefix}_{self._id_suffix}_{index}"
        self._place = {"item_id": item_id, "output_index": index}
        self.item = {"id": item_id, **self.empty()}
        return [ResponseEvent("response.output_item.added", {"output_index": index, "item": dict(self.item)})]

    @abstractmethod
    def empty(self) -> dict[str, Json]:
        """The item as it is added, without its id."""

    def extend(self, words: str) -> list[ResponseEvent]:
        """Adds text, never empty, to the item; nothing is sent if it is only meaningful when complete."""
        self._pieces.append(words)
        return []

    @abstractmethod
    def end(self, signature: Signature | None, *, whole: bool) -> list[ResponseEvent]: ...

    def cite(self, citation: Citation) -> list[ResponseEvent]:
        return []

    @property
    def words(self) -> str:
        return "".join(self._pieces)

    def event(self, kind: str, **members: Json) -> ResponseEvent:
        return ResponseEvent(kind, self._place | members)

    def done(self, **members: Json) -> ResponseEvent:
        """The complete item, with its fields in their final state."""
        self.item = self.item | members
        return ResponseEvent(
            "response.output_item.done", {"output_index": self._place["output_index"], "item": dict(self.item)}
        )


class _Message(ItemComposer):
    prefix = "msg"
    begins = "with_words"

    def __init__(self, part: Text | Refusal, id_suffix: str) -> None:
        super().__init__(part.text, id_suffix)
        self._refusal = isinstance(part, Refusal)
        self._event = "response.refusal" if self._refusal else "response.output_text"
        self._annotations: list[Json] = []

    def empty(self) -> dict[str, Json]:
        return {"type": "message", "role": "assistant", "status": "in_progress", "content": []}

    def begin(self, index: int) -> list[ResponseEvent]:
        added = super().begin(index)
        return [*added, self.event("response.content_part.added", content_index=0, part=self._part(""))]

    def extend(self, words: str) -> list[ResponseEvent]:
        super().extend(words)
        extra: dict[str, Json] = {} if self._refusal else {"logprobs": []}
        return [self.event(f"{self._event}.delta", content_index=0, delta=words, **extra)]

    def cite(self, citation: Citation) -> list[ResponseEvent]:
        annotation = write_annotation(citation)
        number = len(self._annotations)
        self._annotations.append(annotation)
        members: dict[str, Json] = {"content_index": 0, "annotation_index": number, "annotation": annotation}
        return [self.event("response.output_text.annotation.added", **members)]

    def end(self, signature: Signature | None, *, whole: bool) -> list[ResponseEvent]:
        body = {"refusal": self.words} if self._refusal else {"text": self.words, "logprobs": []}
        part = self._part(self.words)
        return [
            self.event(f"{self._event}.done", content_index=0, **body),
            self.event("response.content_part.done", content_index=0, part=part),
            self.done(status=_status(whole), content=[part]),
        ]

    def _part(self, words: str) -> dict[str, Json]:
        if self._refusal:
            return {"type": "refusal", "refusal": words}
        return {"type": "output_text", "text": words, "annotations": list(self._annotations), "logprobs": []}


class _MadeImage(ItemComposer):
    prefix = "ig"

    def __init__(self, part: Image, id_suffix: str) -> None:
        super().__init__("", id_suffix)
        self._source = part.source if isinstance(part.source, Inline) else Inline("", "")

    def empty(self) -> dict[str, Json]:
        return {"type": "image_generation_call", "status": "in_progress", "result": None}

    def begin(self, index: int) -> list[ResponseEvent]:
        steps = (self.event(f"response.image_generation_call.{step}") for step in ("in_progress", "generating"))
        return [*super().begin(index), *steps]

    def end(self, signature: Signature | None, *, whole: bool) -> list[ResponseEvent]:
        known = _FORMATS.get(self._source.media_type)
        form: dict[str, Json] = {"output_format": known} if known else {}
        completed = self.event("response.image_generation_call.completed")
        return [completed, self.done(status="completed", result=self._source.data, **form)]


_FORMATS: Mapping[str, str] = {
    **{f"image/{form}": form for form in ("png", "webp", "jpeg", "gif")},
    "image/jpg": "jpeg",
    "image/svg+xml": "svg",
}
"""The image formats that the dialect can name."""


class ReasoningComposer(ItemComposer):
    prefix = "rs"

    def __init__(self, part: Reasoning, id_suffix: str) -> None:
        super().__init__("" if part.redacted else part.text, id_suffix)
        self._redacted = part.redacted

    def empty(self) -> dict[str, Json]:
        return {"type": "reasoning", "summary": []}

    def extend(self, words: str) -> list[ResponseEvent]:
        part = {"type": "summary_text", "text": ""}
        added = (
            [] if self._pieces else [self.event("response.reasoning_summary_part.added", summary_index=0, part=part)]
        )
        self._pieces.append(words)
        return [*added, self.event("response.reasoning_summary_text.delta", summary_index=0, delta=words)]

    def end(self, signature: Signature | None, *, whole: bool) -> list[ResponseEvent]:
        return self.end_with(pack_reasoning(signature, redacted=self._redacted))

    def end_with(self, packed: str) -> list[ResponseEvent]:
        """``packed`` is the ``encrypted_content``."""
        if not self._pieces:
            return [self.done(summary=[], encrypted_content=packed)]
        part = {"type": "summary_text", "text": self.words}
        return [
            self.event("response.reasoning_summary_text.done", summary_index=0, text=self.words),
            self.event("response.reasoning_summary_part.done", summary_index=0, part=part),
            self.done(summary=[part], encrypted_content=packed),
        ]


class _Call(ItemComposer):
    def __init__(self, part: ToolCall, names: ClientCalls, id_suffix: str) -> None:
        super().__init__(part.arguments, id_suffix)
        self._part, self._names = part, names

    def _members(self, arguments: str = "") -> dict[str, Json]:
        """The item's members with these arguments, except its id and status."""
        return self._names.call_item(replace(self._part, arguments=arguments))


class _FunctionCall(_Call):
    prefix = "fc"

    def empty(self) -> dict[str, Json]:
        return self._members() | {"arguments": "", "status": "in_progress"}

    def extend(self, words: str) -> list[ResponseEvent]:
        super().extend(words)
        return [self.event("response.function_call_arguments.delta", delta=words)]

    def end(self, signature: Signature | None, *, whole: bool) -> list[ResponseEvent]:
        # A client parses the arguments, so empty ones must be an object; those that never arrived must not be.
        silent = self.extend("{}") if whole and not self._pieces else []
        return [
            *silent,
            self.event("response.function_call_arguments.done", arguments=self.words),
            self.done(arguments=self.words, status=_status(whole and an_object_of(self.words)[1])),
        ]


class _CustomCall(_Call):
    prefix = "ctc"

    def empty(self) -> dict[str, Json]:
        return self._members()

    def end(self, signature: Signature | None, *, whole: bool) -> list[ResponseEvent]:
        found = read_input(self.words)
        delta = [self.event("response.custom_tool_call_input.delta", delta=found)] if found else []
        return [*delta, self.event("response.custom_tool_call_input.done", input=found), self.done(input=found)]


def _status(whole: bool) -> str:
    return "completed" if whole else "incomplete"


class _SearchCall(_Call):
    prefix = "tsc"

    def empty(self) -> dict[str, Json]:
        return self._members() | {"status": "in_progress"}

    def end(self, signature: Signature | None, *, whole: bool) -> list[ResponseEvent]:
        return [self.done(**self._members(self.words), status=_status(whole))]


class _ClientRunCall(_SearchCall):
    """The action is known when the arguments are complete; a call that broke off has none."""

    begins = "whole"

    def __init__(self, part: ToolCall, names: ClientCalls, id_suffix: str) -> None:
        super().__init__(part, names, id_suffix)
        if (run := names.run(part.name)) is not None:
            self.prefix = run.prefix

    def end(self, signature: Signature | None, *, whole: bool) -> list[ResponseEvent]:
        run = self._names.run(self._part.name)
        return super().end(signature, whole=True) if whole or run is None else [self.done(status=run.cut)]


_CALLS: Mapping[str, type[_Call]] = {"custom": _CustomCall, "tool_search": _SearchCall}


def item_composer(part: StreamPart, names: ClientCalls, id_suffix: str) -> ItemComposer:
    match part:
        case Text() | Refusal():
            return _Message(part, id_suffix)
        case Reasoning():
            return ReasoningComposer(part, id_suffix)
        case Image():
            return _MadeImage(part, id_suffix)
        case ToolCall():
            kind = _ClientRunCall if names.run(part.name) else _CALLS.get(names.kind(part.name), _FunctionCall)
            return kind(part, names, id_suffix)
