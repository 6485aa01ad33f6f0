"""Tool calls and their results, paired as every vendor requires: each call answered once, right after its turn.

Pure; a history that is in order is returned unchanged; calls have distinct ids (tidy.py). A late result moves up to its
call. Halves without a counterpart become text: a result becomes text of the user, a call gets a result that says there
is none. Clients that truncate their history, or were interrupted, keep sending such histories.
"""

from __future__ import annotations

from collections.abc import Sequence

from nexus.conversation.parts import Message, Part, Request, Text, ToolCall, ToolResult
from nexus.dataclasses import replace

LOST_CALL = "[Result of a tool call that is no longer part of this conversation]"
CAME = "[The result has come and stands above.]"
NO_RESULT = "(There is no result: the tool call was interrupted.)"

_Position = tuple[int, int]
"""Position of a part: its message, and its index there."""


def paired(request: Request) -> tuple[Request, tuple[str, ...]]:
    """The request, and what it lost: unpaired halves, by neutral names."""
    history = _History(request.messages)
    if not (history.orphans or history.open or history.late):
        return request, ()
    lost = [*(["messages.tool_result"] if history.orphans else []), *(["messages.tool_call"] if history.open else [])]
    return replace(request, messages=tuple(history.rebuilt())), tuple(lost)


class _History:
    """``orphans`` are results without a call, ``open`` calls without a result, ``late`` results that come after the
    turn of their call, each with that call."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages
        self.orphans: set[_Position] = set()
        self.open: dict[_Position, ToolCall] = {}
        self.late: dict[_Position, tuple[_Position, ToolResult]] = {}
        self._turns = _turns(messages)
        waiting: dict[str, _Position] = {}
        for at, message in enumerate(messages):
            for number, part in enumerate(message.parts):
                position = (at, number)
                if isinstance(part, ToolCall) and message.role == "assistant":
                    waiting[part.id] = position
                    self.open[position] = part
                elif isinstance(part, ToolResult) and message.role == "user":
                    if (call := waiting.pop(part.call_id, None)) is None:
                        self.orphans.add(position)
                        continue
                    del self.open[call]
                    if self._turns[at] != self._turns[call[0]]:
                        self.late[position] = (call, part)

    def rebuilt(self) -> list[Message]:
        """The messages, each turn of the assistant followed by its missing results."""
        lacking = dict(self.late.values()) | {position: _no_result(call) for position, call in self.open.items()}
        added: dict[int, list[ToolResult]] = {}
        for position in sorted(lacking):
            added.setdefault(self._turns[position[0]], []).append(lacking[position])
        written: list[Message] = []
        for at, message in enumerate(self._messages):
            parts = tuple(part for number, one in enumerate(message.parts) for part in self._kept(one, (at, number)))
            if not parts and at + 1 == len(self._messages):
                # It is still the user's turn that needs an answer.
                parts = (Text(CAME, at=message.at),)
            if parts or not message.parts:
                written.append(replace(message, parts=parts))
            if self._ends_answer(at) and self._turns[at] in added:
                written.append(Message("user", tuple(added[self._turns[at]])))
        return written

    def _ends_answer(self, at: int) -> bool:
        following = self._messages[at + 1].role if at + 1 < len(self._messages) else ""
        return self._messages[at].role == "assistant" and following != "assistant"

    def _kept(self, part: Part, position: _Position) -> Sequence[Part]:
        if position in self.late:
            return ()
        if isinstance(part, ToolResult) and position in self.orphans:
            return (Text(LOST_CALL, at=part.at), *part.parts)
        return (part,)


def _no_result(call: ToolCall) -> ToolResult:
    return ToolResult(call.id, (Text(NO_RESULT),), is_error=True, at=call.at)


def _turns(messages: Sequence[Message]) -> list[int]:
    """The turn number of each message: consecutive assistant messages, with everything up to the next one."""
    turns: list[int] = []
    number = 0
    for at, message in enumerate(messages):
        if message.role == "assistant" and at and messages[at - 1].role != "assistant":
            number += 1
        turns.append(number)
    return turns
