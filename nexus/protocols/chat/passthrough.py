"""Chat to chat: the client's bytes to the vendor and the vendor's bytes back, with the model's name edited.

The only addition is the request for usage on streams, and the only removals are the chunk that answers it, if the
client did not ask, and another vendor's reasoning: what is in fields of ours, and all of it for a server that
rejects such history, and ``strict`` of tools for a server that rejects it. The output limit is renamed for a server
that rejects its old name, broken arguments in the history are wrapped in an object for a server that rejects them, and
members that a server rejects and the answer does not depend on are removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nexus.errors import VendorError
from nexus.protocols.answer_relay import Passthrough, Tap
from nexus.protocols.chat.call_ids import plain_id
from nexus.protocols.chat.packed import PackedVectors
from nexus.protocols.chat.passed import Passed
from nexus.protocols.chat.read_error import is_answer, read_stream_error
from nexus.protocols.chat.stops import finish_word
from nexus.protocols.chat.tools import limits_ids, tool_ids
from nexus.protocols.chat.usage import merge_usage, read_usage, usages_in
from nexus.protocols.codec import Target
from nexus.protocols.contract import Document
from nexus.protocols.dialect import Passing
from nexus.protocols.edit import replace_member, set_member
from nexus.protocols.json_schema.rules import encoded_without_rules
from nexus.protocols.json_schema.walk import with_required
from nexus.protocols.openai_request import rejected_members
from nexus.protocols.rejected import without
from nexus.protocols.rewrite import ANY, Edited, Judge, Rules, cut, fit_strings, remove, removing
from nexus.protocols.signatures import MAY_BE_TAGGED, is_tagged, without_foreign
from nexus.protocols.sse import Frame, with_data
from nexus.protocols.tool_calls import object_text
from nexus.wire import Json, count, decode, encode, mapping, sequence, text


def edit_request(raw: bytes, document: Mapping[str, Json], target: Target) -> Edited:
    messages = list(map(mapping, sequence(document.get("messages"))))
    calls = [mapping(call) for one in messages if "tool_calls" in one for call in sequence(one["tool_calls"])]
    renamed = replace_member(raw, document, "model", target.model)
    if not target.chat.no_stream_usage and document.get("stream") is True and not asked_usage(document):
        renamed = _with_usage(renamed, document)
    if document.get("max_tokens") is not None and _may_reject_old_limit(target):
        renamed = _with_new_limit(renamed, document)
    if target.chat.no_whole_thinking and document.get("stream") is not True and "enable_thinking" not in document:
        renamed = set_member(renamed, document, "enable_thinking", False)
    if target.chat.json_arguments:
        arguments = (text(mapping(call.get("function")).get("arguments")) for call in calls)
        renamed = fit_strings(renamed, arguments, object_text, [_ARGUMENTS])
    ids = [one["tool_call_id"] for one in messages if "tool_call_id" in one] + [call.get("id") for call in calls]
    if ids:
        renamed = _with_ids(renamed, map(text, ids), calls, target)
    if target.chat.listed_required:
        renamed = cut(renamed, _in_tools(_with_required))
    has_history = not all(map(_HISTORY.isdisjoint, messages)) or any("extra_content" in call for call in calls)
    edited = Edited(renamed)
    if has_history:
        edited = without_foreign(edited, {"messages": {ANY: _judge_message}}, "messages.reasoning")
    if target.chat.plain_tools:
        edited = edited.without(_in_tools(encoded_without_rules), "tools.parameters")
    if target.chat.no_strict:
        edited = edited.without(_WITHOUT_STRICT, "tools.strict")
    if target.chat.no_reasoning_history and has_history:
        edited = edited.without({"messages": {ANY: _WITHOUT_HISTORY}}, "messages.reasoning")
    if target.chat.no_stream_usage:
        edited = edited.without({"stream_options": remove}, "stream_options")
    return without(edited, rejected_members(target))


def _in_tools(edit: Judge) -> Rules:
    return {"tools": {ANY: {"function": {"parameters": edit}}}}


def _with_required(value: bytes) -> bytes:
    return encode(with_required(decode(value)))


def _may_reject_old_limit(target: Target) -> bool:
    """False for OpenAI's models that are known not to reason, which accept both names."""
    model = target.gpt
    return target.chat.max_completion_tokens and (model is None or model.reasons or bool(model.efforts))


def _with_new_limit(raw: bytes, document: Mapping[str, Json]) -> bytes:
    raw = cut(raw, {"max_tokens": remove})
    if document.get("max_completion_tokens") is not None:
        return raw
    return set_member(raw, document, "max_completion_tokens", document["max_tokens"])


_HISTORY = frozenset({"reasoning_content", "reasoning_details", "thinking_blocks", "extra_content"})
_WITHOUT_HISTORY = removing([*((name,) for name in _HISTORY), ("tool_calls", ANY, "extra_content")])
"""Reasoning and thought signatures as compatible servers and Google return them, without a tag of ours."""

_WITHOUT_STRICT = removing([("tools", ANY, "function", "strict")])


_IDS = [("messages", ANY, "tool_calls", ANY, "id"), ("messages", ANY, "tool_call_id")]


def _with_ids(raw: bytes, ids: Iterable[str], calls: Iterable[Mapping[str, Json]], target: Target) -> bytes:
    forms = tool_ids(target, map(_named, calls)) if limits_ids(target) else None

    def fitting(id: str) -> str:
        own = plain_id(id)
        return own if forms is None else forms[own]

    return fit_strings(raw, ids, fitting, _IDS)


def _named(call: Mapping[str, Json]) -> tuple[str, str]:
    return plain_id(text(call.get("id"))), text(mapping(call.get("function")).get("name"))


_ARGUMENTS = ("messages", ANY, "tool_calls", ANY, "function", "arguments")


def _judge_message(value: bytes) -> bytes | None:
    """Removes our members, and all reasoning if any is tagged: one vendor made all that a message has."""
    if MAY_BE_TAGGED not in value:
        return None
    message = mapping(decode(value))
    details = [mapping(entry) for entry in sequence(message.get("reasoning_details"))]
    tagged = any(is_tagged(entry.get("signature")) or is_tagged(entry.get("data")) for entry in details)
    own = [("extra_content", "nexus"), ("tool_calls", ANY, "extra_content", "nexus")]
    tagged_paths = [("reasoning_details",), ("reasoning_content",), ("reasoning",)] if tagged else []
    return cut(value, removing([*own, *tagged_paths]))


def _with_usage(raw: bytes, document: Mapping[str, Json]) -> bytes:
    options = document.get("stream_options")
    if options is not None and not isinstance(options, dict):
        return raw
    return set_member(raw, document, "stream_options", {**mapping(options), "include_usage": True})


def asked_usage(document: Mapping[str, Json]) -> bool:
    """Whether the client itself wants the usage chunk."""
    return mapping(document.get("stream_options")).get("include_usage") is True


_CHOICES = b'"choices"'
_NULLS = ((b'"usage"', b'"usage":null'), (b'finish_reason"', b'finish_reason":null'))
"""Members of a chunk that are read unless null."""


class _Prefix:
    """The bytes before the choices: they are the same in all chunks of an answer, and are read and edited only once."""

    def __init__(self) -> None:
        self._raw = b""
        self._edited = b""

    def learn(self, frame: Frame, edited: bytes) -> None:
        """Learns from a chunk that was read, and its edited form; after the first content."""
        start = frame.raw.find(_CHOICES)
        before, rest = frame.raw[:start], frame.raw[start:]
        is_known = start > 0 and edited.endswith(rest) and b'"usage"' not in before and b'"error"' not in before
        self._raw, self._edited = (before, edited[: len(edited) - len(rest)]) if is_known else (b"", b"")

    def passed(self, frame: Frame) -> bytes | None:
        """The bytes of a chunk that needs no further reading or editing; None for any other frame. A key may be spelled
        with escapes."""
        raw, before = frame.raw, self._raw
        if not before or frame.event is not None or not raw.startswith(before):
            return None
        rest = raw[len(before) :]
        if b'"error"' in rest or b'"model"' in rest or b'"service_tier"' in rest or b"\\u00" in rest:
            return None
        for word, null in _NULLS:
            if word in rest and rest.count(word) != rest.count(null):
                return None
        return self._edited + rest if rest.find(b"\n") == len(rest) - 2 else None


class ChatPassthrough(Passthrough):
    done_completes = True

    def __init__(self, document: Mapping[str, Json], model: str, tap: Tap) -> None:
        super().__init__(tap)
        self._model = model
        self._hides_usage = not asked_usage(document)
        self._choices = max(1, count(document.get("n")))
        self._finished: set[int] = set()
        self._service_tier = ""
        self._usage: dict[str, Json] = {}
        self._prefix = _Prefix()

    def _whole(self, raw: bytes, answer: Document) -> bytes:
        if not is_answer(answer):
            raise VendorError(read_stream_error(answer))
        self._read(answer)
        return replace_member(raw, answer, "model", self._model)

    def frame(self, frame: Frame) -> bytes:
        passed = self._prefix.passed(frame)
        return super().frame(frame) if passed is None else passed

    def _event(self, frame: Frame, chunk: Document) -> bytes:
        if not self.content:
            self.content = self.begun = self.failure is None and has_content(chunk)
        if chunk.get("error") or frame.event == "error":
            self._ends(read_stream_error(chunk))
        self._read(chunk)
        choices = sequence(chunk.get("choices"))
        if self._hides_usage and not choices and mapping(chunk.get("usage")) and "choices" in chunk:
            return b""
        renamed = with_data(frame.raw, lambda data: replace_member(data, chunk, "model", self._model))
        if self.content and not self.failure:
            self._prefix.learn(frame, renamed)
        return renamed

    def _read(self, answer: Mapping[str, Json]) -> None:
        """Usage can be on any chunk, sometimes on several: the last one counts, field by field."""
        if isinstance(answer.get("model"), str) and answer["model"]:
            self.tap.model = answer["model"]
        self._service_tier = text(answer.get("service_tier")) or self._service_tier
        for wire in usages_in(answer):
            self._usage = merge_usage(self._usage, wire)
            self.tap.usage = read_usage(self._usage, self._service_tier)
        for choice in map(mapping, sequence(answer.get("choices"))):
            if word := finish_word(choice):
                self.tap.stop_reason = word
                self._finished.add(count(choice.get("index")))
        self.ended = len(self._finished) >= self._choices


def has_content(chunk: Mapping[str, Json]) -> bool:
    """Whether a chunk has content, after which no other attempt can answer the client.

    A role, the name of a tool, usage and a vendor's data about the prompt are not content; any other member of a delta
    is. Source: openai.types.chat.ChatCompletionChunk.
    """
    return any(map(_has_content, map(mapping, sequence(chunk.get("choices")))))


def _has_content(choice: Mapping[str, Json]) -> bool:
    # A server that simulates streaming puts the complete message in place of the delta.
    return any(
        bool(value) and _HOLDS.get(name, bool)(value)
        for holder in (mapping(choice.get("delta")), mapping(choice.get("message")))
        for name, value in holder.items()
    )


def _has_input(call: Json) -> bool:
    """Whether a call has more than its id and its name."""
    fields = mapping(call)
    function = mapping(fields.get("function")) or fields
    return bool(function.get("arguments")) or bool(mapping(fields.get("custom")).get("input"))


_HOLDS = {
    "role": lambda value: False,
    "tool_calls": lambda value: any(map(_has_input, sequence(value))),
    "function_call": _has_input,
}
"""The members of a delta that can be set without being content, each with its test."""


def _passed(document: Mapping[str, Json], tap: Tap) -> Passed:
    return (PackedVectors if document.get("encoding_format") == "base64" else Passed)(document, tap)


PASSING = Passing(edit_request, ChatPassthrough, _passed)
