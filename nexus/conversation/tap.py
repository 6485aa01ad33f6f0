"""What is read off an answer on its way to the client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from nexus.conversation.usage import Usage
from nexus.dataclasses import dataclass
from nexus.wire import Json

SEALED = "sealed_"
"""Begins the names, made here, of what only the account can open that made it."""


@dataclass(slots=True)
class Tap:
    """What is read off the bytes that pass: filled on success, on failure and when the client disconnected.

    ``events`` counts those that the client gets, in dialects that number them. ``ids`` are those that the vendor gave
    to what it keeps, and the names of what it sealed, until somebody takes them. ``units`` is what the vendor says of
    usage in other units than tokens, such as seconds.
    """

    model: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    units: Mapping[str, Json] | None = field(default=None, compare=False, repr=False)
    events: int = field(default=0, compare=False)
    ids: dict[str, None] = field(default_factory=dict, compare=False)
