"""A complete answer, written for a client.

It is the last event of the stream for the same answer, so the two cannot differ.
"""

from __future__ import annotations

from nexus.conversation.fold import unfold
from nexus.conversation.parts import Inline, Response
from nexus.protocols.codec import Envelope
from nexus.protocols.responses.compact import make_composer
from nexus.protocols.tidy import Room
from nexus.wire import Json

ROOM = Room(images=(Inline,), late_citations=False)


def write_response(response: Response, envelope: Envelope) -> dict[str, Json]:
    composer = make_composer(envelope)
    for event in unfold(response):
        composer.add(event)
    return composer.response
