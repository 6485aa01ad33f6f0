"""Counting tokens without answering: ``POST /v1/responses/input_tokens``.

The same prompt as write_request builds, less everything that only shapes the answer or asks for storage. Source:
openai.types.responses.input_token_count_params.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nexus.conversation.parts import Request
from nexus.protocols.codec import Target, VendorRequest
from nexus.protocols.responses.write_request import write_request
from nexus.wire import Json

_COUNTED = ("model", "input", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text")


def write_count(request: Request, target: Target) -> VendorRequest:
    # A summary is no part of the prompt, and may be refused.
    body = write_request(request, replace(target, summary="off")).body
    return VendorRequest({name: body[name] for name in _COUNTED if name in body})


def read_count(body: Mapping[str, Json]) -> int:
    """Raises ValueError when the answer holds no count."""
    tokens = body.get("input_tokens")
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
        raise ValueError("the answer holds no input_tokens")
    return tokens
