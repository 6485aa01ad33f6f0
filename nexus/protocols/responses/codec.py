"""The codec of the responses dialect."""

from __future__ import annotations

from nexus.protocols.contract import ClientCodec, Counter, Referring, VendorCodec
from nexus.protocols.responses.compact import write_compacted
from nexus.protocols.responses.earlier_answers import refers
from nexus.protocols.responses.fields import HEADERS, PATHS, READS, WRITES
from nexus.protocols.responses.read_error import read_error
from nexus.protocols.responses.read_request import read_request
from nexus.protocols.responses.read_stream import StreamReader
from nexus.protocols.responses.write_request import write_count, write_request
from nexus.protocols.responses.write_response import ROOM, write_response
from nexus.protocols.responses.write_stream import StreamWriter

CLIENT = ClientCodec(
    read_request=read_request,
    write_response=write_response,
    stream_writer=StreamWriter,
    fields=READS,
    paths=PATHS,
    headers=HEADERS,
    room=ROOM,
    conversation="input",
    media=frozenset({"image_url", "file_data", "file_url", "file_id", "input_audio", "result"}),
    referring=Referring(refers, read_request, write_compacted),
)

VENDOR = VendorCodec(
    write_request=write_request,
    stream_reader=StreamReader,
    read_error=read_error,
    fields=WRITES,
    count=Counter(write_count, "input_tokens"),
    params=READS,
)
