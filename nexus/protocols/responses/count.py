"""Counting tokens without answering: ``POST /v1/responses/input_tokens``.

The same prompt as write_request builds, less everything that only shapes the answer or asks for storage. Source:
openai.types.responses.input_token_count_params.
"""

from __future__ import annotations

from dataclasses import replace

from nexus.conversation.parts import Request
from nexus.protocols.codec import Target
from nexus.protocols.responses.write_request import write_request
from nexus.wire import Json

_COUNTED = ("model", "input", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text")


def write_count(request: Request, target: Target) -> dict[str, Json]:
    # A summary is no part of the prompt, and may be refused.
    body = write_request(request, replace(target, summary="off")).body
    return {name: body[name] for name in _COUNTED if name in body}
