"""A client's request in neutral form, read when it is first needed."""

from __future__ import annotations

from nexus.dataclasses import replace
from nexus.protocols.codec import ReadRequest
from nexus.protocols.loader import client
from nexus.protocols.tidy import with_distinct_calls
from nexus.relay.call_state import CallState


def reading(state: CallState) -> ReadRequest:
    """The client's request in neutral form, read once per call. Raises ClientError."""
    if state.reading is None:
        call = state.call
        find = None if state.answers is None else state.answers.find
        read = client(call.dialect).read(call.document, find, compacts=call.operation.compacts)
        state.reading = replace(read, request=with_distinct_calls(read.request))
    return state.reading


def refers(state: CallState) -> bool:
    """Whether reading a call requires earlier answers."""
    referring = client(state.call.dialect).referring
    return state.answers is not None and referring is not None and referring.refers(state.call.document)
