"""An answer, written whole for a client.

Law: it is the last event of the stream that tells the same answer, so that the two can never differ.
"""

from __future__ import annotations

from collections.abc import Callable

from nexus.conversation.fold import unfold
from nexus.conversation.parts import Inline, Request, Response
from nexus.protocols.responses.compact import make_composer
from nexus.protocols.room import Room
from nexus.wire import Json

ROOM = Room(images=(Inline,), late_citations=False)


def write_response(
    response: Response, *, created: int, request: Request | None = None, now: Callable[[], int] | None = None
) -> dict[str, Json]:
    composer = make_composer(model=response.model, response_id=response.id, created=created, request=request, now=now)
    for event in unfold(response):
        composer.add(event)
    return composer.response
