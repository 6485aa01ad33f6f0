"""The location in a client's request of what a writer's path names: the neutral conversation is merged, the client's is
not.

Parts without a recorded location keep the writer's path.
"""

from __future__ import annotations

from nexus.conversation.parts import Message, Request, ToolResult
from nexus.wire import item_at


def location_of(path: str, request: Request) -> tuple[str, str] | None:
    """The client's path of the message, part or tool at ``path``, and the rest of ``path``; None if there is none.

    Writers count ``messages.N.content.N``, with ``.content.N`` again inside a tool result, and ``tools.N``.
    """
    head, *steps = path.split(".")
    holders = {"messages": request.messages, "tools": request.tools}.get(head, ())
    place = ""
    while steps and (found := _at(holders, steps[0])) is not None:
        place, steps = _place(found) or place, steps[1:]
        holders = found.parts if isinstance(found, Message | ToolResult) and steps[:1] == ["content"] else ()
        steps = steps[1:] if holders and len(steps) > 1 else steps
    return (place, ".".join(steps)) if place else None


def _at(holders: tuple[object, ...], step: str) -> object | None:
    found: object | None = item_at(holders, step)
    return found


def _place(found: object) -> str:
    at: str = getattr(found, "at", "")
    if not at and isinstance(found, Message) and found.parts:
        return found.parts[0].at
    return at
