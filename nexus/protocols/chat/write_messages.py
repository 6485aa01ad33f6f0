"""Neutral system text and messages, written as this dialect's messages for a vendor.

Messages are in the order that the vendor requires. Consecutive assistant messages are merged; the results of their
calls follow immediately, in the order of the calls, wherever the client had put them before the next answer. Empty
answers are left out. A tool message contains only text: images and files go into a user message after the results,
which names the calls. A result that is an error begins with ERROR_MARK. Reasoning is sent back only to the dialect that
made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from nexus.conversation.parts import Image, Message, Part, Reasoning, Refusal, Request, Text, ToolCall, ToolResult
from nexus.dataclasses import replace
from nexus.models.chat_server import ChatServer
from nexus.protocols.chat.reasoning import NAMED, OWN, PART, vendor_extra, vendor_reasoning
from nexus.protocols.chat.sources import vendor_image
from nexus.protocols.chat.think_tags import tagged
from nexus.protocols.chat.write_parts import cache_fields, is_text, write_part
from nexus.protocols.checks import Drops
from nexus.protocols.media import LOST, from_result, unseen
from nexus.protocols.openai_request import misplaced
from nexus.protocols.tool_calls import BROKEN, ToolIds, whole_text
from nexus.wire import Json, only

ERROR_MARK = "[tool error] "
"""Prefix of the text of a result with ``is_error``, for which this dialect has no field."""

_MEDIA_MARK = "[what this result holds beside text follows in the next user message]"
_NO_REASONING = " "
"""Placeholder for reasoning that another model did, or that the client did not keep; "" counts as missing. Answers
without calls need it, too (kimi-cli #2141, openclaw #73417); in a conversation without tools it is ignored."""

_BETWEEN = "OK."
"""The answer between results and the next message, if a server requires one."""

_SYSTEM_MARK = "[system message] "

Wire = dict[str, Json]


class MessagesWriter:
    """``drops`` collects neutral names; ``ids`` are those that the model reads."""

    def __init__(self, server: ChatServer, drops: Drops, ids: ToolIds) -> None:
        self._server = server
        self._drops = drops
        self._ids = ids
        self._system_role = "developer" if server.developer_role else "system"
        self._wire: list[Wire] = []

    def write(self, request: Request) -> list[Wire]:
        if request.system:
            system = [wire for block in request.system for wire in self._parts(block, "system")]
            self._wire.append({"role": self._system_role, "content": self._content(system)})
        for answer, following in _turns(request.messages):
            calls = [] if answer is None else self._write_assistant(*answer)
            self._write_results(following, calls)
            for index, message in following:
                self._write_other(message, index)
        return self._wire

    def _write_assistant(self, message: Message, paths: Sequence[str]) -> list[str]:
        """Returns the ids of its calls; ``paths`` are those of its parts."""
        content = [wire for part, path in zip(message.parts, paths, strict=True) for wire in self._prose(part, path)]
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        refusals = [part.text for part in message.parts if isinstance(part, Refusal)]
        images = [part for part in message.parts if isinstance(part, Image) and self._server.output_images]
        fields = self._reasoning(message.parts)
        if self._server.think_tags and (thought := fields.pop("reasoning_content", None)):
            content = _with_thought(content, thought)
        for text in (part for part in message.parts if isinstance(part, Text)):
            fields |= self._history(vendor_extra(text.signature))
        besides = only(
            {
                "refusal": "".join(refusals) if refusals else None,
                **fields,
                "images": [vendor_image(image) for image in images] or None,
                "tool_calls": [self._call(call) for call in calls] or None,
            }
        )
        if content or besides:
            if self._server.reasoning_with_calls:
                named = besides.pop(NAMED.value, _NO_REASONING)
                besides["reasoning_content"] = besides.get("reasoning_content") or named
            # Without calls, servers such as Ollama reject null.
            nothing = None if calls or refusals else ""
            written = self._content(content) if content else nothing
            self._wire.append({"role": "assistant", "content": written, **_name(message), **besides})
        return [call.id for call in calls]

    def _prose(self, part: Part, path: str) -> list[Wire]:
        """The content parts for one part of an answer; none if it goes into another field."""
        match part:
            case Text(text=words):
                return self._parts(part, path) if words else []
            case Image() if not self._server.output_images:
                self._drops.add(LOST)
                return self._parts(unseen(part), path)
            case Reasoning(text=words) if self._is_part(part):
                return [{"type": "thinking", "thinking": [{"type": "text", "text": words}]}]
            case Image() | Refusal() | ToolCall() | Reasoning():
                return []
            case _:
                raise misplaced(part, path)

    def _call(self, call: ToolCall) -> Wire:
        if call.cache is not None:
            self._drops.add("cache")
        arguments, is_whole = whole_text(call.arguments)
        if not is_whole:
            # Servers parse what they get back: vllm #43995, llama.cpp #22948.
            self._drops.add(BROKEN)
        function = {"name": call.name, "arguments": arguments}
        return {"id": self._ids[call.id], "type": "function", "function": function} | self._history(
            vendor_extra(call.signature)
        )

    def _reasoning(self, parts: Iterable[Part]) -> Wire:
        if not (reasoning := [part for part in parts if isinstance(part, Reasoning) and not self._is_part(part)]):
            return {}
        own = [part for part in reasoning if part.signature is not None and part.signature.dialect == OWN]
        if len(own) < len(reasoning):
            self._drops.add("messages.reasoning")
        return self._history(vendor_reasoning(own))

    def _is_part(self, part: Reasoning) -> bool:
        return self._server.thinking_parts and part.signature == PART

    def _history(self, fields: Wire) -> Wire:
        if fields and self._server.no_reasoning_history:
            self._drops.add("messages.reasoning")
            return {}
        return fields

    def _write_results(self, following: Sequence[tuple[int, Message]], calls: list[str]) -> None:
        order = {call_id: at for at, call_id in enumerate(calls)}
        found = [
            (part, f"messages.{index}.content.{at}")
            for index, message in following
            for at, part in enumerate(message.parts)
            if isinstance(part, ToolResult)
        ]
        media: list[Wire] = []
        for result, path in sorted(found, key=lambda pair: order.get(pair[0].call_id, len(order))):
            media += self._write_result(result, path)
        if media:
            self._add_given({"role": "user", "content": media})

    def _write_result(self, result: ToolResult, path: str) -> list[Wire]:
        """Returns the parts that must follow in a user message."""
        texts: list[Wire] = []
        media: list[Wire] = []
        for at, part in enumerate(result.parts):
            written = self._parts(part, f"{path}.content.{at}")
            # The context of a file stays with the file.
            (texts if all(map(is_text, written)) else media).extend(written)
        if media:
            texts.append({"type": "text", "text": _MEDIA_MARK})
        if result.is_error:
            texts = texts or [{"type": "text", "text": ""}]
            texts[0] = texts[0] | {"text": ERROR_MARK + texts[0]["text"]}
        if result.cache is not None and texts:
            texts[-1] |= self._cache(result)
        elif result.cache is not None:
            self._drops.add("cache")
        call_id = self._ids[result.call_id]
        self._wire.append({"role": "tool", "tool_call_id": call_id, "content": self._content(texts)})
        heading = {"type": "text", "text": from_result(call_id)}
        return [heading, *media] if media else []

    def _write_other(self, message: Message, index: int) -> None:
        """A user or system message without its results."""
        rest = [(at, part) for at, part in enumerate(message.parts) if not isinstance(part, ToolResult)]
        if message.parts and not rest:
            return
        content: list[Wire] = []
        for at, part in rest:
            content += self._parts(part, f"messages.{index}.content.{at}")
        role = "user" if message.role == "user" else self._system_role
        if message.role == "system" and self._server.system_first:
            role = "user"
            content.insert(0, {"type": "text", "text": _SYSTEM_MARK})
        self._add_given({"role": role, "content": self._content(content), **_name(message)})

    def _add_given(self, wire: Wire) -> None:
        """Adds a message that is neither an answer nor a result."""
        last = self._wire[-1] if self._wire and self._server.no_user_after_tool else {}
        if last.get("role") == "user" == wire["role"]:
            last["content"] = self._content([*_parts_of(last), *_parts_of(wire)])
            return
        if last.get("role") == "tool":
            self._wire.append({"role": "assistant", "content": _BETWEEN})
        self._wire.append(wire)

    def _parts(self, part: Part, path: str) -> list[Wire]:
        written = write_part(part, path)
        written[-1] |= self._cache(part)
        return written

    def _cache(self, part: Part) -> Wire:
        hint = getattr(part, "cache", None)
        fields = cache_fields(hint, self._server)
        if hint is not None and not fields:
            self._drops.add("cache")
        return fields

    def _content(self, parts: list[Wire]) -> Json:
        """A string if the content is one plain text, as every server understands."""
        parts = [part for part in parts if part != {"type": "text", "text": ""}]
        if not parts:
            return ""
        if not all(map(is_text, parts)):
            return parts
        if self._server.string_content:
            if any(len(part) > 2 for part in parts):
                self._drops.add("cache")
            return "\n\n".join(part["text"] for part in parts)
        return parts[0]["text"] if len(parts) == 1 and len(parts[0]) == 2 else parts


def _parts_of(wire: Wire) -> list[Wire]:
    content = wire["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _name(message: Message) -> Wire:
    return {"name": message.name} if message.name else {}


def _with_thought(content: list[Wire], thought: str) -> list[Wire]:
    first, rest = (
        (content[0], content[1:]) if content and is_text(content[0]) else ({"type": "text", "text": ""}, content)
    )
    return [first | {"text": tagged(thought) + first["text"]}, *rest]


Turn = tuple[tuple[Message, list[str]] | None, list[tuple[int, Message]]]


def _turns(messages: Sequence[Message]) -> list[Turn]:
    """Each answer, merged from consecutive assistant messages, with everything up to the next one."""
    turns: list[Turn] = [(None, [])]
    for is_answer, group in groupby(enumerate(messages), lambda placed: placed[1].role == "assistant"):
        if not is_answer:
            turns[-1][1].extend(group)
            continue
        answer = list(group)
        parts = tuple(part for _, message in answer for part in message.parts)
        paths = [f"messages.{index}.content.{at}" for index, message in answer for at in range(len(message.parts))]
        name = next((message.name for _, message in answer if message.name), None)
        turns.append(((replace(answer[0][1], parts=parts, name=name), paths), []))
    return turns
