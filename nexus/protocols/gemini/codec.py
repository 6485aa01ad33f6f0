"""The codec of the gemini dialect."""

from __future__ import annotations

from nexus.protocols.contract import ClientCodec, Counter, VendorCodec
from nexus.protocols.gemini.fields import PATHS, READS, WRITES
from nexus.protocols.gemini.read_error import read_error
from nexus.protocols.gemini.read_request import read_request
from nexus.protocols.gemini.read_stream import StreamReader
from nexus.protocols.gemini.signatures import ThoughtsInCalls
from nexus.protocols.gemini.write_request import write_count, write_request
from nexus.protocols.gemini.write_response import ROOM, write_response
from nexus.protocols.gemini.write_stream import StreamWriter

CLIENT = ClientCodec(
    read_request=read_request,
    write_response=write_response,
    stream_writer=StreamWriter,
    fields=READS,
    paths=PATHS,
    room=ROOM,
    carrier=lambda _: ThoughtsInCalls(),
)

VENDOR = VendorCodec(
    write_request=write_request,
    stream_reader=StreamReader,
    read_error=read_error,
    fields=WRITES,
    count=Counter(write_count, "totalTokens"),
    # google-gemini/deprecated-generative-ai-python #744, Portkey-AI/gateway #1303; Gemini CLI repeats the request, too.
    repeats_empty=True,
)
