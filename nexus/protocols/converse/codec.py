"""The codec of the converse dialect."""

from __future__ import annotations

from nexus.protocols.contract import ClientCodec, VendorCodec
from nexus.protocols.converse.fields import PATHS, READS, WRITES
from nexus.protocols.converse.read_error import read_error
from nexus.protocols.converse.read_request import read_request
from nexus.protocols.converse.read_stream import StreamReader
from nexus.protocols.converse.write_request import write_request
from nexus.protocols.converse.write_response import ROOM, write_response
from nexus.protocols.converse.write_stream import StreamWriter

CLIENT = ClientCodec(
    read_request=read_request,
    write_response=write_response,
    stream_writer=StreamWriter,
    fields=READS,
    paths=PATHS,
    room=ROOM,
    media=frozenset({"image", "document", "video"}),
)

VENDOR = VendorCodec(write_request=write_request, stream_reader=StreamReader, read_error=read_error, fields=WRITES)
