"""An answer, written whole for a client.

It is the last event of the stream that tells the same answer, so that the two can never differ.
"""

from __future__ import annotations

from nexus.conversation.fold import unfold
from nexus.conversation.parts import Inline, Response
from nexus.protocols.codec import Envelope
from nexus.protocols.responses.compact import make_composer
from nexus.protocols.room import Room
from nexus.wire import Json

ROOM = Room(images=(Inline,), late_citations=False)


def write_response(response: Response, envelope: Envelope) -> dict[str, Json]:
    composer = make_composer(envelope)
    for event in unfold(response):
        composer.add(event)
    return composer.response
