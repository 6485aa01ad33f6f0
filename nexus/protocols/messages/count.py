"""Counting tokens without answering: ``POST /v1/messages/count_tokens``.

The same prompt as write_request builds, less everything that only shapes the answer. Source:
anthropic.types.message_count_tokens_params.
"""

from __future__ import annotations

from nexus.conversation.parts import Request
from nexus.protocols.codec import Target
from nexus.protocols.messages.write_request import write_request
from nexus.wire import Json

_COUNTED = ("model", "system", "messages", "tools", "tool_choice", "thinking", "output_config")


def write_count(request: Request, target: Target) -> dict[str, Json]:
    body = write_request(request, target).body
    return {name: body[name] for name in _COUNTED if name in body}
