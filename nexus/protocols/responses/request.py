"""Requests of the responses dialect: ``read_request`` and ``write_request``.

Law: a door only; what happens behind it stands in read_request.py and write_request.py.
"""

from nexus.protocols.responses.read_request import read_request
from nexus.protocols.responses.write_request import write_request

__all__ = ["read_request", "write_request"]
