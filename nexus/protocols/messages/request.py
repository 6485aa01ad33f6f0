"""Requests of the messages dialect, both ways.

Law: names only; the work is done beside it.
"""

from nexus.protocols.messages.read_request import read_request
from nexus.protocols.messages.write_request import write_request

__all__ = ["read_request", "write_request"]
