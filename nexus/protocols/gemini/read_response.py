"""A vendor's complete answer, read into neutral form.

Read by the stream's own reader, so that both paths cannot differ; an answer without a finish reason, a candidate
or any part is normal, and ends ``unknown`` unless the vendor says more.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.events import ContentDropped, ResponseEnd
from nexus.conversation.fold import fold
from nexus.conversation.parts import Stop
from nexus.errors import VendorError
from nexus.protocols.codec import AnswerOrigin, ReadResponse
from nexus.protocols.gemini.read_error import read_stream_error
from nexus.protocols.gemini.read_stream import StreamReader
from nexus.wire import Json


def read_response(body: Mapping[str, Json], origin: AnswerOrigin) -> ReadResponse:
    if not is_answer(body):
        raise VendorError(read_stream_error(body))
    reader = StreamReader(origin)
    events = reader.read(body)
    events += reader.finish() or [ResponseEnd(Stop("unknown"))]
    dropped = tuple(event.dropped for event in events if isinstance(event, ContentDropped))
    return ReadResponse(fold(events), dropped)


def is_answer(body: Mapping[str, Json]) -> bool:
    """Whether a 200 holds one, be it an empty one."""
    return not {"candidates", "promptFeedback", "usageMetadata"}.isdisjoint(body)
