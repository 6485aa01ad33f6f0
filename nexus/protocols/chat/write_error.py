"""Errors as a client of the chat dialect reads them: OpenAI's error object, inside a stream too.

A vendor's own error body of this shape travels as it is.
"""

from __future__ import annotations

from nexus.errors import NexusError, UpstreamStatus
from nexus.protocols.openai_errors import read_body as read_body
from nexus.protocols.openai_errors import write_error as write_error
from nexus.wire import encode


def write_stream_error(error: NexusError, request_id: str) -> bytes:
    """The same inside a stream whose head has gone out; what the vendor said keeps its words."""
    if isinstance(error, UpstreamStatus) and (vendor_error := read_body(error.body)):
        return encode({"error": vendor_error})
    return write_error(error, request_id)
