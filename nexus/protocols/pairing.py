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

_Place = tuple[int, int]
"""Position of a part: its message, and its index there."""


def paired(request: Request) -> tuple[Request, tuple[str, ...]]:
    """The request, and what it lost: unpaired halves, by neutral names."""
    history = _History(request.messages)
    if history.in_order:
        return request, ()
    lost = [*(["messages.tool_result"] if history.orphans else []), *(["messages.tool_call"] if history.open else [])]
    return replace(request, messages=tuple(history.rebuilt())), tuple(lost)


class _History:
    """``answered`` are the calls of results, by the positions of the results; ``orphans`` are results without a call,
    ``open`` calls without a result."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages
        self.answered: dict[_Place, _Place] = {}
        self.orphans: set[_Place] = set()
        self.open: set[_Place] = set()
        self._turns = _turns(messages)
        waiting: dict[str, _Place] = {}
        for at, message in enumerate(messages):
            for number, part in enumerate(message.parts):
                if isinstance(part, ToolCall) and message.role == "assistant":
                    waiting[part.id] = (at, number)
                    self.open.add((at, number))
                elif isinstance(part, ToolResult) and message.role == "user":
                    self._match(waiting.pop(part.call_id, None), (at, number))

    def _match(self, call: _Place | None, result: _Place) -> None:
        if call is None:
            self.orphans.add(result)
        else:
            self.open.discard(call)
            self.answered[result] = call

    @property
    def in_order(self) -> bool:
        if self.orphans or self.open:
            return False
        return not any(map(self._late, self.answered))

    def _late(self, result: _Place) -> bool:
        return self._turns[result[0]] != self._turns[self.answered[result][0]]

    def rebuilt(self) -> list[Message]:
        """The messages, each turn of the assistant followed by its missing results."""
        late = {result for result in self.answered if self._late(result)}
        lacking = {self.answered[result]: self._result(result) for result in late} | {
            call: self._none(call) for call in self.open
        }
        added: dict[int, list[ToolResult]] = {}
        for call in sorted(lacking):
            added.setdefault(self._turns[call[0]], []).append(lacking[call])
        written: list[Message] = []
        for at, message in enumerate(self._messages):
            places = [(at, number) for number in range(len(message.parts)) if (at, number) not in late]
            parts = tuple(part for place in places for part in self._part(message.parts[place[1]], place))
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

    def _part(self, part: Part, place: _Place) -> list[Part]:
        if isinstance(part, ToolResult) and place in self.orphans:
            return [Text(LOST_CALL, at=part.at), *part.parts]
        return [part]

    def _result(self, place: _Place) -> ToolResult:
        result = self._messages[place[0]].parts[place[1]]
        assert isinstance(result, ToolResult)
        return result

    def _none(self, place: _Place) -> ToolResult:
        call = self._messages[place[0]].parts[place[1]]
        assert isinstance(call, ToolCall)
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
