"""What the supervisor answers to a call, and what it means when it does not."""

from __future__ import annotations

from typing import Any

from nexus.errors import Overloaded


class Lost(Exception):
    """The supervisor did not answer."""


class Refused(Exception):
    """The supervisor could not carry out a call; its log says why."""


def value_of(kind: str, value: Any) -> Any:
    """Of an answer of that kind. Raises Overloaded as the function did, and Refused."""
    match kind:
        case "done":
            return value
        case "overloaded":
            raise Overloaded(value[0], retry_after=value[1])
        case _:
            raise Refused(value)
