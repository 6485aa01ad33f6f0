"""A vendor's complete answer, read into neutral form: by the stream's own reader, so that both paths cannot differ.

The first choice is the answer. Source: openai.types.chat.ChatCompletion.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.events import ContentDropped
from nexus.conversation.fold import fold
from nexus.errors import VendorError
from nexus.protocols.chat.read_error import read_stream_error
from nexus.protocols.chat.read_stream import StreamReader
from nexus.protocols.codec import AnswerOrigin, ReadResponse
from nexus.wire import Json


def read_response(body: Mapping[str, Json], origin: AnswerOrigin) -> ReadResponse:
    if not is_answer(body):
        raise VendorError(read_stream_error(body))
    reader = StreamReader(origin)
    events = [*reader.read_whole(body), *reader.finish()]
    dropped = [event.dropped for event in events if isinstance(event, ContentDropped)]
    return ReadResponse(fold(events), tuple(dropped))


def is_answer(body: Mapping[str, Json]) -> bool:
    return isinstance(body.get("choices"), list) and not body.get("error")
