"""Answers without any content, from models that answer a repeated request."""

from __future__ import annotations

from collections.abc import Iterable

from nexus.conversation.events import ContentDropped, Event, PartStart, ResponseEnd
from nexus.conversation.parts import Stop
from nexus.errors import ProtocolError

_NO_REASON = Stop("unknown")


class EmptyAnswer(ProtocolError):
    """The model ended its answer before its first word, normally or without a reason."""


class RejectEmpty:
    """A step that raises EmptyAnswer at the end of such an answer."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._is_filled = False

    def feed(self, event: Event) -> Iterable[Event]:
        match event:
            case PartStart() | ContentDropped():
                self._is_filled = True
            case ResponseEnd(stop=stop) if not self._is_filled and (stop.reason == "end" or stop == _NO_REASON):
                raise EmptyAnswer(f"{self._provider}: the answer is empty", provider=self._provider)
        return (event,)
