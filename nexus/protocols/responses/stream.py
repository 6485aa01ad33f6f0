"""Streams of the responses dialect: ``StreamReader`` from a vendor, ``StreamWriter`` for a client.

Law: a door only; what happens behind it stands in stream_reader.py and stream_writer.py.
"""

from nexus.protocols.responses.stream_reader import StreamReader
from nexus.protocols.responses.stream_writer import StreamWriter

__all__ = ["StreamReader", "StreamWriter"]
