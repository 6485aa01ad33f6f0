"""The codec of the chat dialect."""

from __future__ import annotations

from nexus.protocols.chat.call_ids import SignaturesInIds
from nexus.protocols.chat.fields import HEADERS, PATHS, READS, WRITES
from nexus.protocols.chat.read_error import read_error
from nexus.protocols.chat.read_request import read_request
from nexus.protocols.chat.read_stream import StreamReader
from nexus.protocols.chat.write_request import write_request
from nexus.protocols.chat.write_response import ROOM, write_response
from nexus.protocols.chat.write_stream import StreamWriter
from nexus.protocols.contract import ClientCodec, VendorCodec

CLIENT = ClientCodec(
    read_request=read_request,
    write_response=write_response,
    stream_writer=StreamWriter,
    fields=READS,
    paths=PATHS,
    headers=HEADERS,
    room=ROOM,
    media=frozenset({"image_url", "input_audio", "file"}),
    carrier=SignaturesInIds,
)

VENDOR = VendorCodec(
    write_request=write_request, stream_reader=StreamReader, read_error=read_error, fields=WRITES, params=READS
)
