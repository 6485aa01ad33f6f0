"""Requests of the chat dialect: ``read_request`` and ``write_request``.

Law: a door only; what happens behind it stands in read_request.py and write_request.py.
"""

from nexus.protocols.chat.read_request import read_request
from nexus.protocols.chat.write_request import write_request

__all__ = ["read_request", "write_request"]
