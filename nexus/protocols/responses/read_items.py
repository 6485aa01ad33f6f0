"""Items -> messages: a client's ``input``, and the ``output`` of an answer.

The normal form. System and developer messages before any other item are ``system``, one Text per block; later ones stay
in place with role ``system``. Consecutive items of the model (messages, reasoning, calls) form one assistant message,
and consecutive outputs of calls one user message. Carriers of signatures are removed (signatures.py). Ids and statuses
of items are not kept; every item without an equivalent is refused by its type. Source:
openai.types.responses.ResponseInputItemParam.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nexus.conversation.parts import Document, Image, Inline, Message, Part, Role, Signature, Text, ToolCall, ToolResult
from nexus.dataclasses import replace
from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import Body, Drops, a_name, a_string, an_object, maybe_string, objects_in, wrong
from nexus.protocols.media import image_type
from nexus.protocols.responses import read_parts as content
from nexus.protocols.responses.client_tools import CALLS, OUTPUTS, write_arguments
from nexus.protocols.responses.compact import UNREADABLE, read_compaction, wanted
from nexus.protocols.responses.earlier_answers import NOTHING, Earlier, is_reference
from nexus.protocols.responses.server_items import SERVER_ITEMS, read_server_item
from nexus.protocols.responses.signatures import HERE, OWN, read_carrier, read_reasoning, read_vendor_reasoning
from nexus.protocols.responses.tools import SEARCH, ToolsReader, call_words, qualify, write_found
from nexus.protocols.signatures import NEXT
from nexus.protocols.tool_calls import write_input
from nexus.wire import Json, encode, text

_BOOKKEEPING = ("type", "id", "status", "call_id", "name", "namespace", "role", "content")
_IMAGE_MEMBERS = ("action", "background", "error", "output_format", "quality", "revised_prompt", "size", "svg_usage")
_ACTION = ("action", "actions", "operation", "pending_safety_checks", "environment", "caller")
_OUTCOME = ("output", "max_output_length", "acknowledged_safety_checks", "caller")
UPDATE = "configuration_update"
_DROPPED = frozenset({"web_search_call", "mcp_list_tools"})


class ItemsReader:
    """Takes items in order, then returns ``system`` and ``finish()``."""

    def __init__(self, drops: Drops, tools: ToolsReader, earlier: Earlier = NOTHING) -> None:
        self.system: list[Text] = []
        self._messages: list[Message] = []
        self._assistant: list[Part] = []
        self._results: list[ToolResult] = []
        self._waiting: Signature | None = None
        self._ours = True
        self._drops = drops
        self._tools = tools
        self._earlier = earlier

    def read(self, value: Json) -> None:
        if isinstance(value, str):
            self._add_message("user", [Text(value, at="input")] if value else [], "input")
            return
        base = "previous_response_id" if value is self._earlier.before else "input"
        for item, path in objects_in(value, base):
            if value is not self._earlier.before and self._earlier.repeats(item):
                continue
            if is_reference(item):
                item = self._earlier.item(a_name(item, "id", path), path)
            kind = item.get("type")
            # The short form of a message has no type.
            self._read_item("message" if kind is None and "role" in item else kind, item, path)

    def read_answer(self, items: Sequence[Body]) -> None:
        """A vendor's items, which the caller has checked."""
        self._ours = False
        for at, item in enumerate(items):
            self._read_item(item.get("type"), item, f"output.{at}")

    def finish(self) -> tuple[Message, ...]:
        self._close_assistant()
        self._close_results()
        return tuple(self._messages)

    def _read_item(self, kind: Json, item: Body, path: str) -> None:
        if kind == UPDATE:
            # It is not content; read_request applies it.
            return
        if isinstance(kind, str) and kind in _DROPPED:
            self._drops.add(f"input.{kind}")
            return
        row = _READERS.get(kind) if isinstance(kind, str) else None
        if row is None:
            raise UnsupportedFeature.about(path, f"items of type {kind} work only at OpenAI; leave them out")
        reader, *members = row
        self._drops.unknown(item, (*_BOOKKEEPING, *members), "input")
        reader(self, item, path)

    def _read_message(self, item: Body, path: str) -> None:
        if not self._ours:
            for output in content.read_answer(item):
                self._add_part(output)
            return
        role = a_name(item, "role", path)
        inside = f"{path}.content"
        match role:
            case "assistant":
                for part in content.read_parts(item.get("content"), inside, content.ASSISTANT, self._drops):
                    self._add_part(part)
            case "user":
                parts = content.read_parts(item.get("content"), inside, content.USER, self._drops)
                self._add_message("user", parts, path)
            case "system" | "developer":
                parts = content.read_parts(item.get("content"), inside, content.SYSTEM, self._drops)
                self._add_message("system", parts, path)
            case _:
                raise wrong(f"{path}.role", '"user", "assistant", "system" or "developer"')

    def _read_image(self, item: Body, path: str) -> None:
        """An image that a model made; a vendor's own has the id for sending it back."""
        data = maybe_string(item, "result", path)
        if not data:
            self._drops.add(f"input.{item['type']}")
            return
        form = maybe_string(item, "output_format", path)
        source = Inline(f"image/{form}" if form and form != "svg" else image_type(data), data)
        if form == "svg":
            source = replace(source, media_type="image/svg+xml")
        signature = None if self._ours else Signature(OWN, maybe_string(item, "id", path) or "")
        self._add_part(Image(source, signature=signature, at=path))

    def _read_reasoning(self, item: Body, path: str) -> None:
        if not self._ours:
            self._add_part(read_vendor_reasoning(item))
            return
        carried = read_carrier(item)
        if carried is None:
            self._add_part(read_reasoning(item))
            return
        place, signature = carried.place, carried.signature
        if place == HERE:
            self._add_part(Text("", signature=signature))
        elif place == NEXT:
            self._place_waiting()
            self._waiting = signature
        elif self._assistant and isinstance(last := self._assistant[-1], Text | ToolCall | Image):
            self._assistant[-1] = replace(last, signature=signature)

    def _read_call(self, item: Body, path: str) -> None:
        name = qualify(maybe_string(item, "namespace", path), a_string(item, "name", path))
        if not self._ours:
            self._add_part(ToolCall(text(item.get("call_id")), name, call_words(item)))
            return
        custom = item["type"] == "custom_tool_call"
        arguments = write_input(a_string(item, "input", path)) if custom else a_string(item, "arguments", path)
        self._tools.mark_loaded(name)
        self._add_part(ToolCall(a_name(item, "call_id", path), name, arguments, at=path))

    def _read_compaction(self, item: Body, path: str) -> None:
        words = read_compaction(item)
        if words is None:
            self._drops.add("input.compaction")
        self._add_message("user", [Text(words or UNREADABLE, at=path)], path)

    def _read_trigger(self, item: Body, path: str) -> None:
        self._close_assistant()
        self._close_results()
        self._messages.append(wanted(path))

    def _read_output(self, item: Body, path: str) -> None:
        call_id = a_name(item, "call_id", path)
        if not isinstance(item.get("output"), str | list):
            raise wrong(f"{path}.output", "a string or an array of content parts")
        parts = content.read_parts(item["output"], f"{path}.output", content.RESULT, self._drops)
        match parts:
            case [Text(text="", cache=cache)]:
                self._add_result(ToolResult(call_id, cache=cache, at=path))
            case _:
                self._add_result(ToolResult(call_id, _result_parts(parts), at=path))

    def _read_client_call(self, item: Body, path: str) -> None:
        run = CALLS[str(item["type"])]
        self._add_part(ToolCall(a_name(item, "call_id", path), run.name, write_arguments(run, item, path), at=path))

    def _read_client_output(self, item: Body, path: str) -> None:
        outcome = OUTPUTS[str(item["type"])].outcome(item, path)
        # A local shell's output has the id of the call as its own id.
        call_id = a_name(item, "call_id" if item.get("call_id") is not None else "id", path)
        output = outcome.words if outcome.image is None else [outcome.image]
        found = content.read_parts(output, f"{path}.output", content.RESULT, self._drops)
        self._add_result(ToolResult(call_id, _result_parts(found), is_error=outcome.failed, at=path))

    def _read_server_item(self, item: Body, path: str) -> None:
        for part in read_server_item(item, path, self._drops):
            if isinstance(part, ToolCall):
                self._add_part(part)
            else:
                self._add_result(part)

    def _read_more_tools(self, item: Body, path: str) -> None:
        self._tools.read(item.get("tools"), f"{path}.tools")

    def _read_search_call(self, item: Body, path: str) -> None:
        if item.get("execution") == "client":
            arguments = encode(an_object(item.get("arguments"), f"{path}.arguments")).decode()
            self._add_part(ToolCall(a_name(item, "call_id", path), SEARCH, arguments, at=path))
        else:
            self._drops.add("input.tool_search_call")

    def _read_search_output(self, item: Body, path: str) -> None:
        """Tools that were found join the tools, whether the client or OpenAI searched."""
        self._tools.read(item.get("tools"), f"{path}.tools")
        if item.get("execution") == "client":
            found = (Text(write_found(item.get("tools"))),)
            self._add_result(ToolResult(a_name(item, "call_id", path), found, at=path))
        else:
            self._drops.add("input.tool_search_output")

    def _add_result(self, result: ToolResult) -> None:
        self._close_assistant()
        self._results.append(result)

    def _add_message(self, role: Role, parts: list[Part], path: str) -> None:
        self._close_assistant()
        self._close_results()
        if role == "system" and not self._messages:
            self.system += [part for part in parts if isinstance(part, Text)]
        else:
            self._messages.append(Message(role, tuple(parts), at=path))

    def _add_part(self, part: Part) -> None:
        self._close_results()
        if self._waiting is not None and isinstance(part, Text | ToolCall | Image):
            part, self._waiting = replace(part, signature=self._waiting), None
        self._place_waiting()
        self._assistant.append(part)

    def _place_waiting(self) -> None:
        """A signature whose part is missing, because the client left it out, becomes a part of its own."""
        if self._waiting is not None:
            self._assistant.append(Text("", signature=self._waiting))
            self._waiting = None

    def _close_assistant(self) -> None:
        self._place_waiting()
        if self._assistant:
            self._messages.append(Message("assistant", tuple(self._assistant)))
            self._assistant = []

    def _close_results(self) -> None:
        if self._results:
            self._messages.append(Message("user", tuple(self._results)))
            self._results = []


def _result_parts(parts: list[Part]) -> tuple[Text | Image | Document, ...]:
    return tuple(part for part in parts if isinstance(part, Text | Image | Document))


_READERS: Mapping[str, tuple[Callable[[ItemsReader, Body, str], None], *tuple[str, ...]]] = {
    "message": (ItemsReader._read_message,),
    "reasoning": (ItemsReader._read_reasoning, "summary", "encrypted_content"),
    "function_call": (ItemsReader._read_call, "arguments"),
    "custom_tool_call": (ItemsReader._read_call, "input"),
    "compaction": (ItemsReader._read_compaction, "encrypted_content"),
    "image_generation_call": (ItemsReader._read_image, "result", *_IMAGE_MEMBERS),
    "compaction_trigger": (ItemsReader._read_trigger,),
    "function_call_output": (ItemsReader._read_output, "output"),
    "custom_tool_call_output": (ItemsReader._read_output, "output"),
    "additional_tools": (ItemsReader._read_more_tools, "tools"),
    "tool_search_call": (ItemsReader._read_search_call, "arguments", "execution"),
    "tool_search_output": (ItemsReader._read_search_output, "tools", "execution"),
    **{kind: (ItemsReader._read_server_item, *members) for kind, (_, *members) in SERVER_ITEMS.items()},
    **dict.fromkeys(CALLS, (ItemsReader._read_client_call, *_ACTION)),
    **dict.fromkeys(OUTPUTS, (ItemsReader._read_client_output, *_OUTCOME)),
}
"""How each type is read, and its own members; others are dropped by name."""
