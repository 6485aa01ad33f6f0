"""Responses to Responses: the client's bytes to the vendor and the vendor's bytes back, with the model's name edited.

Only ``model`` is changed, in the request and in the response object (``response`` in some events), and only if there is
a name to replace it. Another vendor's reasoning is removed, because OpenAI cannot decrypt it and rejects the plain text
of other servers (cockpit-tools #2012); items lose ids that OpenAI rejects; a summary by Nexus becomes its text; for a
server that rejects broken arguments in the history, they are wrapped in an object; and members that a server rejects
and the answer does not depend on are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nexus.errors import VendorError
from nexus.late import pattern
from nexus.protocols.answer_relay import Passthrough, Tap
from nexus.protocols.codec import Target
from nexus.protocols.contract import Document
from nexus.protocols.dialect import Passing
from nexus.protocols.edit import replace_member, replace_string
from nexus.protocols.error_words import kind_of_event
from nexus.protocols.json_schema.rules import encoded_without_rules
from nexus.protocols.openai_request import rejected_members
from nexus.protocols.rejected import without
from nexus.protocols.responses.compact import MAY_HOLD_SUMMARY, read_compaction
from nexus.protocols.responses.earlier_answers import given_ids
from nexus.protocols.responses.read_error import is_answer, read_stream_error
from nexus.protocols.responses.tools import call_ids
from nexus.protocols.responses.usage import read_usage
from nexus.protocols.rewrite import ANY, REMOVE, Edited, Rules, cut, fit_strings, remove
from nexus.protocols.signatures import is_tagged, without_foreign
from nexus.protocols.sse import Frame, with_data
from nexus.protocols.tool_calls import object_text
from nexus.wire import Json, count, decode, encode, mapping, sequence, text

_TERMINAL = frozenset({"response.completed", "response.failed", "response.incomplete"})


def edit_request(raw: bytes, document: Mapping[str, Json], target: Target) -> Edited:
    renamed = replace_member(raw, document, "model", target.model)
    items = list(map(mapping, sequence(document.get("input"))))
    kinds = {text(item.get("type")) for item in items}
    if "compaction" in kinds:
        renamed = cut(renamed, {"input": {ANY: _readable_item}})
    if target.gpt is not None:
        ids = (text(item.get("call_id")) for item in items)
        renamed = fit_strings(renamed, ids, call_ids().__getitem__, [("input", ANY, "call_id")])
        if any(map(_has_strange_id, items)):
            renamed = cut(renamed, {"input": {ANY: _without_strange_id}})
    if target.chat.json_arguments:
        arguments = (text(item.get("arguments")) for item in items)
        renamed = fit_strings(renamed, arguments, object_text, [("input", ANY, "arguments")])
    edited = Edited(renamed)
    if "reasoning" in kinds:
        edited = without_foreign(edited, _reasoning(_is_foreign), REASONING)
        if target.gpt is not None and _PLAIN in edited.body:
            edited = edited.without(_reasoning(_is_plain), REASONING)
        if not target.takes_reasoning:
            edited = edited.without(_reasoning(lambda _: True), REASONING)
    if target.chat.plain_tools:
        edited = edited.without({"tools": {ANY: {"parameters": encoded_without_rules}}}, "tools.parameters")
    return without(edited, rejected_members(target))


def _readable_item(value: bytes) -> bytes | None:
    item = mapping(decode(value)) if MAY_HOLD_SUMMARY in value else {}
    words = read_compaction(item) if item.get("type") == "compaction" else None
    return None if words is None else encode({"type": "message", "role": "user", "content": words})


_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}
_ID = pattern(r"[A-Za-z0-9_-]{1,64}")


def _has_strange_id(item: Document) -> bool:
    """Whether OpenAI rejects the item's id, which it does not need (codex #33176, pi #10257, oh-my-pi #284). An item
    without type is a message, or refers to another."""
    kind = item.get("type", "message" if "role" in item else None)
    id, prefix = item.get("id"), _PREFIXES.get(text(kind))
    return isinstance(id, str) and prefix is not None and not (id.startswith(prefix) and _ID.fullmatch(id))


def _without_strange_id(value: bytes) -> bytes | None:
    return cut(value, {"id": remove}) if _has_strange_id(mapping(decode(value))) else None


REASONING = "input.reasoning"
_PLAIN = b'"reasoning_text"'


def _reasoning(is_refused: Callable[[Document], bool]) -> Rules:
    def judge(value: bytes) -> bytes | None:
        item = mapping(decode(value)) if b'"reasoning"' in value else {}
        return REMOVE if item.get("type") == "reasoning" and is_refused(item) else None

    return {"input": {ANY: judge}}


def _is_foreign(item: Document) -> bool:
    return is_tagged(item.get("encrypted_content"))


def _is_plain(item: Document) -> bool:
    return bool(item.get("content")) and not item.get("encrypted_content")


class ResponsesPassthrough(Passthrough):
    delta = ".delta"

    def __init__(self, model: str | None, tap: Tap) -> None:
        super().__init__(tap)
        self._model = model
        # A stored object is not an attempt at an answer.
        self.content = self.begun = model is None

    def _whole(self, raw: bytes, answer: Document) -> bytes:
        if self._model is not None and not is_answer(answer):
            raise VendorError(read_stream_error(answer))
        if self._model is not None and answer.get("status") == "failed":
            self.failure = read_stream_error(answer)
        self._read(answer)
        self.tap.ids |= given_ids(answer)
        return raw if self._model is None else replace_member(raw, answer, "model", self._model)

    def frame(self, frame: Frame) -> bytes:
        self.tap.events += frame.data is not None
        return super().frame(frame)

    def _event(self, frame: Frame, event: Document) -> bytes:
        kind = kind_of_event(frame.event, event)
        self.tap.events = max(self.tap.events, count(event.get("sequence_number")) + 1)
        if not self.content:
            self.content = self.failure is None and has_content(kind, event)
            self.begun = self.begun or self.content or starts_thinking(kind, event)
        if kind == "error":
            # The vendor's own error: only its response.failed may still follow.
            self.ended, self.tap.stop_reason = True, "error"
        if kind in ("error", "response.failed") and self._model is not None:
            self.failure = self.failure or read_stream_error(mapping(event.get("response")) or event)
        self.tap.ids |= given_ids(event)
        if kind in _TERMINAL:
            self.complete = True
        response = mapping(event.get("response"))
        if not response:
            return frame.raw
        self._read(response)
        return self._renamed(frame)

    def _renamed(self, frame: Frame) -> bytes:
        if (model := self._model) is None:
            return frame.raw
        return with_data(frame.raw, lambda data: replace_string(data, ("response", "model"), model))

    def _read(self, response: Mapping[str, Json]) -> None:
        self.tap.answer_id = text(response.get("id"))
        if text(response.get("model")):
            self.tap.model = response["model"]
        if usage := mapping(response.get("usage")):
            self.tap.usage = read_usage(usage, response.get("service_tier"), response.get("output"))
        reason = text(mapping(response.get("incomplete_details")).get("reason")) or text(response.get("status"))
        if reason and reason not in ("in_progress", "queued"):
            self.tap.stop_reason = reason


_NONE = frozenset(
    {
        *("", "response.created", "response.in_progress", "response.queued", "ping", "keepalive", "heartbeat"),
        *("error", "response.failed", "response.completed", "response.incomplete"),
    }
)

_PROGRESS = (".in_progress", ".searching", ".generating", ".interpreting")
"""Suffixes of progress events of a vendor's own tools."""

_ITEMS: Mapping[str, tuple[str, ...]] = {
    "message": ("content",),
    "reasoning": ("summary", "content"),
    "function_call": ("arguments",),
    "custom_tool_call": ("input",),
}
"""Members of an item that are empty at its start if deltas fill them."""

_RUNNING = ("in_progress", "queued", "searching", "generating", "interpreting")


def starts_thinking(kind: str, event: Mapping[str, Json]) -> bool:
    return kind == "response.output_item.added" and mapping(event.get("item")).get("type") == "reasoning"


def has_content(kind: str, event: Mapping[str, Json]) -> bool:
    """Whether an event of type ``kind`` has content, after which no other attempt can answer the client.

    Events that only say that a response, an item or a part has begun or is in progress are not content; unknown events
    are content, because they may be new. Source: openai.types.responses.ResponseStreamEvent.
    """
    match kind:
        case "response.output_item.added":
            return _is_filled(mapping(event.get("item")))
        case "response.content_part.added" | "response.reasoning_summary_part.added":
            part = mapping(event.get("part"))
            return bool(part.get("text")) or bool(part.get("refusal"))
        case _ if kind.endswith(".delta"):
            return bool(event.get("delta"))
        case _:
            return kind not in _NONE and not kind.endswith(_PROGRESS)


def _is_filled(item: Mapping[str, Json]) -> bool:
    members = _ITEMS.get(text(item.get("type")))
    return item.get("status") not in _RUNNING if members is None else any(map(item.get, members))


PASSING = Passing(
    edit_request,
    lambda document, model, tap: ResponsesPassthrough(model, tap),
    stored=lambda tap: ResponsesPassthrough(None, tap),
)
