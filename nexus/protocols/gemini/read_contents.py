"""A Gemini client's ``contents`` -> messages.

Consecutive contents of the model are one turn: clients store a streamed answer chunk by chunk. In it the pieces of a
text, or of thinking, are one part up to the signature that ends it. Calls and their responses are paired by id, or by
name in order if there is none; so are those of Google's own tools. Source: ai.google.dev/api/caching#Content;
google.genai.chats.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator

from nexus.conversation.parts import Image, Message, Part, Reasoning, Signature, Text, ToolCall, ToolResult
from nexus.dataclasses import dataclass, field, replace
from nexus.errors import InvalidRequest
from nexus.protocols.checks import (
    Body,
    Drops,
    a_name,
    an_object,
    maybe_bool,
    maybe_object,
    maybe_string,
    objects_in,
    wrong,
)
from nexus.protocols.gemini.read_parts import part_kind, read_function_response, read_media
from nexus.protocols.gemini.server_parts import CALLS, read_arguments, read_code_result, server_part, tool_of
from nexus.protocols.gemini.signatures import OWN, ReadSignature, read_signature
from nexus.wire import Json, encode

_UNSIGNED = Signature(OWN, "")
_ROLES = {"user": "user", "function": "user", "model": "assistant"}


def several(value: Json, path: str) -> Iterator[tuple[Body, str]]:
    """Objects, each with its path: Google's parser accepts a single value for a list, and null for none."""
    return objects_in([value] if isinstance(value, dict) else value or [], path)


def read_contents(value: Json, drops: Drops) -> tuple[Message, ...]:
    calls = _Calls()
    messages: list[Message] = []
    turn: _ModelTurn | None = None
    for content, path in several(value, "contents"):
        drops.unknown(content, ("role", "parts"), "contents")
        role = _ROLES.get(maybe_string(content, "role", path) or "user")
        if role is None:
            raise wrong(f"{path}.role", '"user" or "model"')
        parts = list(several(content.get("parts"), f"{path}.parts"))
        if role == "assistant":
            turn = turn or _ModelTurn(path, calls)
            for part, where in parts:
                turn.add(part, where, drops)
            continue
        if turn is not None:
            messages += turn.messages()
            turn = None
        found = tuple(read for part, where in parts for read in _read_user_part(part, where, calls, drops))
        messages.append(Message("user", found, at=path))
    return (*messages, *turn.messages()) if turn is not None else tuple(messages)


@dataclass(slots=True)
class _Call:
    id: str
    is_answered: bool = False


@dataclass(slots=True)
class _Calls:
    """Calls that may have no response yet, in order, by their ids and by their names."""

    waiting: dict[tuple[str, str | None], deque[_Call]] = field(default_factory=dict)
    total: int = 0

    def add(self, id: str | None, name: str) -> str:
        self.total += 1
        call = _Call(id or f"call_{self.total}")
        for key in (("id", call.id), ("name", name)):
            self.waiting.setdefault(key, deque()).append(call)
        return call.id

    def answered(self, id: str | None, name: str) -> str:
        """The id of the call that a response answers; a new one if there is none, as in a truncated history."""
        for key in (("id", id), ("name", name)):
            calls = self.waiting.get(key, deque())
            while calls and calls[0].is_answered:
                calls.popleft()
            if calls:
                calls[0].is_answered = True
                return calls[0].id
        return id or f"lost_{name}"


def _read_user_part(wire: Body, path: str, calls: _Calls, drops: Drops) -> list[Part]:
    kind = part_kind(wire, path, drops)
    match kind:
        case "text":
            words = maybe_string(wire, "text", path)
            return [Text(words, at=path)] if words else []
        case "functionResponse":
            return [_read_result(an_object(wire[kind], f"{path}.{kind}"), path, calls, drops)]
        case "functionCall":
            raise InvalidRequest.about(path, "a functionCall does not belong to the role user")
        case _:
            return [replace(read_media(kind, wire[kind], path, drops), at=path)]


def _read_result(wire: Body, path: str, calls: _Calls, drops: Drops) -> ToolResult:
    where = f"{path}.functionResponse"
    name = a_name(wire, "name", where)
    parts, failed = read_function_response(wire, where, drops)
    return ToolResult(calls.answered(maybe_string(wire, "id", where), name), parts, is_error=failed, at=path)


class _ModelTurn:
    """A turn of the model, in one or several contents."""

    def __init__(self, at: str, calls: _Calls) -> None:
        self._at = at
        self._calls = calls
        self._parts: list[Part] = []
        self._open: list[str] | None = None
        """The pieces of the last part, if it may continue."""

        self._behind_call = 0
        """Index of the first part after the last call."""

    def messages(self) -> list[Message]:
        """The turn's messages; results of Google's own tools within it are the user's, as those of functions are."""
        self._close()
        groups = itertools.groupby(self._parts, lambda part: isinstance(part, ToolResult))
        messages = [Message("user" if own else "assistant", tuple(parts), at=self._at) for own, parts in groups]
        return messages or [Message("assistant", (), at=self._at)]

    def add(self, wire: Body, path: str, drops: Drops) -> None:
        if (own := server_part(wire)) is not None:
            self._add_servers(own, an_object(wire[own], f"{path}.{own}"), path, drops)
            return
        kind = part_kind(wire, path, drops)
        signature = read_signature(maybe_string(wire, "thoughtSignature", path) or "")
        signed, words = bool(wire.get("thoughtSignature")), maybe_string(wire, "text", path) or ""
        match kind:
            case "text" if maybe_bool(wire, "thought", path):
                thought = signature.own if signed else _UNSIGNED
                self._add_piece(Reasoning(words, thought, signature.redacted, at=path), goes_on=not signed)
            case "text":
                self._add_piece(Text(words, signature=signature.own, at=path), goes_on=signature.own is None)
            case "functionCall":
                self._call(an_object(wire[kind], f"{path}.{kind}"), signature, path, drops)
            case "functionResponse":
                raise InvalidRequest.about(path, "a functionResponse does not belong to the role model")
            case _:
                media = replace(read_media(kind, wire[kind], path, drops), at=path)
                self._append(replace(media, signature=signature.own) if isinstance(media, Image) else media)

    def _add_servers(self, kind: str, wire: Body, path: str, drops: Drops) -> None:
        drops.add(f"contents.parts.{kind}")
        id, name = maybe_string(wire, "id", f"{path}.{kind}"), tool_of(wire)
        if kind in CALLS:
            self._append(ToolCall(self._calls.add(id, name), name, read_arguments(kind, wire), at=path))
        else:
            self._append(replace(read_code_result(self._calls.answered(id, name), wire), at=path))

    def _append(self, part: Part) -> None:
        self._close()
        self._parts.append(part)

    def _add_piece(self, piece: Text | Reasoning, *, goes_on: bool) -> None:
        """A piece of a text or of thinking, which may continue the last part."""
        if self._open is not None and type(self._parts[-1]) is type(piece):
            self._open.append(piece.text)
            self._parts[-1] = replace(piece, at=self._parts[-1].at)
        elif piece.text or not goes_on:
            self._append(piece)
            self._open = [piece.text]
        if not goes_on:
            self._close()

    def _close(self) -> None:
        """Joins the pieces of the last part."""
        if self._open is not None and isinstance(last := self._parts[-1], (Text, Reasoning)):
            self._parts[-1] = replace(last, text="".join(self._open))
        self._open = None

    def _call(self, wire: Body, read: ReadSignature, path: str, drops: Drops) -> None:
        where = f"{path}.functionCall"
        drops.unknown(wire, ("id", "name", "args"), "contents.parts.functionCall")
        name = a_name(wire, "name", where)
        arguments = maybe_object(wire, "args", where)
        self._close()
        since = self._parts[self._behind_call :]
        if read.thoughts and all(part.signature == _UNSIGNED for part in since if isinstance(part, Reasoning)):
            # The client did not return the thinking in any other way, or without its signatures, as opencode does.
            thoughts = [replace(thought, at=path) for thought in read.thoughts]
            others = [part for part in since if not isinstance(part, Reasoning)]
            self._parts[self._behind_call :] = [*thoughts, *others]
        id = self._calls.add(maybe_string(wire, "id", where), name)
        self._append(ToolCall(id, name, encode(arguments).decode(), read.own, at=path))
        self._behind_call = len(self._parts)
