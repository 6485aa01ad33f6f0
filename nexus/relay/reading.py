"""What a client's request asks for in neutral form, read when a call first needs it."""

from __future__ import annotations

from dataclasses import replace

from nexus.call import Call
from nexus.protocols.codec import ReadRequest
from nexus.protocols.loader import client
from nexus.protocols.tidy import with_distinct_calls


def reading(call: Call) -> ReadRequest:
    """What the client asks for, read once however often it is needed: it never changes. Raises ClientError."""
    if call.reading is None:
        find = None if call.answers is None else call.answers.find
        read = client(call.dialect).read_request(call.document, find, compacts=call.action == "compact")
        call.reading = replace(read, request=with_distinct_calls(read.request))
    return call.reading


def refers(call: Call) -> bool:
    """Whether reading a call takes earlier answers."""
    return call.answers is not None and client(call.dialect).refers(call.document)
