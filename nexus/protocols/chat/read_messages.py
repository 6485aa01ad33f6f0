"""A client's messages, read into system text and neutral messages.

The normal form. System and developer messages before the first other one are ``system``, one Text per block; later ones
stay in place with role ``system``. Tool messages in a row form one user message. An assistant message's parts are in
the order reasoning, text, refusals, calls, unless ``reasoning_details`` have the true positions. Calls in the legacy
``function_call`` form get ids made of their position in the conversation, which does not change from turn to turn.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from functools import partial

from nexus.conversation.parts import (
    CacheHint,
    Document,
    Image,
    Message,
    Part,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from nexus.dataclasses import replace
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.protocols.chat import read_parts as content
from nexus.protocols.chat.call_ids import plain_id, thinking_signature
from nexus.protocols.chat.reasoning import interleave, read_echoed, read_extra
from nexus.protocols.chat.sources import image_url, is_image
from nexus.protocols.chat.tools import read_calls
from nexus.protocols.checks import Drops, a_name, an_array, an_object, maybe_string, objects_in, one_of, wrong
from nexus.protocols.media import read_url
from nexus.wire import Json

_COMMON = frozenset({"role", "content", "cache_control", "prompt_cache_breakpoint"})
_KNOWN: Mapping[str, frozenset[str]] = {
    "system": _COMMON | {"name"},
    "developer": _COMMON | {"name"},
    "user": _COMMON | {"name"},
    "assistant": _COMMON
    | {"name", "refusal", "tool_calls", "function_call", "audio", "images"}
    | {"reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "extra_content"}
    | {"reasoning_text", "reasoning_opaque"},
    # OpenHands and LiteLLM repeat the name of the call, as OpenAI's cookbook does.
    "tool": _COMMON | {"tool_call_id", "name"},
    "function": _COMMON | {"name"},
}
"""Fields that are read; others are dropped by name."""


class MessagesReader:
    """Takes the messages in order, then returns ``system`` and ``finish()``. ``drops`` collects wire names."""

    def __init__(self, drops: Drops) -> None:
        self.system: list[Text] = []
        self._messages: list[Message] = []
        self._results: list[ToolResult] = []
        self._legacy: defaultdict[str, deque[str]] = defaultdict(deque)
        self._drops = drops

    def read(self, value: Json) -> None:
        if not an_array(value, "messages"):
            raise wrong("messages", "at least one message")
        for message, path in objects_in(value, "messages"):
            self._read_one(message, path)

    def finish(self) -> tuple[Message, ...]:
        self._flush()
        return tuple(self._messages)

    def _read_one(self, message: Mapping[str, Json], path: str) -> None:
        role = a_name(message, "role", path)
        if role not in ("tool", "function"):
            self._flush()
        match role:
            case "system" | "developer":
                self._read_system(message, path)
            case "user":
                parts = content.read_parts(message.get("content"), f"{path}.content", content.USER, self._drops)
                self._add("user", message, parts, path)
            case "assistant":
                self._add("assistant", message, self._read_assistant(message, path), path)
            case "tool":
                self._read_result(message, path, plain_id(a_name(message, "tool_call_id", path)))
            case "function":
                self._read_result(message, path, self._legacy_id(message, path))
            case _:
                raise wrong(f"{path}.role", one_of(_KNOWN))
        self._drops.unknown(message, _KNOWN[role], "messages")

    def _read_system(self, message: Mapping[str, Json], path: str) -> None:
        blocks = content.read_parts(message.get("content"), f"{path}.content", content.SYSTEM, self._drops)
        blocks = _hinted(blocks, content.read_cache(message, path))
        name = maybe_string(message, "name", path)
        if self._messages:
            self._messages.append(Message("system", tuple(blocks), name, at=path))
            return
        if name is not None:
            self._drops.add("messages.name")
        self.system += [block for block in blocks if isinstance(block, Text)]

    def _add(self, role: Role, message: Mapping[str, Json], parts: list[Part], path: str) -> None:
        parts = _hinted(parts, content.read_cache(message, path))
        name = maybe_string(message, "name", path)
        self._messages.append(Message(role, tuple(parts), name, at=path))

    def _read_assistant(self, message: Mapping[str, Json], path: str) -> list[Part]:
        if message.get("audio"):
            raise UnsupportedFeature.about(f"{path}.audio", "audio in an answer cannot be translated; leave it out")
        prose = content.read_parts(message.get("content"), f"{path}.content", content.ASSISTANT, self._drops)
        signature = read_extra(message.get("extra_content"))
        if signature is not None and not content.change_last(prose, (Text,), partial(replace, signature=signature)):
            prose.append(Text("", signature=signature))
        if refusal := maybe_string(message, "refusal", path):
            prose.append(Refusal(refusal, at=f"{path}.refusal"))
        prose += _read_images(message, f"{path}.images")
        calls = read_calls(message, path, self._drops)
        if message.get("function_call") is not None:
            calls.append(self._read_legacy(message["function_call"], f"{path}.function_call"))
        return interleave(read_echoed(message, thinking_signature(message)), prose, calls)

    def _read_legacy(self, value: Json, path: str) -> ToolCall:
        call = an_object(value, path)
        name = a_name(call, "name", path)
        arguments = maybe_string(call, "arguments", path) or ""
        legacy = ToolCall(f"call_{path.split('.')[1]}", name, arguments, at=path)
        self._legacy[name].append(legacy.id)
        return legacy

    def _legacy_id(self, message: Mapping[str, Json], path: str) -> str:
        name = a_name(message, "name", path)
        if not self._legacy[name]:
            raise InvalidRequest.about(f"{path}.name", f"no function_call before it has the name {name}")
        return self._legacy[name].popleft()

    def _read_result(self, message: Mapping[str, Json], path: str, call_id: str) -> None:
        found = content.read_parts(message.get("content"), f"{path}.content", content.TOOL, self._drops)
        parts = tuple(part for part in found if isinstance(part, (Text, Image, Document)))
        self._results.append(ToolResult(call_id, parts, cache=content.read_cache(message, path), at=path))

    def _flush(self) -> None:
        if self._results:
            self._messages.append(Message("user", tuple(self._results)))
            self._results = []


def _read_images(message: Mapping[str, Json], path: str) -> list[Part]:
    """Images that a model made, in the form in which the client received them."""
    images: list[Part] = []
    for entry, where in objects_in(message.get("images") or [], path):
        source = read_url(image_url(entry), param=f"{where}.image_url.url")
        if not is_image(source):
            raise wrong(where, "an image")
        images.append(Image(source, signature=read_extra(entry.get("extra_content")), at=where))
    return images


def _hinted(parts: list[Part], cache: CacheHint | None) -> list[Part]:
    """Moves a hint on the whole message to its last part that can have one."""
    if cache is not None:
        content.change_last(parts, (Text, Image, Document, ToolCall), partial(replace, cache=cache))
    return parts
