"""Streams of the chat dialect: ``StreamReader`` from a vendor, ``StreamWriter`` for a client.

Law: a door only; what happens behind it stands in stream_reader.py and stream_writer.py.
"""

from nexus.protocols.chat.stream_reader import StreamReader
from nexus.protocols.chat.stream_writer import StreamWriter

__all__ = ["StreamReader", "StreamWriter"]
