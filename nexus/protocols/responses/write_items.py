"""Messages -> input items of a request to a vendor: the inverse of read_items.py.

Only reasoning that this dialect encrypted is sent back, with its original id, and only before the items that it led to:
the API rejects a reasoning item that no item of its turn follows. Text of the assistant is a short message, because a
long one needs its original id; ``is_error``, which a call's output does not have, becomes a prefix of its text. Calls
of a client's custom tools and their outputs keep their own form. For models that want it, each text says whether they
went on after it; other dialects cannot say so, and it follows from the order. Source:
openai.types.responses.ResponseInputItemParam.
"""

from __future__ import annotations

from collections.abc import Sequence

from nexus.conversation.parts import (
    IN_WORDS,
    CacheHint,
    Image,
    Inline,
    Message,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolResult,
)
from nexus.dataclasses import replace
from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import Drops
from nexus.protocols.codec import Target
from nexus.protocols.media import LOST, unseen
from nexus.protocols.responses.signatures import OWN, open_vendor_signature
from nexus.protocols.responses.tools import ClientCalls, call_ids
from nexus.protocols.responses.write_parts import write_part
from nexus.wire import Json, digest, only, text

Item = dict[str, Json]

ERROR = "Error: "
"""Prefix of the text of a result with ``is_error``, for which this dialect has no field."""


def write_items(request: Request, drops: Drops, target: Target) -> list[Item]:
    """The whole conversation, system text first, for a model of OpenAI's as far as it is known."""
    gpt = target.gpt
    breakpoints = gpt is not None and gpt.breakpoints
    writer = _Writer(request, drops, breakpoints=breakpoints, takes_reasoning=target.takes_reasoning)
    texts = [writer.parts(block, "system") for block in request.system]
    system: list[Item] = [{"type": "message", "role": "developer", "content": content} for content in texts]
    items = writer.write(request.messages)
    if gpt is not None and gpt.phases:
        _tell_phases(items)
    return [*system, *items]


def _tell_phases(items: Sequence[Item]) -> None:
    """Adds the phase of the assistant's texts; a text at the end is still to be continued."""
    phase: str | None = None
    for item in reversed(items):
        if item.get("role") == "assistant":
            item |= only({"phase": phase})
        elif "role" in item or text(item.get("type")).endswith("_output"):
            phase = "final_answer"
        else:
            phase = "commentary"


class _Writer:
    def __init__(self, request: Request, drops: Drops, *, breakpoints: bool, takes_reasoning: bool) -> None:
        self._drops = drops
        self._takes_reasoning = takes_reasoning
        self._breakpoints = breakpoints
        self._names = ClientCalls(request, runs=False)
        self._custom: set[str] = set()
        self._items: list[Item] = []
        self._call_ids = call_ids()

    def write(self, messages: Sequence[Message]) -> list[Item]:
        for at, message in enumerate(messages):
            path = f"messages.{at}"
            if message.name is not None:
                self._drops.add("name")
            if message.role == "assistant":
                for number, part in enumerate(message.parts):
                    self._write_made(part, f"{path}.content.{number}")
            else:
                self._leave_lonely_reasoning()
                self._write_given(message, path)
        self._leave_lonely_reasoning()
        return self._items

    def parts(self, part: Part, path: str) -> list[Item]:
        """A part of a user or system message or of a result, with the prompt cache breakpoint after it."""
        written = write_part(part, path)
        written[-1] |= self._cache(getattr(part, "cache", None))
        return written

    def _cache(self, hint: CacheHint | None, *, here: bool = True) -> Item:
        """The member for a cache hint; ``here`` says whether it is possible at this position."""
        if hint is None:
            return {}
        if not (here and self._breakpoints):
            self._drops.add("cache")
            return {}
        return {"prompt_cache_breakpoint": {"mode": "explicit"} | ({"ttl": "12h"} if hint == "1h" else {})}

    def _leave_lonely_reasoning(self) -> None:
        while self._items and self._items[-1].get("type") == "reasoning":
            self._items.pop()

    def _write_made(self, part: Part, path: str) -> None:
        self._cache(getattr(part, "cache", None), here=False)
        match part:
            case Text(text=words):
                self._add({"role": "assistant", "content": words} if words else None)
            case Refusal(text=words):
                self._add(self._refusal(words))
            case Reasoning():
                self._add(self._reasoning(part))
            case ToolCall():
                if self._names.kind(part.name) == "custom":
                    self._custom.add(part.id)
                self._add(self._names.call_item(replace(part, id=self._call_ids[part.id])))
            case Image():
                self._add(self._image(part))
            case _:
                raise UnsupportedFeature.about(path, f"{IN_WORDS[type(part)]} does not belong to the role assistant")

    def _image(self, image: Image) -> Item:
        """The API requires an id; a vendor's own image has one."""
        if not isinstance(image.source, Inline):
            self._drops.add(LOST)
            return {"role": "assistant", "content": unseen(image).text}
        own = image.signature.value if image.signature is not None and image.signature.dialect == OWN else ""
        item_id = own or "ig_" + digest(image.source.data, 32)
        return {"type": "image_generation_call", "id": item_id, "status": "completed", "result": image.source.data}

    def _refusal(self, words: str) -> Item:
        item: Item = {"type": "message", "id": f"msg_{len(self._items)}", "role": "assistant", "status": "completed"}
        return item | {"content": [{"type": "refusal", "refusal": words}]}

    def _reasoning(self, part: Reasoning) -> Item | None:
        signature = part.signature if self._takes_reasoning else None
        if signature is None or signature.dialect != OWN or not signature.value:
            self._drops.add("messages.reasoning")
            return None
        summary = [{"type": "summary_text", "text": part.text}] if part.text else []
        item_id, packed = open_vendor_signature(signature)
        known = {"id": item_id} if item_id else {}
        return {"type": "reasoning", **known, "summary": summary, "encrypted_content": packed}

    def _write_given(self, message: Message, path: str) -> None:
        """Outputs of calls are separate items; everything between them is a message."""
        role = "developer" if message.role == "system" else "user"
        content: list[Item] = []
        for number, part in enumerate(message.parts):
            where = f"{path}.content.{number}"
            if isinstance(part, ToolResult):
                content = self._flush(role, content)
                self._add(self._result(part, where))
            else:
                content += self.parts(part, where)
        self._flush(role, content)

    def _flush(self, role: str, content: list[Item]) -> list[Item]:
        if content:
            self._add({"type": "message", "role": role, "content": content})
        return []

    def _result(self, part: ToolResult, path: str) -> Item:
        kind = "custom_tool_call_output" if part.call_id in self._custom else "function_call_output"
        call_id = self._call_ids[part.call_id]
        written = [piece for inner in part.parts for piece in self.parts(inner, path)]
        if (behind := self._cache(part.cache, here=bool(written))) and written:
            written[-1] |= behind
        plain = len(written) < 2 and all(piece.keys() == {"type", "text"} for piece in written)
        if part.is_error:
            written.insert(0, {"type": "input_text", "text": ERROR})
        if plain:
            return {"type": kind, "call_id": call_id, "output": "".join(piece["text"] for piece in written)}
        return {"type": kind, "call_id": call_id, "output": written}

    def _add(self, item: Item | None) -> None:
        if item is not None:
            self._items.append(item)
