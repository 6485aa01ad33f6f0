"""Messages to Messages: the client's bytes to the vendor and the vendor's bytes back, with the model's name edited.

System, tools, thinking and cache hints depend on their exact bytes, so only ``model`` is changed. What Claude would
reject is not passed on to it: another vendor's thinking is removed, because Anthropic could not verify its signature,
results of its server tools become text, and its call ids are replaced; other servers get them, because a model may need
its own (Kimi). Sources: cc-switch #1181, LiteLLM #34523, claude-code-hub #470.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.errors import VendorError
from nexus.protocols.answer_relay import Passthrough, Tap
from nexus.protocols.checks import blocks_in
from nexus.protocols.codec import Target
from nexus.protocols.contract import Document
from nexus.protocols.dialect import Passing
from nexus.protocols.edit import replace_member, replace_string
from nexus.protocols.error_words import kind_of_event
from nexus.protocols.json_schema.rules import encoded_without_rules
from nexus.protocols.messages.citations import is_ours
from nexus.protocols.messages.hosted import has_systems, systems_as_users
from nexus.protocols.messages.hosted_server_tools import without_foreign_calls
from nexus.protocols.messages.loaded_tools import loaded
from nexus.protocols.messages.needed_thinking import switched_off, switched_on, with_budget
from nexus.protocols.messages.read_error import is_answer, read_stream_error
from nexus.protocols.messages.server_tools import CALLS
from nexus.protocols.messages.signatures import THINKING
from nexus.protocols.messages.stops import explanation
from nexus.protocols.messages.turns import call_ids, container_id
from nexus.protocols.messages.usage import merge_usage, read_usage
from nexus.protocols.rejected import without
from nexus.protocols.rewrite import ANY, REMOVE, Edited, fit_strings
from nexus.protocols.signatures import MAY_BE_TAGGED, is_tagged, without_blocks, without_foreign
from nexus.protocols.sse import Frame, with_data
from nexus.wire import Json, decode, encode, mapping, text


def edit_request(raw: bytes, document: Mapping[str, Json], target: Target) -> Edited:
    edited = Edited(replace_member(raw, document, "model", target.model))
    blocks = list(blocks_in(document))
    kinds = {text(block.get("type")) for block in blocks}
    if target.claude.known:
        if not kinds.isdisjoint(CALLS):
            edited = edited.then(without_foreign_calls)
        ids = (text(block.get("id")) or text(block.get("tool_use_id")) for block in blocks)
        edited = edited._replace(body=fit_strings(edited.body, ids, call_ids().__getitem__, _IDS))
    if target.claude.refuses_system and has_systems(document):
        edited = edited.then(systems_as_users)
    if not kinds.isdisjoint(THINKING):
        judge = _judge_turn if has_systems(document) else _judge_message
        edited = without_foreign(edited, {"messages": {ANY: judge}}, "messages.thinking")
        if not target.claude.takes_thinking:
            edited = edited.without({"messages": {ANY: _without_thinking}}, "messages.thinking")
    if any("citations" in block for block in blocks):
        citations = {"messages": {ANY: {"content": {ANY: {"citations": _CITATIONS}}}}}
        edited = without_foreign(edited, citations, "messages.citations")
    if target.claude.plain_tools:
        edited = edited.without({"tools": {ANY: {"input_schema": encoded_without_rules}}}, "tools.input_schema")
    if target.claude.refuses_deferred:
        edited = edited.then(loaded)
    edited = without(edited, target.rejected)
    if target.claude.refuses_adaptive or target.claude.needs_thinking:
        edited = edited.then(with_budget)
    if target.claude.needs_thinking:
        return edited.then(switched_on)
    return edited.then(switched_off) if target.claude.strict_thinking else edited


_IDS = [("messages", ANY, "content", ANY, name) for name in ("id", "tool_use_id")]


def _judge_message(value: bytes) -> bytes | None:
    return without_blocks(value, _is_foreign) if MAY_BE_TAGGED in value else None


def _without_thinking(value: bytes) -> bytes | None:
    verdict = without_blocks(value, lambda block: text(mapping(block).get("type")) in THINKING)
    return _THOUGHT if verdict == REMOVE else verdict


def _judge_turn(value: bytes) -> bytes | None:
    """As ``_judge_message``, but keeps the turn: Claude accepts a system message only before one of the assistant."""
    verdict = _judge_message(value)
    return _THOUGHT if verdict == REMOVE else verdict


_THOUGHT = encode({"role": "assistant", "content": [{"type": "text", "text": "(I was only thinking.)"}]})
_CITATIONS = {ANY: lambda citation: REMOVE if is_ours(decode(citation)) else None}


def _is_foreign(block: Json) -> bool:
    fields = mapping(block)
    member = {"thinking": "signature", "redacted_thinking": "data"}.get(text(fields.get("type")))
    return member is not None and is_tagged(fields.get(member))


class MessagesPassthrough(Passthrough):
    delta = "content_block_delta"

    def __init__(self, model: str, tap: Tap) -> None:
        super().__init__(tap)
        self._model = model
        self._usage: dict[str, Json] = {}

    def _whole(self, raw: bytes, answer: Document) -> bytes:
        if not is_answer(answer):
            raise VendorError(read_stream_error(answer))
        self._read_message(answer)
        self._read_stop(answer)
        return replace_member(raw, answer, "model", self._model)

    def _event(self, frame: Frame, event: Document) -> bytes:
        kind = kind_of_event(frame.event, event)
        if not self.content:
            self.content = self.failure is None and has_content(kind, event)
            self.begun = self.begun or self.content or starts_thinking(kind, event)
        match kind:
            case "message_start" if message := mapping(event.get("message")):
                self._read_message(message)
                return with_data(frame.raw, lambda data: replace_string(data, ("message", "model"), self._model))
            case "message_delta":
                self._read_stop(mapping(event.get("delta")))
                self._read_container(mapping(event.get("delta")))
                self._read_usage(event)
                # Only the terminator can follow, and some servers omit it.
                self.ended = self.ended or self.tap.stop_reason is not None
            case "message_stop":
                self.complete = True
            case "error":
                self._ends(read_stream_error(event))
        return frame.raw

    def _read_container(self, holder: Mapping[str, Json]) -> None:
        """A later request may continue in the container. Source: anthropic.types.Message and RawMessageDeltaEvent."""
        if id := container_id(holder):
            self.tap.ids[id] = True

    def _read_message(self, message: Mapping[str, Json]) -> None:
        self._read_container(message)
        if isinstance(message.get("model"), str):
            self.tap.model = message["model"]
        self._read_usage(message)

    def _read_stop(self, holder: Mapping[str, Json]) -> None:
        if reason := text(holder.get("stop_reason")):
            self.tap.stop_reason = reason

    def _read_usage(self, holder: Mapping[str, Json]) -> None:
        """message_delta repeats some fields of message_start with their final values: merge by field."""
        usage = mapping(holder.get("usage"))
        if usage:
            self._usage = merge_usage(self._usage, usage)
            self.tap.usage = read_usage(self._usage)


_NONE = frozenset({"", "message_stop", "content_block_stop", "error", "ping", "keepalive", "heartbeat"})

_BLOCKS: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "citations"),
    "thinking": ("thinking", "signature"),
    **dict.fromkeys(("tool_use", "server_tool_use", "mcp_tool_use"), ("input",)),
}
"""Members of a block that are empty at its start if deltas fill them; other blocks come complete."""

_DELTAS: Mapping[str, str] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


def starts_thinking(kind: str, event: Mapping[str, Json]) -> bool:
    return kind == "content_block_start" and text(mapping(event.get("content_block")).get("type")) in THINKING


def has_content(kind: str, event: Mapping[str, Json]) -> bool:
    """Whether an event of type ``kind`` has content, after which no other attempt can answer the client.

    Events that only say that an answer has begun or is in progress are not content; unknown events are content, because
    they may be new. Source: anthropic.types.RawMessageStreamEvent.
    """
    match kind:
        case "content_block_delta":
            delta = mapping(event.get("delta"))
            member = _DELTAS.get(text(delta.get("type")))
            return member is None or bool(delta.get(member))
        case "content_block_start":
            block = mapping(event.get("content_block"))
            members = _BLOCKS.get(text(block.get("type")))
            return members is None or any(map(block.get, members))
        case "message_start":
            return bool(mapping(event.get("message")).get("content"))
        case "message_delta":
            return bool(explanation(mapping(event.get("delta"))))
        case _:
            return kind not in _NONE


PASSING = Passing(edit_request, lambda document, model, tap: MessagesPassthrough(model, tap))
