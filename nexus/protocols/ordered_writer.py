"""What the writers of all streams have in common: the grammar of events runs in front of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from nexus.conversation.events import Event
from nexus.conversation.grammar import Order
from nexus.wire import Json


class OrderedWriter(ABC):
    """Neutral events to a client's bytes."""

    def __init__(self) -> None:
        self._grammar = Order()

    @property
    def whole(self) -> Mapping[str, Json] | None:
        """The answer as the client may refer to it, once it is whole; None in a dialect where nobody can."""
        return None

    def write(self, event: Event) -> bytes:
        """Raises IllegalOrder."""
        self._grammar.check(event)
        return self._write(event)

    @abstractmethod
    def _write(self, event: Event) -> bytes: ...
