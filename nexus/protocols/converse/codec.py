"""The codec of the converse dialect."""

from __future__ import annotations

from nexus.protocols.contract import Counter, VendorCodec
from nexus.protocols.converse.count import read_count, write_count
from nexus.protocols.converse.fields import WRITES
from nexus.protocols.converse.read_error import read_error
from nexus.protocols.converse.read_response import read_response
from nexus.protocols.converse.read_stream import StreamReader
from nexus.protocols.converse.write_request import write_request

VENDOR = VendorCodec(
    write_request=write_request,
    read_response=read_response,
    stream_reader=StreamReader,
    read_error=read_error,
    fields=WRITES,
    count=Counter(write_count, read_count),
)
