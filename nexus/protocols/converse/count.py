"""Counting tokens on Bedrock: the question is a Converse request, which the provider wraps; the answer is a number.

Source: CountTokens in botocore's service model of bedrock-runtime.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Request
from nexus.protocols.codec import Target, VendorRequest
from nexus.protocols.converse.write_request import write_request
from nexus.wire import Json, count


def write_count(request: Request, target: Target) -> VendorRequest:
    """The members of a Converse request that are counted."""
    written = write_request(request, target)
    return VendorRequest({name: value for name, value in written.body.items() if name in _COUNTED})


_COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")


def read_count(body: Mapping[str, Json]) -> int:
    return count(body.get("inputTokens"))
