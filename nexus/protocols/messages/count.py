"""Counting tokens without answering: ``POST /v1/messages/count_tokens``.

The same prompt as write_request builds, less everything that only shapes the answer. Source:
anthropic.types.message_count_tokens_params.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Request
from nexus.protocols.codec import Target, VendorRequest
from nexus.protocols.messages.write_request import write_request
from nexus.wire import Json

_COUNTED = ("model", "system", "messages", "tools", "tool_choice", "thinking", "output_config")


def write_count(request: Request, target: Target) -> VendorRequest:
    written = write_request(request, target)
    body = {name: written.body[name] for name in _COUNTED if name in written.body}
    return VendorRequest(body, written.dropped, written.answer_tool, written.headers)


def read_count(body: Mapping[str, Json]) -> int:
    """Raises ValueError when the answer holds no count."""
    tokens = body.get("input_tokens")
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
        raise ValueError("the answer holds no input_tokens")
    return tokens
