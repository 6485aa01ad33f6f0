"""The codec of the messages dialect."""

from __future__ import annotations

from nexus.protocols.contract import ClientCodec, Counter, VendorCodec
from nexus.protocols.messages.fields import HEADERS, PATHS, READS, WRITES
from nexus.protocols.messages.read_error import read_error
from nexus.protocols.messages.read_request import read_request
from nexus.protocols.messages.read_stream import StreamReader
from nexus.protocols.messages.write_request import write_count, write_request
from nexus.protocols.messages.write_response import ROOM, write_response
from nexus.protocols.messages.write_stream import StreamWriter

CLIENT = ClientCodec(
    read_request=read_request,
    write_response=write_response,
    stream_writer=StreamWriter,
    fields=READS,
    paths=PATHS,
    headers=HEADERS,
    room=ROOM,
    media=frozenset({"source"}),
)

VENDOR = VendorCodec(
    write_request=write_request,
    stream_reader=StreamReader,
    read_error=read_error,
    fields=WRITES,
    count=Counter(write_count, "input_tokens"),
)
