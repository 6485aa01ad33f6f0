"""A vendor's error in this dialect, read into neutral terms."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.errors.failure import VendorFailure
from nexus.protocols.openai_failures import read_error as read_error
from nexus.protocols.openai_failures import read_in_band
from nexus.wire import Json


def is_answer(body: Mapping[str, Json]) -> bool:
    return isinstance(body.get("choices"), list) and not body.get("error")


def read_stream_error(document: Mapping[str, Json]) -> VendorFailure:
    """An error inside a 200: a chunk or a complete answer with ``error``."""
    return read_in_band(document, decided_by=("code", "type"))
